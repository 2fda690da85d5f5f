"""Backtests: stored requests, and their runs over the warehouse's tape.

A run reads one snapshot of the database and writes nothing but its own row, at its end. The same
request over the same days, labels and code gives the same bytes; who asks again gets the row that
is there. A worker that is killed leaves its row to whoever comes next.
"""

import hashlib
import json
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from vigil_core.calendar import DAY_MS, HOUR_MS, day_of
from vigil_core.desk.backtest_request import (
    MOST_TRADERS,
    BacktestRequest,
    StatedTrade,
    canonical,
    parse_request,
)
from vigil_core.desk.backtest_result import Run, curve_of, result_of
from vigil_core.desk.copy_filter import Decision
from vigil_core.desk.copying import CopyEngine, Outcome, SettingsFrom
from vigil_core.desk.leader_book import LeaderBook
from vigil_core.desk.markets import (
    FixedMarket,
    Print,
    Stretch,
    TapeMarket,
    Window,
    copy_stretch,
)
from vigil_core.desk.parameters import BOUNDS, Bounds
from vigil_core.desk.signals import LeaderFill, Signal, SignalReader, Step
from vigil_core.errors import BacktestMissing, InvalidBacktest, NotLoaded, VigilError
from vigil_resources.database import round_trips
from vigil_resources.database.day_tables import fingerprint
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import digest_of, manifest, query

BENCHMARK = "BTC"
STATED = "stated"
"""Whose the trades are that name no trader."""

SNAPSHOT_AGE_MS = 36 * HOUR_MS
"""A balances snapshot says nothing of an account's leverage after so long."""

_FORMULAS = 1
"""Raise when the engine, the reading of signals or the result change: stored results are of it."""

_REPORT_EVERY_S = 0.5

_READS = (
    "backtests/leader_fills",
    "backtests/prints",
    "backtests/marks",
    "backtests/first_price",
    "backtests/funding",
    "backtests/leverage",
    "backtests/confidence",
    "backtests/universe",
    "backtests/figures",
)

