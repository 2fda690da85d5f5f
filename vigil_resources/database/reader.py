"""A connection that can read and do nothing else, for SQL that others write.

On the embedded server it logs in as `vigil_reader`, a role with no right but SELECT. Elsewhere it
logs in as the user of the URL, becomes that role, and takes one statement in a read-only
transaction: no statement can undo that before it begins.
"""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from vigil_core.errors import CopyNotTaken, OneStatementOnly
from vigil_resources.database.roles import Role, address_as

_OPTIONS = "-c timezone=UTC -c search_path=public,compat -c default_transaction_read_only=on"


def connect_reader(
    url: str, *, is_embedded: bool, say: Callable[[str], None]
) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection in read-only transactions, as `vigil_reader` wherever that can be had.

    Args:
        url: The database, as the one who owns it.
        is_embedded: Whether the server is Vigil's own, where the role may log in.
        say: Called with what holds less than it should.
    """
    address = reader_address(url, is_embedded=is_embedded, say=say)
    connection = psycopg.connect(address, application_name="vigil db-query")
    connection.read_only = True
    return connection


def reader_address(url: str, *, is_embedded: bool, say: Callable[[str], None]) -> str:
    """Where to connect, as whom and with which options, for `connect_reader` and for pools.

    Holds a password: neither to be logged nor shown.
    """
    return address_as(Role.READER, url, is_embedded=is_embedded, options=_OPTIONS, say=say)


def read(
    connection: psycopg.Connection[tuple[Any, ...]], statement: str
) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run one statement.

    Raises:
        OneStatementOnly: There are several.
        CopyNotTaken: It is a COPY to or from the client.
    """
    try:
        # Prepared, the server itself refuses a second statement: nothing here parses SQL.
        return connection.execute(statement.encode(), prepare=True)
    except psycopg.errors.SyntaxError as error:
        if "multiple commands" in (error.diag.message_primary or ""):
            raise OneStatementOnly from error
        raise
    except psycopg.ProgrammingError as error:
        if connection.info.transaction_status is TransactionStatus.ACTIVE:
            connection.close()
            raise CopyNotTaken from error
        raise
