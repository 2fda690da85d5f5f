"""Who may call the API: keys, and the sessions that browsers get for one.

A key is `vgl_` + 8 characters that name it + `_` + 43 of a secret of 256 bits. The secret is shown
once; stored is its SHA-256. With that many random bits there is nothing for a slow hash to slow.
"""

import hashlib
import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from vigil_core.errors import NotFound, VigilError
from vigil_resources.statements import query

SCOPES = ("read", "manage", "admin")
"""Each holds those before it."""

SESSION_SECONDS = 12 * 3600

_NAMES = string.ascii_lowercase + string.digits
_ID_LENGTH, _SECRET_LENGTH = 8, 43
_KEY = re.compile(f"vgl_([{_NAMES}]{{{_ID_LENGTH}}})_([A-Za-z0-9_-]{{{_SECRET_LENGTH}}})")


class UnknownScope(VigilError):
    """A key was to have a scope that there is not."""

    def __init__(self, scope: str) -> None:
        super().__init__(f"expected scopes of {', '.join(SCOPES)}, got {scope!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is known of a key; times in ms."""

    key_id: str
    label: str
    scopes: list[str]
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOwner:
    """Whom a good key, or a session of it, stands for."""

    key_id: str
    label: str
    scopes: frozenset[str]


class ApiKeys:
    """The rows of `api_keys` and `api_sessions`, within one transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def create(self, label: str, scopes: Iterable[str], *, valid_ms: int | None = None) -> str:
        """Make a key and give it; nothing can show it a second time.

        Raises:
            UnknownScope: A scope is none.
        """
        given = sorted(set(scopes))
        for scope in given:
            if scope not in SCOPES:
                raise UnknownScope(scope)
        key_id = "".join(secrets.choice(_NAMES) for _ in range(_ID_LENGTH))
        secret = secrets.token_urlsafe(32)
        values = {
            "key_id": key_id,
            "secret_sha256": _sha256(secret),
            "label": label,
            "scopes": given,
            "valid_ms": valid_ms,
        }
        self._connection.execute(query("api/add_key"), values)
        return f"vgl_{key_id}_{secret}"

    def all(self) -> list[ApiKey]:
        """Every key ever made, oldest first."""
        with self._connection.cursor(row_factory=class_row(ApiKey)) as cursor:
            return cursor.execute(query("api/keys")).fetchall()

    def revoke(self, key_id: str) -> None:
        """Let a key open nothing any more. Raises `NotFound` where none of this name is good."""
        if not self._connection.execute(query("api/revoke_key"), {"key_id": key_id}).rowcount:
            raise NotFound("key", key_id)

    def owner(self, key: str) -> tuple[KeyOwner, bool] | None:
        """Whose key it is, and whether its last use was noted within a minute; None: no good."""
        parts = split_key(key)
        if parts is None:
            return None
        key_id, secret = parts
        asked = {"key_id": key_id, "secret_sha256": _sha256(secret)}
        row = self._connection.execute(query("api/key"), asked).fetchone()
        if row is None:
            return None
        return KeyOwner(key_id=key_id, label=row[0], scopes=frozenset(row[1])), bool(row[2])

    def note_use(self, key_id: str) -> None:
        """Remember that the key was used now."""
        self._connection.execute(query("api/use_key"), {"key_id": key_id})

    def begin_session(self, key_id: str) -> str:
        """Make a session for a browser, and give what its cookie holds."""
        session = secrets.token_urlsafe(32)
        values = {
            "session_sha256": _sha256(session),
            "key_id": key_id,
            "valid_ms": SESSION_SECONDS * 1000,
        }
        self._connection.execute(query("api/add_session"), values)
        return session

    def session_owner(self, session: str) -> KeyOwner | None:
        """Whose session it is; None: it has ended, or its key has."""
        asked = {"session_sha256": _sha256(session)}
        row = self._connection.execute(query("api/session"), asked).fetchone()
        if row is None:
            return None
        return KeyOwner(key_id=row[0], label=row[1], scopes=frozenset(row[2]))

    def end_session(self, session: str) -> None:
        """End it, wherever its cookie went."""
        ended = {"session_sha256": _sha256(session)}
        self._connection.execute(query("api/end_session"), ended)


def split_key(key: str) -> tuple[str, str] | None:
    """Name and secret of what looks like a key."""
    # To the letter: what the database could not hold as text must not come that far.
    found = _KEY.fullmatch(key)
    return (found[1], found[2]) if found else None


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