Progress = Callable[[float, str], None]
"""Takes the fraction of days done, and a line for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """A stored backtest; the columns of `backtests`. `result` is None in lists."""

    backtest_id: int
    request: dict[str, Any]
    request_sha256: str
    inputs_digest: str | None
    status: str
    progress: float
    requested_at: int
    requested_by: str
    started_at: int | None
    finished_at: int | None
    run_id: str | None
    summary: dict[str, Any] | None
    result: str | None
    result_sha256: str | None
    error: str | None


class Backtests:
    """Takes requests, runs them, and gives them back.

    Args:
        warehouse: Where the tape lies, and the results go.
        bounds: Of the settings that a request may name.
    """

    def __init__(self, warehouse: Warehouse, bounds: Bounds = BOUNDS) -> None:
        self._warehouse = warehouse
        self._bounds = bounds

    def submit(self, request: Mapping[str, Any], requested_by: str) -> int:
        """Enter a request; gives its number.

        The same request that waits, runs, or was done over what is there now, is not entered twice.

        Raises:
            InvalidBacktest: It cannot be run as it is written.
        """
        asked = parse_request(request, self._bounds)
        values: dict[str, Any] = {
            "request": Jsonb(json.loads(asked.canonical)),
            "request_sha256": _sha256(asked.canonical),
            "requested_at": _now(),
            "requested_by": requested_by,
        }
        with self._warehouse.connect() as connection, connection.transaction():
            connection.execute(query("backtests/lock_requests"))
            values["inputs_digest"] = _Inputs.read(connection, asked).digest
            same = connection.execute(query("backtests/same_request"), values).fetchone()
            if same is not None:
                return int(same[0])
            row = connection.execute(query("backtests/insert"), values).fetchone()
        return int(row[0]) if row else 0

    def get(self, backtest_id: int) -> Backtest:
        """One backtest, with its result where it is done.

        Raises:
            BacktestMissing: There is none of this number.
        """
        rows = self._read("backtests/get", {"backtest_id": backtest_id})
        if not rows:
            raise BacktestMissing(backtest_id)
        return rows[0]

    def newest(self, most: int = 50, before: int | None = None) -> list[Backtest]:
        """The newest first, of numbers below `before`; without their results."""
        return self._read("backtests/list", {"most": most, "before": before})

    def _read(self, statement: str, values: Mapping[str, Any]) -> list[Backtest]:
        rows = self._warehouse.rows(statement, dict(values))
        names = list(Backtest.__dataclass_fields__)
        return [Backtest(**dict(zip(names, row, strict=True))) for row in rows]

    def claimable(self) -> list[int]:
        """Numbers of what waits, and of what nobody runs who was running it."""
        return [number for (number,) in self._warehouse.rows("backtests/claimable")]

    def run_queued(
        self,
        backtest_ids: Sequence[int] | None = None,
        *,
        run_id: str | None = None,
        report: Callable[[int, float, str], None] = lambda *_: None,
    ) -> list[int]:
        """Run what waits, one after the other; gives the numbers of those that this worker ran.

        Several workers share the work: each backtest is run by one of them. What somebody was
        running who is gone counts as waiting. One that cannot be run is stored as failed.

        Args:
            backtest_ids: None: all that wait.
            run_id: Of Dagster, for people to find its log.
            report: Takes number, fraction of days done and a line.
        """
        ids = None if backtest_ids is None else list(backtest_ids)
        waiting = self._warehouse.rows("backtests/waiting", {"ids": ids})
        return [number for (number,) in waiting if self._run_locked(number, run_id, report)]

    def _run_locked(
        self, number: int, run_id: str | None, report: Callable[[int, float, str], None]
    ) -> bool:
        at = {"backtest_id": number}
        with self._warehouse.connect(autocommit=True) as connection:
            locked = connection.execute(query("backtests/try_lock"), at).fetchone()
            if not locked or not locked[0]:
                return False
            try:
                start = at | {"started_at": _now(), "run_id": run_id}
                row = connection.execute(query("backtests/start"), start).fetchone()
                if row is None:
                    return False
                self._run(connection, number, json.loads(row[0]), report)
            finally:
                connection.execute(query("backtests/unlock"), at)
        return True

    def _run(
        self,
        connection: psycopg.Connection,
        number: int,
        request: Mapping[str, Any],
        report: Callable[[int, float, str], None],
    ) -> None:
        told = time.monotonic()

        def say(fraction: float, line: str) -> None:
            nonlocal told
            if time.monotonic() - told >= _REPORT_EVERY_S:
                told = time.monotonic()
                at = {"backtest_id": number, "progress": fraction}
                connection.execute(query("backtests/progress"), at)
            report(number, fraction, line)

        try:
            digest, result = self.compute(parse_request(request, self._bounds), say)
        except Exception as error:
            reason = str(error) or repr(error)
            failed = {"backtest_id": number, "finished_at": _now(), "error": reason}
            connection.execute(query("backtests/fail"), failed)
            if isinstance(error, VigilError):
                report(number, 1.0, f"failed: {error}")
                return
            raise
        text = canonical(result)
        done = {
            "backtest_id": number,
            "finished_at": _now(),
            "inputs_digest": digest,
            "summary": Jsonb(_summary(json.loads(text))),
            "result": text,
            "result_sha256": _sha256(text),
        }
        connection.execute(query("backtests/finish"), done)
        report(number, 1.0, f"done: {result['trade_count']} trades, {result['pnl_usd']:.2f} USD")

    def compute(
        self, request: BacktestRequest, say: Progress = lambda *_: None
    ) -> tuple[str, dict[str, Any]]:
        """Run a request without storing anything; gives the digest of its inputs, and the result.

        Raises:
            NotLoaded: A day of the window, or what it needs, is not in the warehouse.
            InvalidBacktest: The universe holds too many traders.
        """
        with self._warehouse.connect(read_only=True) as connection:
            # One snapshot: a day that is loaded meanwhile is in no part of it.
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            inputs = _Inputs.read(connection, request)
            inputs.check(request)
            if request.trades is not None:
                run, traders = _stated_run(request, request.trades), [STATED]
            else:
                traders = _traders(connection, request)
                run = Replay(connection, request, traders).run(say)
            return inputs.digest, _result(connection, request, inputs, traders, run)


# --- what a run stands on --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Days and states that a request reads; `digest` is equal exactly when they are."""

    days: list[tuple[int, str, list[int], bool, bool]]
    """Loaded before the window's end: day, version, missing hours, simulated, round trips built."""
    digest: str

    @classmethod
    def read(cls, connection: psycopg.Connection, request: BacktestRequest) -> "_Inputs":
        span = {"start": request.start, "end": request.end, "definition": round_trips.definition()}
        days = connection.execute(query("backtests/days"), span).fetchall()
        states = connection.execute(query("backtests/states"), span).fetchall()
        return cls(days, fingerprint(days, states, _code()))

    def within(self, request: BacktestRequest) -> list[tuple[int, str, list[int], bool, bool]]:
        return [row for row in self.days if row[0] >= request.start]

    def check(self, request: BacktestRequest) -> None:
        """Raises NotLoaded where the tape, or what confidence is made of, has a hole."""
        if request.trades is not None:
            return
        loaded = {row[0] for row in self.within(request)}
        for day in range(request.start, request.end, DAY_MS):
            if day not in loaded:
                raise NotLoaded("backtests", day_of(day).isoformat())
        if request.settings.require_confidence:
            for day, _, _, _, has_round_trips in self.days:
                if not has_round_trips:
                    raise NotLoaded("confidence of signals (round_trips)", str(day_of(day)))


