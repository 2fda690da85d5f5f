"""Roles of the database that may do less than its owner, and how one connects as them.

The installer makes them: group roles that nobody logs in as. On the embedded server a role gets a
password that follows from the owner's, and whoever needs no more logs in as it. Elsewhere one logs
in as the user of the URL and is the role from the connection's start. Where that user may not make
roles, there are none: this is said, and all else works.
"""

import hashlib
import hmac
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from vigil_resources.statements import query, template


class Role(StrEnum):
    """What may be done with all that Vigil stores."""

    READER = "vigil_reader"
    """Read it, without the API's secrets and answers."""
    API = "vigil_api"
    """The same, and change what the desk is told."""


def install(owner: psycopg.Connection[Any]) -> bool:
    """Make the roles, and give them their rights; cheap where that was done.

    False where the user may not, and nothing was changed: within the caller's transaction.
    """
    try:
        with owner.transaction():
            for role in Role:
                parts = {"role": sql.Literal(role), "name": sql.Identifier(role)}
                owner.execute(template("schema/create_role", **parts))
                owner.execute(template("schema/grant_reading", **parts))
            owner.execute(query("schema/grant_desk"))
            owner.execute(query("schema/grant_keys"))
            # One that exists may still be no role of ours.
            for role in Role:
                with owner.transaction():
                    owner.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
                    owner.execute("RESET ROLE")
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction):
        return False
    return True


def address_as(
    role: Role,
    url: str,
    *,
    is_embedded: bool,
    options: str,
    say: Callable[[str], None],
) -> str:
    """Where to connect, as whom and with which options.

    Holds a password: neither to be logged nor shown.

    Args:
        role: Whom to be.
        url: The database, as the one who owns it.
        is_embedded: Whether the server is Vigil's own, where a role may log in.
        options: Of the connection.
        say: Called with what holds less than it should.
    """
    with psycopg.connect(url) as owner:
        if is_embedded:
            install(owner)
            url = _log_in(owner, url, role)
        elif install(owner):
            # Given at the start, it is also what RESET ROLE goes back to.
            options += f" -c role={role}"
            if owner.info.parameter_status("is_superuser") == "on":
                say(
                    "DATABASE_URL names a superuser: mistakes are refused, but SQL written to do "
                    "harm can become that superuser again; name an ordinary user instead"
                )
        else:
            how = " in a read-only transaction" if role is Role.READER else ""
            say(f"{NO_ROLES} {role}: the user of DATABASE_URL does its work{how}")
    return make_conninfo(url, options=options)


NO_ROLES = "this user may not make roles, or not give them rights, so there is no"


def _log_in(owner: psycopg.Connection[Any], url: str, role: Role) -> str:
    """The URL with the role's name and password, which follows from the owner's."""
    secret = str(conninfo_to_dict(url)["password"]).encode()
    password = hmac.new(secret, role.encode(), hashlib.sha256).hexdigest()
    parts = {"role": sql.Literal(role), "name": sql.Identifier(role)}
    owner.execute(template("schema/let_log_in", password=sql.Literal(password), **parts))
    return make_conninfo(url, user=role, password=password)
