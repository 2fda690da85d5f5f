"""Intents: what an executor should do for live-ready traders. Paper trading writes them."""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from vigil_core.errors import NotFound
from vigil_resources.statements import query


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One, and whether somebody took it."""

    intent_id: int
    signal_id: int
    trader_id: int
    body: dict[str, Any]
    created_at: int
    acknowledged_at: int | None
    acknowledged_by: str | None
    withdrawn: bool
    """The fills that it was read from were corrected since: the signal no longer holds."""


class Intents:
    """The rows of `intents`, within one transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def after(
        self, intent_id: int = 0, *, limit: int = 50, unacknowledged: bool = False
    ) -> list[Intent]:
        """Those behind one, oldest first."""
        asked = {"after": intent_id, "limit": limit, "unacknowledged": unacknowledged}
        with self._connection.cursor(row_factory=class_row(Intent)) as cursor:
            return cursor.execute(query("desk/intents_after"), asked).fetchall()

    def acknowledge(self, intent_id: int, *, by: str) -> tuple[int, str]:
        """Say that it was taken; gives when, and by whom. Who said so first stays.

        Raises:
            NotFound: There is no such intent.
        """
        values = {"intent_id": intent_id, "by": by}
        row = self._connection.execute(query("desk/acknowledge_intent"), values).fetchone()
        if row is None:
            raise NotFound("intent", intent_id)
        return int(row[0]), str(row[1])
