"""Decisions about live-readiness, each kept with the record it stands on.

Works on a connection that somebody else opened, as `Traders` does. Ready means that accepted
signals become intents from then on; no order is ever sent from here.
"""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.desk.promotion import Condition, Needs, Record, conditions
from vigil_core.errors import IsArchived, NotFound, NotPromotable, StaleVersion
from vigil_resources.desk.traders import Trader, Traders
from vigil_resources.statements import query


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A paper account's record, held against what its trader's settings ask for."""

    as_of: int
    """ms of the data; 0: no day of the account is built."""
    record: Record
    conditions: list[Condition]

    @property
    def passed(self) -> bool:
        """Whether nothing is missing."""
        return all(one.passed for one in self.conditions)

    def as_json(self) -> dict[str, Any]:
        """As it is stored and shown; money as text."""
        record = {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in asdict(self.record).items()
        }
        return {
            "as_of": self.as_of,
            "record": record,
            "conditions": [asdict(one) for one in self.conditions],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """A decision that was made."""

    decided_at: int
    decided_by: str
    as_of: int
    passed: bool
    """False: taken back."""
    evidence: dict[str, Any]


class Promotions:
    """Who is live-ready, and why."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def evidence(self, trader_id: int) -> Evidence:
        """How the trader stands now. Raises `NotFound`."""
        asked = {"trader_id": trader_id}
        row = self._connection.execute(query("desk/promotion_record"), asked).fetchone()
        if row is None:
            raise NotFound("trader", trader_id)
        day, days, decided, bound, mean, drawdown, alerts, *asked_for = row
        record = Record(
            days=days,
            decided_trades=decided,
            win_rate_lower=bound,
            mean_net_pnl_usd=mean,
            current_drawdown=drawdown,
            open_alerts=alerts,
        )
        needs = Needs(
            promotion_days=asked_for[0],
            promotion_trades=asked_for[1],
            drawdown_limit=asked_for[2],
        )
        as_of = 0 if day is None else day_start_ms(day) + DAY_MS
        return Evidence(as_of=as_of, record=record, conditions=conditions(record, needs))

    def promote(self, trader_id: int, version: int, *, by: str) -> Trader:
        """Call the trader live-ready from the end of the data on; what is so already stays.

        Raises:
            NotPromotable: The record does not allow it.
            NotFound, IsArchived, StaleVersion: As said there.
        """
        evidence = self.evidence(trader_id)
        trader = self._of_version(trader_id, version)
        if trader.state == "live_ready":
            return trader
        if not evidence.passed:
            failing = [one.text for one in evidence.conditions if not one.passed]
            raise NotPromotable(trader.name, failing)
        return self._decide(trader, evidence, is_ready=True, by=by)

    def demote(self, trader_id: int, version: int, *, by: str) -> Trader:
        """Take it back: paper only from the end of the data on. Raises as `promote` does."""
        trader = self._of_version(trader_id, version)
        if trader.state != "live_ready":
            return trader
        return self._decide(trader, self.evidence(trader_id), is_ready=False, by=by)

    def decisions(self, trader_id: int) -> list[Promotion]:
        """All that were made about the trader, the latest first."""
        rows = self._connection.execute(query("desk/promotions"), {"trader_id": trader_id})
        fields = Promotion.__dataclass_fields__
        return [Promotion(**dict(zip(fields, row, strict=True))) for row in rows]

    def _of_version(self, trader_id: int, version: int) -> Trader:
        trader = Traders(self._connection).get(trader_id)
        if trader.state == "archived":
            raise IsArchived("trader", trader_id)
        if trader.version != version:
            raise StaleVersion("trader", trader, version, trader.version)
        return trader

    def _decide(self, trader: Trader, evidence: Evidence, *, is_ready: bool, by: str) -> Trader:
        at = {"trader_id": trader.trader_id, "by": by}
        values = at | {"version": trader.version, "live_ready": is_ready}
        if self._connection.execute(query("desk/set_live_ready"), values).fetchone() is None:
            current = Traders(self._connection).get(trader.trader_id)
            raise StaleVersion("trader", current, trader.version, current.version)
        decision = {
            "as_of": evidence.as_of,
            "passed": is_ready,
            "evidence": Jsonb(evidence.as_json()),
        }
        self._connection.execute(query("desk/add_promotion"), at | decision)
        return Traders(self._connection).get(trader.trader_id)
