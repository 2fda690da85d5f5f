"""Paper trading: what following the followed traders would have made, a UTC day at a time.

A day of all accounts is one transaction, with the alerts that it gives rise to. It stands on the
day before, and forgets what later days were: built again from the same, they are the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.desk.copying import Copy, CopyEngine, Terms, exact
from vigil_core.desk.markets import TapeMarket, copy_stretch
from vigil_core.desk.signals import Signal
from vigil_core.errors import NotLoaded
from vigil_resources.database.day_tables import fingerprint
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.desk.alerts import Alerts, announce
from vigil_resources.desk.paper_inputs import (
    DaysSignals,
    PaperTrader,
    key_of,
    read_prints,
    read_settings,
    read_signals,
    source_of,
    stretch_of,
)
from vigil_resources.statements import digest_of, query

RELATION = "paper_trades"
RELATIONS = (RELATION, "trader_performance", "trader_risk")
"""What one day's work fills."""

TERMS = Terms()

_NOBODY = "nobody is followed"
_VERSION = "1"
"""Raise when what the engine does with the same inputs changes."""
_READ = (
    "leader_fills", "leader_leverage", "leader_confidence", "outside_signals", "settings_between",
    "prints", "hourly_prices", "price_before", "funding_rates", "build_performance", "build_risk",
    "add_level_signals",
)  # fmt: skip
_CODE = [f"desk/{name}" for name in _READ]


@dataclass(slots=True)
class _Work:
    """Rows written of a day."""

    signals: int = 0
    copies: int = 0
    traders: int = 0
    intents: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