def _code() -> str:
    """Of what results depend on beside data."""
    rows = [item.sha256 for item in manifest() if item.kind == "rows"]
    return fingerprint(_FORMULAS, digest_of(*_READS), rows)


def _traders(connection: psycopg.Connection, request: BacktestRequest) -> list[str]:
    if request.label is None:
        return list(request.traders)
    states = connection.execute(query("backtests/states"), {"start": request.start, "end": 0})
    if not any(relation == "trader_labels" for relation, _, _ in states):
        raise NotLoaded("trader_labels", day_of(request.start - 1).isoformat())
    asked = {"label": request.label, "rule_set": request.rule_set, "at": request.start}
    rows = connection.execute(
        query("backtests/universe"), asked | {"most": MOST_TRADERS + 1}
    ).fetchall()
    if len(rows) > MOST_TRADERS:
        raise InvalidBacktest("universe", f"holds more than {MOST_TRADERS} traders")
    return [address for (address,) in rows]


# --- stated trades ---------------------------------------------------------------------------


def _stated_run(request: BacktestRequest, trades: Sequence[StatedTrade]) -> Run:
    """At stated prices; equity counts what is closed, for there is no price in between."""
    signals = [signal for trade in trades for signal in _signals_of(trade)]
    market = FixedMarket(request.slippage_bps or Decimal(0))
    engine = CopyEngine(request.capital_usd, request.terms, market)
    settings = SettingsFrom(trader=STATED, time=request.start, settings=request.settings)
    engine.run(request.start, request.end, _before(signals, request.end), [settings])
    return Run(
        outcomes=engine.outcomes,
        copies=[*engine.closed, *engine.open_copies],
        equity=engine.equity,
        capital_usd=request.capital_usd,
        marks={},
    )


def _signals_of(trade: StatedTrade) -> tuple[Signal, Signal]:
    entry = Signal(
        trader=STATED, key=trade.key, action="open", coin=trade.coin,
        side="buy" if trade.is_long else "sell", time=trade.entry_at, px=trade.entry_px,
        confidence=trade.confidence, leverage=trade.leverage,
    )  # fmt: skip
    step = Step(time=trade.exit_at, px=trade.exit_px, share=Decimal(1), seq=1)
    leave = Signal(
        trader=STATED, key=f"{trade.key} ends", action="close", coin=trade.coin,
        side="sell" if trade.is_long else "buy", time=trade.exit_at, px=trade.exit_px,
        steps=[step], of=trade.key,
    )  # fmt: skip
    return entry, leave


def _before(signals: Sequence[Signal], end: int) -> list[Signal]:
    return [signal for signal in signals if signal.time < end]


# --- the tape --------------------------------------------------------------------------------


