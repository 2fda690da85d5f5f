"""The two engines under one set of definitions: Postgres, and Postgres with TimescaleDB.

They differ in the statements under `sql/queries/backends/<backend>/`, in one migration, and in how
a day of a derived relation is built.
"""

from enum import StrEnum

import psycopg
from psycopg import sql

from vigil_resources.statements import query, template


class Backend(StrEnum):
    """What holds `fills` and the relations derived from a day of it."""

    PLAIN = "plain"
    """Partitions of one day, tables rebuilt by the day. TimescaleDB without its community
    features, or older than 2.21, counts as this."""
    TIMESCALE = "timescale"
    """A hypertable with chunks of one day, continuous aggregates, days in columns."""

    def template(self, statement: str, /, **parts: sql.Composable | int) -> sql.Composed:
        """The backend's own form of a statement."""
        return template(f"backends/{self}/{statement}", **parts)


def offered(connection: psycopg.Connection, *, may_create: bool) -> Backend:
    """What this database offers now.

    Args:
        connection: In a transaction.
        may_create: Whether TimescaleDB may be installed in it where the server has it loaded.
    """
    _, can_create, is_complete = _found(connection)
    if may_create and can_create:
        is_complete = _create_extension(connection)
    return Backend.TIMESCALE if is_complete else Backend.PLAIN


def _found(connection: psycopg.Connection) -> tuple[bool, bool, bool]:
    row = connection.execute(query("backends/detect")).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def _create_extension(connection: psycopg.Connection) -> bool:
    """Whether it was created and is complete; what is not complete is taken back."""
    try:
        with connection.transaction() as savepoint:
            connection.execute(query("backends/create_extension"))
            # Its licence can be asked only once it is there.
            is_complete = _found(connection)[2]
            if not is_complete:
                raise psycopg.Rollback(savepoint)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return is_complete
