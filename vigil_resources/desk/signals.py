"""Signals: what callers state, and what became of every one of them."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from vigil_core.desk.copy_filter import FilterSettings, decide
from vigil_resources.desk.traders import Trader
from vigil_resources.statements import query


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedSignal:
    """One intent of a followed trader, as a caller states it; times in ms."""

    action: str
    """`open`, `reduce` or `close`."""
    coin: str
    side: str
    """Of the order: a long is opened by `buy`, and closed by `sell`."""
    leader_time: int
    leader_px: Decimal | None = None
    leader_size: Decimal | None = None
    reduced_share: float | None = None
    leverage: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A row of `signals`, and its copy's where it has one."""

    signal_id: int
    trader_id: int
    source: str
    source_key: str
    action: str
    coin: str
    side: str
    leader_time: int
    leader_px: Decimal | None
    leader_size: Decimal | None
    reduced_share: float | None
    leverage: float | None
    confidence: float | None
    received_at: int
    settings_version: int | None
    outcome: str
    size_usd: Decimal
    evidence: dict[str, Any]
    copy_id: int | None
    mode: str | None
    entry_px: Decimal | None
    exit_px: Decimal | None
    closed_at: int | None
    net_pnl_usd: Decimal | None


class Signals:
    """The rows of `signals`, within one transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def state(self, trader: Trader, stated: StatedSignal, key: str, *, by: str) -> Signal:
        """Keep a signal under the caller's key; the same key again is the same signal.

        What the settings of now reject is rejected now. The rest waits, as `pending`, for the tape:
        paper trading decides about it by the settings in force then.
        """
        share = 1.0 if stated.action == "close" else stated.reduced_share
        values = {name: getattr(stated, name) for name in StatedSignal.__dataclass_fields__} | {
            "trader_id": trader.trader_id,
            "source_key": key,
            "reduced_share": share,
            "outcome": outcome_now(trader, stated),
            "evidence": Jsonb({"stated_by": by}),
        }
        row = self._connection.execute(query("desk/add_api_signal"), values).fetchone()
        if row is None:
            row = self._connection.execute(query("desk/signal_by_key"), values).fetchone()
        assert row is not None
        [signal] = self.page(trader.trader_id, signal_id=row[0])
        return signal

    def page(
        self,
        trader_id: int,
        *,
        signal_id: int | None = None,
        coin: str | None = None,
        outcome: str | None = None,
        before: tuple[int, int] | None = None,
        limit: int = 50,
    ) -> list[Signal]:
        """Signals of a trader, newest first, of those before one (leader's time, number)."""
        before_time, before_id = before or (None, None)
        asked = {
            "trader_id": trader_id,
            "signal_id": signal_id,
            "coin": coin,
            "outcome": outcome,
            "before_time": before_time,
            "before_id": before_id,
            "limit": limit,
        }
        with self._connection.cursor(row_factory=class_row(Signal)) as cursor:
            return cursor.execute(query("desk/signals"), asked).fetchall()


def outcome_now(trader: Trader, stated: StatedSignal) -> str:
    """`pending`, or the code of the test that a signal fails by a trader's settings of now."""
    if stated.leader_time < trader.followed_from:
        return "before_followed"
    if stated.action != "open":
        # No test stops what makes a position smaller.
        return "pending"
    settings = FilterSettings(
        active=trader.active,
        paper_trade_only=trader.paper_trade_only,
        base_size_usd=trader.base_size_usd,
        position_multiplier=trader.position_multiplier,
        token_whitelist=tuple(trader.token_whitelist),
        token_blacklist=tuple(trader.token_blacklist),
        max_leverage=trader.max_leverage,
        min_confidence=trader.min_confidence,
    )
    decision = decide(settings, stated)
    return "pending" if decision.is_accepted else decision.outcome