class Replay:
    """Copies leaders over a window of the tape, a UTC day at a time."""

    def __init__(
        self, connection: psycopg.Connection, request: BacktestRequest, traders: Sequence[str]
    ) -> None:
        self._connection = connection
        self._request = request
        self._traders = list(traders)
        self._readers = {trader: SignalReader(trader) for trader in traders}
        self._books = {trader: LeaderBook() for trader in traders}
        self._marks: dict[str, Decimal] = {}
        self._leverage = self._by_trader(
            "backtests/leverage", request.start - SNAPSHOT_AGE_MS, request.end
        )
        self._confidence = self._by_trader("backtests/confidence", 0, request.end)

    def run(self, say: Progress) -> Run:
        """The whole window."""
        request, market = self._request, TapeMarket(self._request.slippage_bps)
        settings = [
            SettingsFrom(trader=trader, time=request.start, settings=request.settings)
            for trader in self._traders
        ]
        engine = CopyEngine(request.capital_usd, request.terms, market)
        outcomes: list[Outcome] = []
        closed, equity = [], []
        days = range(request.start, request.end, DAY_MS)
        for n, day in enumerate(days):
            signals = self._signals(day)
            state = engine.state()
            coins = {signal.coin for signal in signals}
            coins |= {copy.coin for copy in engine.open_copies}
            coins |= {coin for book in self._books.values() for coin in book.held()}
            self._read_marks(sorted(coins), day)
            stretch = Stretch(
                start=day,
                end=day + DAY_MS,
                signals=signals,
                settings=settings if day == request.start else [],
                marks={(coin, day + DAY_MS): px for coin, px in self._marks.items()},
                funding=self._funding(sorted(coins), day),
            )
            engine = copy_stretch(request.terms, market, state, stretch, self._prints)
            outcomes += engine.outcomes
            closed += engine.closed
            equity += engine.equity
            say((n + 1) / len(days), f"{day_of(day)}: {len(signals)} signals")
        pending = [Outcome(signal=s, decision=Decision("pending")) for s in engine.pending]
        return Run(
            outcomes=[*outcomes, *pending],
            copies=[*closed, *engine.open_copies],
            equity=equity,
            capital_usd=request.capital_usd,
            marks=self._marks,
            books=self._books,
            unreadable={trader: reader.unreadable for trader, reader in self._readers.items()},
        )

    def _by_trader(self, statement: str, start: int, end: int) -> dict[str, list[tuple[Any, ...]]]:
        found: dict[str, list[tuple[Any, ...]]] = {trader: [] for trader in self._traders}
        asked = {"addresses": self._traders, "start": start, "end": end}
        for trader, *values in self._connection.execute(query(statement), asked):
            found[trader].append(tuple(values))
        return found

    def _signals(self, day: int) -> list[Signal]:
        """Of all traders on a day, with what was known of the leader before each."""
        asked = {"addresses": self._traders, "start": day, "end": day + DAY_MS}
        rows: dict[str, list[tuple[LeaderFill, Decimal | None]]] = {}
        for trader, *values, fee_usd in self._connection.execute(
            query("backtests/leader_fills"), asked
        ):
            rows.setdefault(trader, []).append((_leader_fill(values), fee_usd))
        signals = []
        for trader, fills in rows.items():
            reader, book = self._readers[trader], self._books[trader]
            read = reader.read(fill for fill, _ in fills)
            for fill, fee_usd in fills:
                book.add(fill, reader.openings.get(fill.key), fee_usd)
                self._marks[fill.coin] = fill.px
            for signal in read:
                signal.leverage = self._leverage_before(trader, signal.time)
                signal.confidence = self._confidence_before(trader, signal.time)
            signals += read
        return signals

    def _leverage_before(self, trader: str, time: int) -> float | None:
        """By the latest snapshot before, unless it was known then to be a fault."""
        snapshots = self._leverage[trader]
        place = bisect_left(snapshots, time, key=lambda row: row[0])
        for recorded_at, leverage, collapse_known_at in reversed(snapshots[:place]):
            if recorded_at < time - SNAPSHOT_AGE_MS:
                return None
            if collapse_known_at is None or collapse_known_at >= time:
                return float(leverage)
        return None

    def _confidence_before(self, trader: str, time: int) -> float | None:
        known = self._confidence[trader]
        place = bisect_left(known, time, key=lambda row: row[0])
        return float(known[place - 1][1]) if place else None

    def _read_marks(self, coins: list[str], day: int) -> None:
        asked = {"coins": coins, "start": day, "end": day + DAY_MS}
        rows = self._connection.execute(query("backtests/marks"), asked).fetchall()
        self._marks |= dict(rows)

    def _funding(self, coins: list[str], day: int) -> dict[str, dict[int, Decimal]]:
        found: dict[str, dict[int, Decimal]] = {}
        asked = {"coins": coins, "start": day, "end": day + DAY_MS}
        for coin, hour, paid in self._connection.execute(query("backtests/funding"), asked):
            found.setdefault(coin, {})[hour] = paid
        return found

    def _prints(self, windows: list[Window]) -> dict[Window, list[Print]]:
        found: dict[Window, list[Print]] = {window: [] for window in windows}
        if not windows:
            return found
        asked = {
            "coins": [window.coin for window in windows],
            "starts": [window.start for window in windows],
            "ends": [window.end for window in windows],
            "first": min(window.start for window in windows),
            "last": max(window.end for window in windows),
        }
        for n, at, px, sz, side in self._connection.execute(query("backtests/prints"), asked):
            found[windows[n - 1]].append(Print(at, px, sz, "buy" if side == "B" else "sell"))
        return found