class PaperTrading:
    """Builds the desk's days.

    Args:
        warehouse: Where fills and the desk's tables are.
        alerts: Decides, in the same transaction, what the day's risk gives rise to.
        channels: Of `deliveries`, where intents go.
        terms: What copying costs and how fast it is.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        alerts: Alerts | None = None,
        channels: Sequence[str] = (),
        terms: Terms = TERMS,
    ) -> None:
        self._warehouse = warehouse
        self._alerts = alerts or Alerts(warehouse)
        self._channels = tuple(channels)
        self._terms = terms

    def first_followed(self) -> int | None:
        """From when on (ms) anybody was followed; None: nobody ever was. No day before has rows."""
        [(first,)] = self._warehouse.rows("desk/first_followed")
        return None if first is None else int(first)

    def is_current(self, day: date) -> bool:
        """Whether the day was built of what is there now, or nobody was followed by its end."""
        asked = _span(day)
        with self._warehouse.connect(read_only=True) as connection:
            inputs = connection.execute(query("desk/paper_inputs"), asked).fetchone()
            state = {"relation": RELATION, "day": asked["day"]}
            built = connection.execute(query("desk/built_from"), state).fetchone()
        if inputs is None or inputs[0] is None:
            return False
        made_of = self._fingerprint(inputs)
        return built is None if made_of == _NOBODY else built == (made_of,)

    def build(self, day: date) -> dict[str, int]:
        """Rebuild the day; gives the rows of each relation.

        Raises:
            NotLoaded: Its fills are not in the warehouse.
        """
        at = _span(day)
        with self._warehouse.connect() as connection, connection.transaction():
            connection.execute(query("desk/lock"))
            # What changes from here on leaves the day stale, not wrong.
            inputs = connection.execute(query("desk/paper_inputs"), at).fetchone()
            if inputs is None or inputs[0] is None:
                raise NotLoaded(RELATION, str(day))
            work = _Work()
            self._forget(connection, day)
            made_of = self._fingerprint(inputs)
            if made_of != _NOBODY:
                told = connection.execute(query("desk/add_level_signals"), at).fetchall()
                ids = [signal_id for (signal_id,) in told]
                connection.execute(query("desk/drop_level_signals"), at | {"ids": ids})
                rows = connection.execute(query("desk/paper_traders"), at).fetchall()
                for row in rows:
                    fields = PaperTrader.__dataclass_fields__
                    trader = PaperTrader(**dict(zip(fields, row, strict=True)))
                    _DayOfTrader(connection, trader, day, self._terms).build(work)
                for intent_id, body in work.intents:
                    announce(connection, "intent", intent_id, self._channels, body)
                self._alerts.evaluate_day(connection, day)
            rows_built = work.signals + work.copies
            if made_of != _NOBODY:
                state = {"relation": RELATION, "built_from": made_of, "row_count": rows_built}
                connection.execute(query("desk/save_state"), at | state)
        return dict(zip(RELATIONS, (rows_built, work.traders, work.traders), strict=True))

    def _fingerprint(self, inputs: Sequence[Any]) -> str:
        if inputs[2] is None:
            return _NOBODY
        return fingerprint(_VERSION, repr(self._terms), digest_of(*_CODE), tuple(inputs))

    def _forget(self, connection: psycopg.Connection, day: date) -> None:
        """Take away what this day and later ones were, but the numbers of their signals."""
        at = _span(day) | {"date": day}
        for name in ("accounts", "performance", "risk", "state", "copies"):
            connection.execute(query(_FORGET[name]), at)
        connection.execute(query("desk/unsettle_signals"), at)


_FORGET = {
    "accounts": "desk/forget_accounts",
    "performance": "desk/forget_performance",
    "risk": "desk/forget_risk",
    "state": "desk/forget_state",
    "copies": "desk/forget_copies",
}


class _DayOfTrader:
    """One account's day, within the transaction of all."""

    def __init__(
        self, connection: psycopg.Connection, trader: PaperTrader, day: date, terms: Terms
    ) -> None:
        self._connection = connection
        self._trader = trader
        self._day = day
        self._start = day_start_ms(day)
        self._end = self._start + DAY_MS
        self._terms = terms

    def build(self, work: _Work) -> None:
        """Go through the day and write it."""
        trader, connection = self._trader, self._connection
        signals = read_signals(connection, trader, self._end)
        settings, capital = read_settings(connection, trader, self._end)
        market = TapeMarket()
        before = trader.account
        if before is None:
            before = CopyEngine(capital, self._terms, market).state()
        span = (self._start, self._end)
        stretch = stretch_of(connection, trader, span, signals.all, settings, before)
        engine = copy_stretch(
            self._terms, market, before, stretch, lambda windows: read_prints(connection, windows)
        )
        self._save_signals(signals)
        self._settle(engine)
        copies = sorted([*engine.closed, *engine.open_copies], key=lambda c: (c.opened_at, c.key))
        self._save_copies(copies)
        account = {
            "trader_id": trader.trader_id,
            "day": self._start,
            "reader": Jsonb(signals.reader),
            "account": Jsonb(engine.state()),
        }
        connection.execute(query("desk/save_account"), account)
        self._save_figures(engine, copies, before)
        work.signals += len(signals.own) + len(signals.outside)
        work.copies += sum(copy.opened_at >= self._start for copy in copies)
        work.traders += 1
        work.intents += self._intents(engine, copies)

    def _save_signals(self, signals: DaysSignals) -> None:
        gone = {
            "trader_id": self._trader.trader_id,
            "starts_at": self._start,
            "ends_at": self._end,
            "keys": [signal.key for signal in signals.own],
        }
        self._connection.execute(query("desk/drop_signals"), gone)
        self._connection.execute(query("desk/withdraw_signals"), gone)
        rows = [self._signal_row(one, signals.basis.get(one.key, {})) for one in signals.own]
        with self._connection.cursor() as cursor:
            cursor.executemany(query("desk/save_signal"), rows)

    def _signal_row(self, signal: Signal, basis: dict[str, Any]) -> dict[str, Any]:
        steps = [{"time": s.time, "px": str(s.px), "share": str(s.share)} for s in signal.steps]
        share = signal.reduced_share
        return {
            "trader_id": self._trader.trader_id,
            "source_key": signal.key,
            "action": signal.action,
            "coin": signal.coin,
            "side": signal.side,
            "leader_time": signal.time,
            "leader_px": signal.px,
            "leader_size": signal.size,
            "reduced_share": None if share is None else float(share),
            "leverage": signal.leverage,
            "confidence": signal.confidence,
            "evidence": Jsonb(
                {"fills": signal.fills} | ({"steps": steps} if steps else {}) | basis
            ),
        }

    def _settle(self, engine: CopyEngine) -> None:
        """Say what became of each signal that was decided, those of the day before included."""
        rows = [
            self._named(one.signal.key)
            | {
                "outcome": one.decision.outcome,
                "settings_version": one.version,
                "size_usd": one.decision.size_usd,
            }
            for one in engine.outcomes
        ]
        # What the tape does not answer before the day's end is told by the next.
        waits = {"outcome": "pending", "settings_version": None, "size_usd": Decimal(0)}
        rows += [self._named(signal.key) | waits for signal in engine.pending]
        with self._connection.cursor() as cursor:
            cursor.executemany(query("desk/settle_signal"), rows)

    def _named(self, key: str) -> dict[str, Any]:
        source, source_key = source_of(key)
        return {"trader_id": self._trader.trader_id, "source": source, "source_key": source_key}

    def _save_copies(self, copies: Iterable[Copy]) -> None:
        copies = list(copies)
        keys = {copy.key for copy in copies} | {f.signal for copy in copies for f in copy.fills}
        numbers = self._numbers(keys)
        with self._connection.cursor() as cursor:
            cursor.executemany(
                query("desk/save_copy"), [self._copy_row(one, numbers[one.key]) for one in copies]
            )
            ids = [numbers[copy.key] for copy in copies]
            cursor.execute(query("desk/delete_copy_fills"), {"copies": ids})
            cursor.executemany(
                query("desk/save_copy_fill"),
                [
                    {
                        "copy_id": numbers[copy.key], "n": n, "signal_id": numbers[fill.signal],
                        "time": fill.time, "side": fill.side, "quantity": fill.quantity,
                        "leader_px": fill.leader_px, "arrival_px": fill.arrival_px, "px": fill.px,
                        "fee_usd": fill.fee_usd,
                    }
                    for copy in copies
                    for n, fill in enumerate(copy.fills, 1)
                ],
            )  # fmt: skip

    def _numbers(self, keys: Iterable[str]) -> dict[str, int]:
        pairs = [source_of(key) for key in sorted(keys)]
        asked = {
            "trader_id": self._trader.trader_id,
            "sources": [source for source, _ in pairs],
            "keys": [key for _, key in pairs],
        }
        rows = self._connection.execute(query("desk/signal_numbers"), asked).fetchall()
        return {key_of(source, source_key): number for source, source_key, number in rows}

    def _copy_row(self, copy: Copy, signal_id: int) -> dict[str, Any]:
        names = (
            "mode", "coin", "side", "quantity", "open_quantity", "leader_entry_at", "submitted_at",
            "opened_at", "leader_entry_px", "entry_px", "closed_at", "leader_exit_px", "exit_px",
            "gross_at_leader_usd", "lag_usd", "slippage_usd", "fees_usd", "funding_usd",
            "net_pnl_usd",
        )  # fmt: skip
        row = {name: getattr(copy, name) for name in names}
        return row | {"signal_id": signal_id, "trader_id": self._trader.trader_id}

    def _save_figures(
        self, engine: CopyEngine, copies: Iterable[Copy], before: dict[str, Any]
    ) -> None:
        [point] = engine.equity
        values = {
            "trader_id": self._trader.trader_id,
            "user_address": self._trader.user_address,
            "date": self._day,
            "day": self._start,
            "ends_at": self._end,
            "equity_usd": point.equity_usd,
            "unrealized_usd": point.unrealized_usd,
            "open_notional_usd": point.open_notional_usd,
            "capital_usd": Decimal(engine.state()["capital_usd"]),
            "funding_usd": _funding(copies, before),
        }
        self._connection.execute(query("desk/build_performance"), values)
        self._connection.execute(query("desk/build_risk"), values)

    def _intents(
        self, engine: CopyEngine, copies: Iterable[Copy]
    ) -> list[tuple[int, dict[str, Any]]]:
        """What an executor should do: openings accepted live, and whatever reduces one."""
        live = {copy.coin for copy in copies if copy.mode == "live"}
        found = []
        for one in engine.outcomes:
            is_exit = one.decision.outcome == "followed" and one.signal.coin in live
            if one.decision.outcome != "live" and not is_exit:
                continue
            named = self._named(one.signal.key)
            row = self._connection.execute(query("desk/add_intent"), named).fetchone()
            if row is not None:
                found.append((int(row[0]), dict(row[1])))
        return found


def _funding(copies: Iterable[Copy], before: dict[str, Any]) -> Decimal | None:
    """What was settled on the day; None where the rate of something held is missing."""
    was = {copy["key"]: copy["funding_usd"] for copy in before["open"]}
    total = Decimal(0)
    with exact():
        for copy in copies:
            earlier = was.get(copy.key, "0")
            if copy.funding_usd is None or earlier is None:
                return None
            total += copy.funding_usd - Decimal(earlier)
    return total


def _span(day: date) -> dict[str, Any]:
    start = day_start_ms(day)
    return {"day": start, "ends_at": start + DAY_MS}
