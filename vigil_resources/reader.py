"""A connection that can read and do nothing else, for SQL that others write.

On the embedded server it logs in as `vigil_reader`, a role with no right but SELECT. Elsewhere it
logs in as the user of the URL, becomes that role, and takes one statement in a read-only
transaction: no statement can undo that before it begins.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from vigil_core.errors import CopyNotTaken, OneStatementOnly
from vigil_resources.statements import query, template

ROLE = "vigil_reader"

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
    options = _OPTIONS
    with psycopg.connect(url) as owner:
        if is_embedded:
            _prepare(owner)
            url = _log_in(owner, url)
        elif _may_prepare(owner):
            # Given at the start, it is also what RESET ROLE goes back to.
            options += f" -c role={ROLE}"
            if owner.info.parameter_status("is_superuser") == "on":
                say(
                    "DATABASE_URL names a superuser: mistakes are refused, but SQL written to do "
                    "harm can become that superuser again; name an ordinary user instead"
                )
        else:
            say(
                f"this user may not make the role {ROLE}, or not let it read: "
                "one statement in a read-only transaction instead"
            )
    return make_conninfo(url, options=options)


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


def _prepare(owner: psycopg.Connection[Any]) -> None:
    """Make the role and let it read; cheap where that was done."""
    with owner.transaction():
        owner.execute(query("schema/create_reader"))
        owner.execute(query("schema/grant_reader"))


def _may_prepare(owner: psycopg.Connection[Any]) -> bool:
    """The same in a database of somebody else's; False where the user lacks a right to it."""
    try:
        _prepare(owner)
        # One that exists may still be no role of ours.
        with owner.transaction():
            owner.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(ROLE)))
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
        return False
    return True


def _log_in(owner: psycopg.Connection[Any], url: str) -> str:
    """The URL with the role's name and password, which follows from the owner's."""
    secret = str(conninfo_to_dict(url)["password"]).encode()
    password = hmac.new(secret, ROLE.encode(), hashlib.sha256).hexdigest()
    owner.execute(template("schema/let_reader_log_in", password=sql.Literal(password)))
    return make_conninfo(url, user=ROLE, password=password)
