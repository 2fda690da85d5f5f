"""Where copies are executed: at stated prices, or on the prints of the tape."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, Literal

from vigil_core.calendar import HOUR_MS
from vigil_core.desk.copying import (
    QUANTITY,
    CopyEngine,
    Execution,
    Order,
    SettingsFrom,
    Terms,
    exact,
)
from vigil_core.desk.signals import Signal

PARTICIPATION = Decimal("0.1")
"""As much of a print is taken to be ours, at most."""


@dataclass(frozen=True, slots=True)
class FixedMarket:
    """The leader's price, moved against us; at once, and with no price in between."""

    slippage_bps: Decimal
    is_marked: bool = False

    def execute(self, order: Order) -> Execution:
        """Always filled, in full."""
        with exact():
            moved = self.slippage_bps.scaleb(-4) * (1 if order.side == "buy" else -1)
            px = order.leader_px * (1 + moved)
            quantity = order.quantity
            if quantity is None:
                quantity = ((order.size_usd or Decimal(0)) / px).quantize(QUANTITY)
        return Execution(order.at, quantity, px, order.leader_px)

    def mark(self, coin: str, at: int) -> None:
        """None: no price is known but the leader's."""

    def funding(self, coin: str, start: int, end: int) -> None:
        """None: no rate is known."""


@dataclass(frozen=True, slots=True)
class Print:
    """One trade of the tape."""

    time: int
    px: Decimal
    sz: Decimal
    side: Literal["buy", "sell"]
    """The taker's."""


@dataclass(frozen=True, slots=True)
class Window:
    """A coin's tape, whole, in [start, end)."""

    coin: str
    start: int
    end: int


