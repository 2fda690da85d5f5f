"""Alerts as people see them: read, and marked as seen. `alerts.py` decides when one fires."""

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from vigil_core.errors import NotFound
from vigil_resources.statements import query


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A limit that was crossed; times in ms."""

    alert_id: int
    trader_id: int
    name: str
    user_address: str | None
    rule: str
    limit_value: float
    value: float
    as_of: int
    fired_at: int
    paused: bool
    recovered_at: int | None
    acknowledged_at: int | None
    acknowledged_by: str | None


class AlertLog:
    """The rows of `alerts`, within one transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def page(
        self,
        *,
        alert_id: int | None = None,
        trader_id: int | None = None,
        is_open: bool = False,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Alert]:
        """Alerts, newest first; `is_open`: nobody acknowledged them, or they still hold."""
        asked = {
            "alert_id": alert_id,
            "trader_id": trader_id,
            "open": is_open,
            "before": before,
            "limit": limit,
        }
        with self._connection.cursor(row_factory=class_row(Alert)) as cursor:
            return cursor.execute(query("desk/alerts"), asked).fetchall()

    def acknowledge(self, alert_id: int, *, by: str) -> Alert:
        """Say that somebody saw it; who said so first stays. Raises `NotFound`."""
        asked = {"alert_id": alert_id, "by": by}
        self._connection.execute(query("desk/acknowledge_alert"), asked)
        found = self.page(alert_id=alert_id)
        if not found:
            raise NotFound("alert", alert_id)
        return found[0]
