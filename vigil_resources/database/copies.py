"""Rows out of a database and into it by binary COPY, many at a time."""

from collections.abc import Iterable, Mapping

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.copy import QueuedLibpqWriter

from vigil_resources.database.copy_decoder import Columns, Kind, decoded
from vigil_resources.database.copy_encoder import HEADER, TRAILER, CopyEncoder
from vigil_resources.statements import template


def rows_out(
    connection: psycopg.Connection, statement: sql.Composed, kinds: Mapping[str, Kind]
) -> Columns:
    """What a query gives, whose columns these are in its order.

    Raises:
        NumberTooLong: a NUMERIC does not fit its kind.
    """
    with (
        connection.cursor() as cursor,
        cursor.copy(template("copies/out", statement=statement)) as copy,
    ):
        return decoded(copy, kinds)


def rows_in(connection: psycopg.Connection, relation: str, rows: pa.Table) -> int:
    """Add rows to a relation, whose columns these are by name; gives their number."""
    columns = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    statement = template("copies/into", name=sql.Identifier(relation), columns=columns)
    return copy_in(connection, statement, [rows])


def copy_in(
    connection: psycopg.Connection,
    statement: sql.Composed,
    tables: Iterable[pa.Table],
    json_columns: frozenset[str] = frozenset(),
) -> int:
    """`COPY … FROM STDIN (FORMAT binary)`, encoded while the server takes in the rows before."""
    encoder = CopyEncoder(json_columns)
    rows = 0
    with connection.cursor() as cursor:
        writer = QueuedLibpqWriter(cursor)
        with cursor.copy(statement, writer=writer) as copy:
            copy.write(HEADER)
            for table in tables:
                rows += table.num_rows
                for piece in encoder.pieces(table):
                    copy.write(piece)
            copy.write(TRAILER)
    return rows