class TapeMarket:
    """The prints of the tape, which our orders walk.

    An order takes at most a tenth of each print of its own side that comes after it. What it paid
    beyond the last price before it is slippage; what the price moved from the leader's is lag.

    Args:
        slippage_bps: None: by the prints. Else every order is filled at the leader's price, moved
            against us by as much; the tape still gives marks and funding.
    """

    is_marked = True

    def __init__(self, slippage_bps: Decimal | None = None) -> None:
        self._fixed = None if slippage_bps is None else FixedMarket(slippage_bps)
        self._windows: dict[str, list[tuple[Window, list[Print], list[int]]]] = {}
        self._marks: Mapping[tuple[str, int], Decimal] = {}
        self._funding: dict[str, dict[int, Decimal]] = {}

    def load(
        self,
        windows: Mapping[Window, Sequence[Print]],
        marks: Mapping[tuple[str, int], Decimal],
        funding: Mapping[str, Mapping[int, Decimal]],
    ) -> None:
        """Take what is known of a stretch. Prints and marks of before are forgotten.

        Args:
            windows: Disjoint; each with all of its prints, in the order of the tape.
            marks: Last price before an instant, by coin and instant.
            funding: By coin: USD that a long of one unit paid, by the hour (ms) it was settled at.
        """
        self._windows = {}
        for window, prints in sorted(windows.items(), key=lambda item: item[0].start):
            known = (window, list(prints), [one.time for one in prints])
            self._windows.setdefault(window.coin, []).append(known)
        self._marks = marks
        for coin, paid in funding.items():
            self._funding.setdefault(coin, {}).update(paid)

    def execute(self, order: Order) -> Execution | None:
        """Walk the prints after the order came; None where they are not loaded."""
        if self._fixed is not None:
            return self._fixed.execute(order)
        for window, prints, times in self._windows.get(order.coin, ()):
            if window.start <= order.since and order.at < window.end:
                places = bisect_left(times, order.since), bisect_right(times, order.at)
                return _walk(order, prints, places, window.end)
        return None

    def mark(self, coin: str, at: int) -> Decimal | None:
        """The last price before `at`, if it was loaded."""
        return self._marks.get((coin, at))

    def funding(self, coin: str, start: int, end: int) -> Decimal | None:
        """Sum over the hours in (start, end]; None if one of them is missing."""
        paid = self._funding.get(coin, {})
        hours = range((start // HOUR_MS + 1) * HOUR_MS, end + 1, HOUR_MS)
        if any(hour not in paid for hour in hours):
            return None
        with exact():
            return sum((paid[hour] for hour in hours), Decimal(0))


def _walk(
    order: Order, prints: Sequence[Print], places: tuple[int, int], known_until: int
) -> Execution | None:
    first, place = places
    arrival = order.arrival_px
    if arrival is None:
        arrival = prints[place - 1].px if place > first else order.leader_px
    filled, notional = Decimal(0), Decimal(0)
    if order.quantity is not None and not order.quantity:
        return Execution(order.at, filled, arrival, arrival)
    with exact():
        for one in islice(prints, place, None):
            if one.time >= order.until:
                break
            if one.side != order.side or not one.px:
                continue
            if order.quantity is not None:
                lacking = order.quantity - filled
            else:
                lacking = (((order.size_usd or Decimal(0)) - notional) / one.px).quantize(QUANTITY)
            taken = min(lacking, one.sz * PARTICIPATION)
            filled, notional = filled + taken, notional + taken * one.px
            if taken == lacking:
                return Execution(one.time, filled, (notional / filled).quantize(QUANTITY), arrival)
        if order.until > known_until:
            return None
        px = (notional / filled).quantize(QUANTITY) if filled else arrival
    return Execution(order.until, filled, px, arrival)


def windows_of(
    signals: Iterable[Signal],
    carried: Iterable[Order],
    unanswered: Iterable[Order],
    terms: Terms,
    until: int,
) -> list[Window]:
    """The parts of the tape that a stretch of time needs, disjoint, for `TapeMarket.load`.

    Args:
        signals: Of the stretch, copied or not.
        carried: Orders that the stretches before left unanswered.
        unanswered: What a first try with less of the tape left so: the tape after each is read to
            the end.
        terms: Lag and patience.
        until: ms, the end of what may be read.
    """
    reach = terms.lag_ms + terms.wait_ms
    wanted: list[tuple[str, int, int]] = []
    for signal in signals:
        times = [step.time for step in signal.steps] or [signal.time]
        wanted += [(signal.coin, time, time + reach) for time in times]
    wanted += [(o.coin, o.since, min(o.until, o.at + reach)) for o in carried]
    wanted += [(o.coin, o.since, o.until) for o in unanswered]
    found: list[Window] = []
    for coin, start, end in sorted((c, s, min(e, until)) for c, s, e in wanted):
        last = found[-1] if found else None
        if last is not None and last.coin == coin and start <= last.end:
            found[-1] = Window(coin, last.start, max(last.end, end))
        elif start < end:
            found.append(Window(coin, start, end))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What happens in [start, end), and how it is valued; the tape is read as it is needed."""

    start: int
    end: int
    signals: Sequence[Signal]
    settings: Sequence[SettingsFrom]
    marks: Mapping[tuple[str, int], Decimal]
    """Of each coin that may be held, at each day's end: the last price before it."""
    funding: Mapping[str, Mapping[int, Decimal]]
    """As `TapeMarket.load` takes it, from the start of what is held on."""


def copy_stretch(
    terms: Terms,
    market: TapeMarket,
    state: Mapping[str, Any],
    stretch: Stretch,
    read: Callable[[list[Window]], Mapping[Window, Sequence[Print]]],
) -> CopyEngine:
    """Go through a stretch with no more of the tape than its orders need.

    First the tape around each signal is read. Where an order is not filled by that, the rest of its
    time is read too, and the stretch is gone through again from its beginning.

    Args:
        terms: Fees, lag and patience.
        market: What it holds is replaced.
        state: Of the account at the start: `CopyEngine.state()`.
        stretch: What happens.
        read: Gives each window's prints.
    """
    carried = CopyEngine(Decimal(0), terms, market, state).unanswered
    more: list[Order] = []
    while True:
        windows = windows_of(stretch.signals, carried, more, terms, stretch.end)
        market.load(read(windows), stretch.marks, stretch.funding)
        engine = CopyEngine(Decimal(0), terms, market, state)
        engine.run(stretch.start, stretch.end, stretch.signals, stretch.settings)
        new = [o for o in engine.unanswered if not _is_read(o, windows, stretch.end)]
        if not new:
            return engine
        more += new


def _is_read(order: Order, windows: Sequence[Window], until: int) -> bool:
    """Whether all of an order's time that lies before `until` is in the windows."""
    end = min(order.until, until)
    return order.at >= end or any(
        w.coin == order.coin and w.start <= order.since and w.end >= end for w in windows
    )
