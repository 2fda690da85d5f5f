"""Rows of the desk's tables, put there by hand."""

from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier, Placeholder

from vigil_core.desk.parameters import BOUNDS

ADDRESS = "0x" + "ab" * 20


def insert(connection: psycopg.Connection, table: str, **values: Any) -> tuple[Any, ...]:
    """One row; gives it as it was stored."""
    columns = SQL(", ").join(map(Identifier, values))
    given = SQL(", ").join(map(Placeholder, values))
    statement = SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING *")
    row = connection.execute(statement.format(Identifier(table), columns, given), values).fetchone()
    assert row is not None
    return row


def add_trader(connection: psycopg.Connection, followed_from: int, **values: Any) -> int:
    """A followed trader with default settings, but for `values`; gives his id."""
    defaults = {column: bound.default for column, bound in BOUNDS.items()}
    number = values.pop("number", 1)
    row: dict[str, Any] = defaults | {
        "user_address": ADDRESS,
        "name": f"trader {number}",
        "source": "address",
        "state": "paper",
        "active": True,
        "followed_from": followed_from,
        "effective_at": followed_from,
        "created_at": followed_from,
        "updated_at": followed_from,
        "updated_by": "test",
    }
    return int(insert(connection, "traders", **row | values)[0])


def change_trader(connection: psycopg.Connection, trader_id: int, at: int, **values: Any) -> None:
    """Another version of his settings, that holds from `at` on."""
    sets = [SQL("{} = {}").format(Identifier(key), Placeholder(key)) for key in values]
    statement = SQL(
        "UPDATE traders SET {}, version = version + 1, effective_at = %(at)s, updated_at = %(at)s,"
        " updated_by = 'test' WHERE trader_id = %(trader_id)s"
    )
    connection.execute(
        statement.format(SQL(", ").join(sets)), values | {"at": at, "trader_id": trader_id}
    )
