"""Alerts on followed traders' paper accounts: once per crossing, and again after a recovery.

An alert, the pause that it asks for and the messages about it are written in one transaction: there
is none without the others, whoever is killed when.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from vigil_core.calendar import DAY_MS, day_of, day_start_ms
from vigil_core.desk.alerts import AccountRisk, AlertLimits, Reading, readings
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import query

RELATION = "alerts"


@dataclass(frozen=True, slots=True, kw_only=True)
class FiredAlert:
    """A limit that was crossed just now."""

    alert_id: int
    trader_id: int
    name: str
    rule: str
    limit: float
    value: float
    as_of: int
    paused: bool


class Alerts:
    """Decides about alerts by `trader_risk`.

    Args:
        warehouse: Where the desk's tables are.
        channels: Of `deliveries`, where messages go: `webhook`, `email`.
    """

    def __init__(self, warehouse: Warehouse, channels: Sequence[str] = ()) -> None:
        self._warehouse = warehouse
        self._channels = tuple(channels)

    def evaluate(self) -> list[FiredAlert]:
        """Decide by the latest risk that is known; gives what fired. Safe to repeat.

        While a day of the desk is built nothing is decided: whoever builds it does that.
        """
        with self._warehouse.connect() as connection, connection.transaction():
            if connection.execute(query("desk/try_lock")).fetchone() != (True,):
                return []
            found = connection.execute(query("desk/risk_days")).fetchone()
            if found is None or found[0] is None:
                return []
            return self.evaluate_day(connection, found[0])

    def evaluate_day(self, connection: psycopg.Connection, day: date) -> list[FiredAlert]:
        """The same at a day's end, within the transaction that holds the desk's lock.

        A day before one that was decided about already fires nothing: a past that was restated is
        no news. The day that was decided about last may be decided about again.
        """
        as_of = day_start_ms(day) + DAY_MS
        found = connection.execute(query("desk/risk_days")).fetchone()
        if found is not None and found[1] is not None and day_of(found[1]) > day:
            return []
        is_open = set(connection.execute(query("desk/open_alerts")).fetchall())
        rows = connection.execute(query("desk/alert_inputs"), {"date": day}).fetchall()
        fired = [one for row in rows for one in self._of_trader(connection, row, as_of, is_open)]
        state = {"relation": RELATION, "day": day_start_ms(day), "built_from": ""}
        connection.execute(query("desk/save_state"), state | {"row_count": len(fired)})
        return fired

    def _of_trader(
        self,
        connection: psycopg.Connection,
        row: tuple[Any, ...],
        as_of: int,
        is_open: set[tuple[Any, ...]],
    ) -> list[FiredAlert]:
        trader_id, name, address, pauses, drawdown, win_rate, decided, losses, *limits = row
        risk = AccountRisk(
            current_drawdown=drawdown,
            win_rate=win_rate,
            decided_trades=decided,
            consecutive_losses=losses,
        )
        said = readings(
            risk,
            AlertLimits(
                drawdown_limit=limits[0],
                win_rate_limit=limits[1],
                win_rate_min_trades=limits[2],
                consecutive_losses_limit=limits[3],
            ),
        )
        at = {"trader_id": trader_id, "as_of": as_of}
        for reading in said:
            if reading.is_recovered and (trader_id, reading.rule) in is_open:
                connection.execute(query("desk/recover_alert"), at | {"rule": reading.rule})
        crossed = [one for one in said if one.is_crossed and (trader_id, one.rule) not in is_open]
        if not crossed:
            return []
        paused = pauses and connection.execute(query("desk/pause_trader"), at).rowcount > 0
        found = (self._fire(connection, at | {"paused": paused}, one) for one in crossed)
        fired = [
            FiredAlert(
                alert_id=alert_id, trader_id=trader_id, name=name, rule=one.rule,
                limit=one.limit or 0, value=one.value or 0, as_of=as_of, paused=paused,
            )
            for one, alert_id in zip(crossed, found, strict=True)
            if alert_id is not None
        ]  # fmt: skip
        for alert in fired:
            self._announce(connection, alert, address)
        return fired

    def _fire(
        self, connection: psycopg.Connection, at: dict[str, Any], reading: Reading
    ) -> int | None:
        values = at | {"rule": reading.rule, "limit_value": reading.limit, "value": reading.value}
        row = connection.execute(query("desk/add_alert"), values).fetchone()
        return None if row is None else int(row[0])

    def _announce(
        self, connection: psycopg.Connection, alert: FiredAlert, address: str | None
    ) -> None:
        payload = {
            "kind": "alert",
            "alert_id": alert.alert_id,
            "trader_id": alert.trader_id,
            "name": alert.name,
            "user_address": address,
            "rule": alert.rule,
            "limit": alert.limit,
            "value": alert.value,
            "as_of": alert.as_of,
            "paused": alert.paused,
        }
        announce(connection, "alert", alert.alert_id, self._channels, payload)


def announce(
    connection: psycopg.Connection,
    kind: str,
    subject_id: int,
    channels: Sequence[str],
    payload: dict[str, Any],
) -> None:
    """Have a message delivered by each channel, once this transaction holds."""
    for channel in channels:
        values = {"kind": kind, "subject_id": subject_id, "channel": channel}
        connection.execute(query("desk/add_delivery"), values | {"payload": Jsonb(payload)})
