"""The copy engine: signals and settings in, copies and an account out; by paper and backtest alike.

Nothing here reads a clock, a table or a future: what an order met on the tape is booked when it was
met, and the state between two stretches of time is plain JSON. Money is exact: each copy's net is
gross at the leader's prices - lag - slippage - fees + funding, to the last digit.
"""

import heapq
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from decimal import ROUND_DOWN, Context, Decimal, localcontext
from typing import Any, Literal, Protocol

from vigil_core.calendar import DAY_MS
from vigil_core.desk.copy_filter import Decision, FilterSettings, decide
from vigil_core.desk.signals import Signal, Step

QUANTITY = Decimal(1).scaleb(-18)
"""Quantities are kept to this many decimals; a copy's is fixed at entry."""

_EXACT = Context(prec=200)


def exact() -> AbstractContextManager[Context]:
    """Within it sums and products of the engine's numbers keep every digit.

    Python's default keeps 28: a product of price and quantity has more.
    """
    return localcontext(_EXACT)


Side = Literal["buy", "sell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of a market: a size in USD, or a quantity."""

    coin: str
    side: Side
    leader_px: Decimal
    since: int
    """ms; the last price from then on is the market's, when the order comes."""
    at: int
    """ms, when the order comes to the market."""
    arrival_px: Decimal | None = None
    """The market's when the order came first, where this is the rest of one."""
    size_usd: Decimal | None = None
    quantity: Decimal | None = None
    until: int
    """ms; what is not filled before is given up."""


@dataclass(frozen=True, slots=True)
class Execution:
    """What an order met."""

    time: int
    """ms, when it was done with."""
    quantity: Decimal
    """0: nothing was to be had in time."""
    px: Decimal
    """Average, as exact as it is kept."""
    arrival_px: Decimal
    """On the tape when the order came."""


class Market(Protocol):
    """Where copies are executed and valued."""

    @property
    def is_marked(self) -> bool:
        """False: there are no prices between entry and exit, so equity counts what is closed."""
        ...

    def execute(self, order: Order) -> Execution | None:
        """What the order met; None: the tape does not reach far enough to say."""
        ...

    def mark(self, coin: str, at: int) -> Decimal | None:
        """The last price before `at`; None: none is known."""
        ...

    def funding(self, coin: str, start: int, end: int) -> Decimal | None:
        """USD that a long of one unit paid in (start, end]; None: rates are missing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What copying costs and how fast it is."""

    fee_bps: Decimal = Decimal("4.5")
    lag_ms: int = 2_000
    """From the leader's fill to our order."""
    wait_ms: int = 60_000
    """So long an opening order waits for prints. One that reduces goes on until it is filled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFrom:
    """A version of a trader's settings, and from when on it holds."""

    trader: str
    time: int
    settings: FilterSettings | None
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFill:
    """One execution of a copy."""

    signal: str
    time: int
    side: Side
    quantity: Decimal
    leader_px: Decimal
    arrival_px: Decimal
    px: Decimal
    fee_usd: Decimal


@dataclass(slots=True, kw_only=True)
class Copy:
    """One copied position. The sums without `entry` in their name are of its closed pieces."""

    key: str
    """Of the signal that it came from."""
    trader: str
    mode: str
    coin: str
    side: Literal["long", "short"]
    leader_entry_at: int
    submitted_at: int
    opened_at: int
    leader_entry_px: Decimal
    arrival_px: Decimal
    entry_px: Decimal
    quantity: Decimal
    open_quantity: Decimal
    closed_at: int | None = None
    gross_at_leader_usd: Decimal = Decimal(0)
    lag_usd: Decimal = Decimal(0)
    slippage_usd: Decimal = Decimal(0)
    entry_fee_usd: Decimal = Decimal(0)
    exit_fees_usd: Decimal = Decimal(0)
    funding_usd: Decimal | None = Decimal(0)
    """Positive was received; None where rates are missing."""
    funded_until: int = 0
    leader_exit_notional: Decimal = Decimal(0)
    exit_notional: Decimal = Decimal(0)
    fills: list[CopyFill] = field(default_factory=list)

    @property
    def direction(self) -> int:
        """+1 for a long, -1 for a short."""
        return 1 if self.side == "long" else -1

    @property
    def fees_usd(self) -> Decimal:
        """Paid so far."""
        with exact():
            return self.entry_fee_usd + self.exit_fees_usd

    @property
    def closed_quantity(self) -> Decimal:
        """What is no longer open."""
        with exact():
            return self.quantity - self.open_quantity

    @property
    def exit_px(self) -> Decimal | None:
        """Average over the closed pieces, to 18 decimals."""
        return _per_unit(self.exit_notional, self.closed_quantity)

    @property
    def leader_exit_px(self) -> Decimal | None:
        """Likewise, of the leader's prices."""
        return _per_unit(self.leader_exit_notional, self.closed_quantity)

    @property
    def net_pnl_usd(self) -> Decimal | None:
        """None until closed. Funding counts where it is known (section 11.9)."""
        return self.booked_usd(with_open_fee=True) if self.closed_at is not None else None

    def booked_usd(self, *, with_open_fee: bool) -> Decimal:
        """What the copy has done to the account so far, without the value of what is open.

        Args:
            with_open_fee: Whether the entry fee of the part still open is counted.
        """
        with exact():
            entry_fee = self.entry_fee_usd
            if not with_open_fee and self.open_quantity:
                entry_fee = (entry_fee * self.closed_quantity / self.quantity).quantize(QUANTITY)
            price = self.gross_at_leader_usd - self.lag_usd - self.slippage_usd
            return price - entry_fee - self.exit_fees_usd + (self.funding_usd or Decimal(0))

    def unrealized_usd(self, mark: Decimal) -> Decimal:
        """Value of what is open, at this price."""
        with exact():
            return (mark - self.entry_px) * self.open_quantity * self.direction


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPoint:
    """The account at the end of a UTC day."""

    at: int
    """ms: the next day's start."""
    equity_usd: Decimal
    unrealized_usd: Decimal
    open_notional_usd: Decimal


@dataclass(slots=True, kw_only=True)
class _Pending:
    """An order under way: the opening of a copy, or a step of its reduction."""

    key: str
    """Of the copy."""
    signal: str
    step: Step | None
    submit: int
    asked: Decimal | None = None
    """Of a reduction that is at the market: how much is still to be filled."""
    arrival_px: Decimal | None = None
    """Of what was filled already."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a signal, and by which version of the settings."""

    signal: Signal
    decision: Decision
    version: int | None = None


class CopyEngine:
    """One account that copies. Feed it stretches of time, in order.

    Args:
        capital_usd: What the account begins with.
        terms: Fees, lag and patience.
        market: Where orders go.
        state: What `state()` gave; then `capital_usd` is not looked at.
    """

    def __init__(
        self,
        capital_usd: Decimal,
        terms: Terms,
        market: Market,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._terms = terms
        self._market = market
        self._capital = capital_usd
        self._closed = Decimal(0)
        self._settings: dict[str, tuple[FilterSettings | None, int | None]] = {}
        self._open: dict[str, Copy] = {}
        self._waiting: dict[str, tuple[Signal, str, Decimal, int | None]] = {}
        """Accepted, and the opening order is under way: signal, mode, size and version."""
        self._orders: dict[str, list[_Pending]] = {}
        """By copy; the first is at the market, the others wait for it."""
        self._marks: dict[str, Decimal] = {}
        self._bookings: list[tuple[int, str, Execution]] = []
        self._unanswered: dict[str, Order] = {}
        self._clock = 0
        self.outcomes: list[Outcome] = []
        """Of this engine's life, in the order in which they were known."""
        self.closed: list[Copy] = []
        """Copies closed in this engine's life."""
        self.equity: list[EquityPoint] = []
        """Ends of days passed in this engine's life."""
        if state is not None:
            self._restore(state)

    @property
    def open_copies(self) -> list[Copy]:
        """What is open now, by when it was opened."""
        return sorted(self._open.values(), key=lambda copy: (copy.opened_at, copy.key))

    @property
    def unanswered(self) -> list[Order]:
        """Orders under way of which the tape, as it is loaded, does not tell what they met."""
        return list(self._unanswered.values())

    @property
    def pending(self) -> list[Signal]:
        """Accepted signals whose order the tape does not answer yet."""
        return [signal for signal, *_ in self._waiting.values()]

    def run(
        self, start: int, end: int, signals: Iterable[Signal], settings: Iterable[SettingsFrom] = ()
    ) -> None:
        """Go through [start, end): every signal and every version of settings within it.

        Args:
            start: ms; where the last call ended.
            end: ms. Ends of days in (start, end] give a point of equity each.
            signals: Of any order; those of one millisecond are taken by trader, coin and `seq`, and
                of a row that flips the closing first.
            settings: Likewise. A version holds for signals at its own time, too.
        """
        if start < self._clock:
            raise ValueError(f"the account is at {self._clock} already, not at {start}")
        events: list[tuple[tuple[int, int, str, str, int, int], object, Step | None]] = []
        for version in settings:
            events.append(((version.time, 1, version.trader, "", 0, 0), version, None))
        for signal in signals:
            if signal.action == "open":
                at = (signal.time, 2, signal.trader, signal.coin, signal.seq, 1)
                events.append((at, signal, None))
            for part in signal.steps:
                at = (part.time, 2, signal.trader, signal.coin, part.seq, 0)
                events.append((at, signal, part))
        for day in range(start // DAY_MS + 1, end // DAY_MS + 1):
            events.append(((day * DAY_MS, 0, "", "", 0, 0), None, None))
        events.sort(key=lambda event: event[0])
        self._relaunch()
        for at, what, step in events:
            time = at[0]
            # What happens at a day's end itself belongs to the next day.
            self._book(time if what is not None else time - 1)
            match what:
                case None:
                    self._end_day(time)
                case SettingsFrom():
                    self._settings[what.trader] = (what.settings, what.version)
                case Signal():
                    self._marks[what.coin] = step.px if step else what.px
                    if step is None:
                        self._consider(what)
                    else:
                        self._follow(what, step)
        self._book(end - 1)
        self._clock = end

    def _consider(self, signal: Signal) -> None:
        settings, version = self._settings.get(signal.trader, (None, None))
        decision = decide(settings, signal)
        if decision.is_accepted and settings is not None:
            with exact():
                notional = self._open_notional() + decision.size_usd
                if notional > settings.max_leverage * self._equity():
                    decision = Decision("insufficient_capital")
        if not decision.is_accepted:
            self.outcomes.append(Outcome(signal=signal, decision=decision, version=version))
            return
        self._waiting[signal.key] = (signal, decision.outcome, decision.size_usd, version)
        submit = signal.time + self._terms.lag_ms
        self._submit(_Pending(key=signal.key, signal=signal.key, step=None, submit=submit))

    def _follow(self, signal: Signal, step: Step) -> None:
        ended = "long" if signal.side == "sell" else "short"
        keys = [
            key
            for key, trader, coin, side in self._followable()
            if (trader, coin, side) == (signal.trader, signal.coin, ended)
            and (signal.of is None or signal.of == key)
        ]
        if step is signal.steps[0]:
            code = "followed" if keys else "nothing_open"
            version = self._settings.get(signal.trader, (None, None))[1]
            self.outcomes.append(Outcome(signal=signal, decision=Decision(code), version=version))
        submit = step.time + self._terms.lag_ms
        for key in keys:
            self._submit(_Pending(key=key, signal=signal.key, step=step, submit=submit))

    def _followable(self) -> list[tuple[str, str, str, str]]:
        """Copies that are open or being opened, and not being closed already."""
        found = [(c.key, c.trader, c.coin, c.side) for c in self._open.values()]
        found += [
            (s.key, s.trader, s.coin, "long" if s.side == "buy" else "short")
            for s, *_ in self._waiting.values()
        ]
        closing = {
            key
            for key, orders in self._orders.items()
            if any(order.step is not None and order.step.share == 1 for order in orders)
        }
        return [copy for copy in found if copy[0] not in closing]

    def _submit(self, order: _Pending) -> None:
        orders = self._orders.setdefault(order.key, [])
        orders.append(order)
        if len(orders) == 1:
            self._launch(order.key, order.submit)

    def _relaunch(self) -> None:
        """Ask again for orders that the tape did not answer."""
        answered = {key for _, key, _ in self._bookings}
        for key, orders in sorted(self._orders.items()):
            if key in answered:
                continue
            if key in self._unanswered:
                self._send(key, self._unanswered[key])
            else:
                self._launch(key, orders[0].submit)

    def _launch(self, key: str, at: int) -> None:
        """Send the first order of a copy to the market."""
        order = self._orders[key][0]
        at = max(at, order.submit)
        if order.step is None:
            signal, _, size_usd, _ = self._waiting[key]
            asked = Order(
                coin=signal.coin, side=signal.side, leader_px=signal.px, size_usd=size_usd,
                since=at - self._terms.lag_ms, at=at, until=at + self._terms.wait_ms,
            )  # fmt: skip
        else:
            copy = self._open[key]
            at = max(at, copy.funded_until)
            if order.asked is None:
                with exact():
                    asked_for = copy.open_quantity * order.step.share
                    order.asked = asked_for.quantize(QUANTITY, ROUND_DOWN)
            # Given up at the day's end, and sent again for the rest: no day's tape is walked twice.
            until = ((at + self._terms.wait_ms) // DAY_MS + 1) * DAY_MS
            asked = Order(
                coin=copy.coin, side="sell" if copy.side == "long" else "buy",
                leader_px=order.step.px, quantity=order.asked, arrival_px=order.arrival_px,
                since=at - self._terms.lag_ms, at=at, until=until,
            )  # fmt: skip
        self._send(key, asked)

    def _send(self, key: str, asked: Order) -> None:
        met = self._market.execute(asked)
        if met is None:
            self._unanswered[key] = asked
        else:
            self._unanswered.pop(key, None)
            heapq.heappush(self._bookings, (met.time, key, met))

    def _book(self, until: int) -> None:
        """Book every execution up to this instant, in their order."""
        while self._bookings and self._bookings[0][0] <= until:
            _, key, met = heapq.heappop(self._bookings)
            orders = self._orders[key]
            order = orders.pop(0)
            with exact():
                if order.step is None:
                    self._opened(order, met)
                else:
                    self._reduced(self._open[key], order, order.step, met)
            if order.asked is not None and met.quantity < order.asked:
                rest = order.asked - met.quantity
                orders.insert(0, replace(order, asked=rest, arrival_px=met.arrival_px))
            if key not in self._open:
                # Given up, or closed: what was still to be done to it is void.
                orders.clear()
            if orders:
                self._launch(key, met.time)
            else:
                del self._orders[key]

    def _opened(self, order: _Pending, met: Execution) -> None:
        signal, mode, size_usd, version = self._waiting.pop(order.key)
        code = mode if met.quantity else "no_liquidity"
        decision = Decision(code, size_usd if met.quantity else Decimal(0))
        self.outcomes.append(Outcome(signal=signal, decision=decision, version=version))
        if not met.quantity:
            return
        fee = self._fee(met)
        self._open[order.key] = Copy(
            key=signal.key, trader=signal.trader, mode=mode, coin=signal.coin,
            side="long" if signal.side == "buy" else "short",
            leader_entry_at=signal.time, submitted_at=order.submit, opened_at=met.time,
            leader_entry_px=signal.px, arrival_px=met.arrival_px, entry_px=met.px,
            quantity=met.quantity, open_quantity=met.quantity, entry_fee_usd=fee,
            funded_until=met.time,
            fills=[self._fill(order, signal.side, signal.px, met, fee)],
        )  # fmt: skip

    def _reduced(self, copy: Copy, order: _Pending, step: Step, met: Execution) -> None:
        self._fund(copy, met.time)
        q, way = met.quantity, copy.direction
        if q:
            fee = self._fee(met)
            copy.exit_fees_usd += fee
            copy.gross_at_leader_usd += (step.px - copy.leader_entry_px) * q * way
            copy.lag_usd += (copy.arrival_px - copy.leader_entry_px) * q * way
            copy.lag_usd += (step.px - met.arrival_px) * q * way
            copy.slippage_usd += (copy.entry_px - copy.arrival_px) * q * way
            copy.slippage_usd += (met.arrival_px - met.px) * q * way
            copy.leader_exit_notional += step.px * q
            copy.exit_notional += met.px * q
            side: Side = "sell" if copy.side == "long" else "buy"
            copy.fills.append(self._fill(order, side, step.px, met, fee))
        copy.open_quantity -= q
        if not copy.open_quantity:
            copy.closed_at = met.time
            del self._open[copy.key]
            self.closed.append(copy)
            self._closed += copy.booked_usd(with_open_fee=True)

    def _fill(
        self, order: _Pending, side: Side, leader_px: Decimal, met: Execution, fee: Decimal
    ) -> CopyFill:
        return CopyFill(
            signal=order.signal, time=met.time, side=side, quantity=met.quantity,
            leader_px=leader_px, arrival_px=met.arrival_px, px=met.px, fee_usd=fee,
        )  # fmt: skip

    def _fee(self, met: Execution) -> Decimal:
        return met.quantity * met.px * self._terms.fee_bps.scaleb(-4)

    def _fund(self, copy: Copy, until: int) -> None:
        """Book what was settled since the last time, on what was open."""
        if until <= copy.funded_until:
            return
        paid = self._market.funding(copy.coin, copy.funded_until, until)
        copy.funded_until = until
        if paid is None or copy.funding_usd is None:
            copy.funding_usd = None
        else:
            copy.funding_usd -= paid * copy.open_quantity * copy.direction

    def _end_day(self, at: int) -> None:
        with exact():
            for copy in self._open.values():
                self._fund(copy, at - 1)
            for coin in {copy.coin for copy in self._open.values()}:
                mark = self._market.mark(coin, at)
                if mark is not None:
                    self._marks[coin] = mark
            unrealized = Decimal(0)
            if self._market.is_marked:
                unrealized = sum(
                    (c.unrealized_usd(self._marks[c.coin]) for c in self._open.values()), Decimal(0)
                )
            self.equity.append(
                EquityPoint(
                    at=at,
                    equity_usd=self._equity(),
                    unrealized_usd=unrealized,
                    open_notional_usd=self._open_notional(),
                )
            )

    def _equity(self) -> Decimal:
        """At the last prices known here."""
        is_marked = self._market.is_marked
        equity = self._capital + self._closed
        for copy in self._open.values():
            equity += copy.booked_usd(with_open_fee=is_marked)
            if is_marked:
                equity += copy.unrealized_usd(self._marks[copy.coin])
        return equity

    def _open_notional(self) -> Decimal:
        """Of what is open and what is being opened, at the last prices known here."""
        is_marked = self._market.is_marked
        held = sum(
            (
                copy.open_quantity * (self._marks[copy.coin] if is_marked else copy.entry_px)
                for copy in self._open.values()
            ),
            Decimal(0),
        )
        return held + sum((size for _, _, size, _ in self._waiting.values()), Decimal(0))

    def state(self) -> dict[str, Any]:
        """The account between two stretches, for JSON. What is under way is asked for again."""
        return {
            "capital_usd": str(self._capital),
            "closed_usd": str(self._closed),
            "clock": self._clock,
            "marks": {coin: str(px) for coin, px in sorted(self._marks.items())},
            "settings": {
                trader: [None if s is None else _plain(asdict(s)), version]
                for trader, (s, version) in sorted(self._settings.items())
            },
            "open": [_plain(asdict(copy)) for copy in self.open_copies],
            "waiting": [
                [_plain(asdict(signal)), mode, str(size), version]
                for signal, mode, size, version in self._waiting.values()
            ],
            "orders": [_plain(asdict(o)) for orders in self._orders.values() for o in orders],
            "unanswered": {key: _plain(asdict(o)) for key, o in self._unanswered.items()},
            # Answered at the stretch's very end, and booked when the next one begins.
            "met": [[key, _plain(asdict(met))] for _, key, met in sorted(self._bookings)],
        }

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._capital = Decimal(state["capital_usd"])
        self._closed = Decimal(state["closed_usd"])
        self._clock = state["clock"]
        self._marks = {coin: Decimal(px) for coin, px in state["marks"].items()}
        for trader, (settings, version) in state["settings"].items():
            made = None if settings is None else filter_settings(settings)
            self._settings[trader] = (made, version)
        for values in state["open"]:
            copy = Copy(**_decimals(Copy, values))
            copy.fills = [CopyFill(**_decimals(CopyFill, fill)) for fill in values["fills"]]
            self._open[copy.key] = copy
        for values, mode, size, version in state["waiting"]:
            signal = Signal(**_decimals(Signal, {**values, "steps": []}))
            self._waiting[signal.key] = (signal, mode, Decimal(size), version)
        for values in state["orders"]:
            step = values["step"]
            made_step = None if step is None else Step(**_decimals(Step, step))
            order = _Pending(**{**_decimals(_Pending, values), "step": made_step})
            self._orders.setdefault(order.key, []).append(order)
        for key, values in state["unanswered"].items():
            self._unanswered[key] = Order(**_decimals(Order, values))
        for key, values in state["met"]:
            met = Execution(**_decimals(Execution, values))
            heapq.heappush(self._bookings, (met.time, key, met))


def filter_settings(values: Mapping[str, Any]) -> FilterSettings:
    """Settings from JSON, or from a row of `traders`: other keys are not looked at."""
    own = {k: v for k, v in values.items() if k in FilterSettings.__dataclass_fields__}
    for name in ("token_whitelist", "token_blacklist"):
        own[name] = tuple(own[name])
    return FilterSettings(**_decimals(FilterSettings, own))


def _decimals(made: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """With the texts of decimal fields read. Numbers of JSON are read as they are printed."""
    types = {name: str(f.type) for name, f in made.__dataclass_fields__.items()}  # type: ignore[attr-defined]
    return {
        name: Decimal(str(value)) if "Decimal" in types[name] and value is not None else value
        for name, value in values.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _per_unit(notional: Decimal, quantity: Decimal) -> Decimal | None:
    with exact():
        return (notional / quantity).quantize(QUANTITY) if quantity else None