def _leader_fill(values: Sequence[Any]) -> LeaderFill:
    time_, coin, side, px, sz, start_position, order, key, on_book, is_victim = values
    return LeaderFill(
        time=time_, coin=coin, side=side, px=px, sz=sz, start_position=start_position, order=order,
        key=key, on_book=on_book, is_victim=is_victim,
    )  # fmt: skip


# --- the result ------------------------------------------------------------------------------


def _result(
    connection: psycopg.Connection,
    request: BacktestRequest,
    inputs: _Inputs,
    traders: Sequence[str],
    run: Run,
) -> dict[str, Any]:
    btc = _benchmark(connection, request, run)
    curve = curve_of(run.equity, request.capital_usd, request.start, btc)
    result = result_of(run)
    return {
        "request": json.loads(request.canonical),
        "universe": list(traders),
        "is_simulated": any(row[3] for row in inputs.within(request)),
        "inputs": {
            "code": _code(),
            "days": [
                {"day": day_of(row[0]).isoformat(), "version": row[1], "missing_hours": row[2]}
                for row in inputs.within(request)
            ],
        },
        **result,
        **_figures(connection, request, curve, result),
        "equity_basis": "marked" if request.trades is None else "realized",
        "equity_curve": curve,
    }


def _benchmark(
    connection: psycopg.Connection, request: BacktestRequest, run: Run
) -> list[Decimal | None]:
    """BTC at the start and at each day's end; a day without a print keeps the price before."""
    prices: list[Decimal | None] = []
    for end in [request.start, *(point.at for point in run.equity)]:
        asked = {"coins": [BENCHMARK], "start": end - DAY_MS, "end": end}
        row = connection.execute(query("backtests/marks"), asked).fetchone()
        prices.append(row[1] if row else prices[-1] if prices else None)
    if prices[0] is None:
        # Nothing is loaded of the day before: from its first price on.
        first = {"coin": BENCHMARK, "start": request.start, "end": request.start + DAY_MS}
        row = connection.execute(query("backtests/first_price"), first).fetchone()
        prices[0] = row[0] if row else None
    return prices


def _figures(
    connection: psycopg.Connection,
    request: BacktestRequest,
    curve: Sequence[Mapping[str, Any]],
    result: Mapping[str, Any],
) -> dict[str, Any]:
    nav = [float(point["equity_usd"] / request.capital_usd) for point in curve]
    held = [point["btc_usd"] for point in curve]
    asked = {
        "dates": [date.fromisoformat(point["date"]) for point in curve],
        "nav": nav,
        "returns": _returns(nav),
        "benchmark": None if None in held else _returns([float(value) for value in held]),
        "won": result["win_count"],
        "lost": result["loss_count"],
    }
    cursor = connection.execute(query("backtests/figures"), asked)
    names = [column.name for column in cursor.description or []]
    row = cursor.fetchone() or ()
    figures = dict(zip(names, row, strict=True))
    figures["win_rate_reason"] = "no_data" if figures["win_rate"] is None else None
    figures["btc_roi"] = None if None in held else float(held[-1] / held[0] - 1)
    return figures


def _returns(nav: Sequence[float]) -> list[float | None]:
    """Of each day; None from a day on that began with nothing."""
    return [
        after / before - 1 if before > 0 else None
        for before, after in zip(nav, nav[1:], strict=False)
    ]


_SUMMARY = (
    "final_value_usd", "pnl_usd", "roi", "max_drawdown", "sharpe_ratio", "sharpe_ratio_reason",
    "trade_count", "win_rate", "win_rate_reason", "open_count", "costs", "rejected", "btc_roi",
    "is_simulated",
)  # fmt: skip


def _summary(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a list shows."""
    return {name: result[name] for name in _SUMMARY}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _now() -> int:
    return time.time_ns() // 1_000_000
