"""From a leader's fills to signals: one intent each.

Rows of one order are one intent, and rows of one coin and direction within a minute are. A signal
stands at its first row, with that row's price: what merges into it later only adds to its size, so
nobody waits for the future. A reduction is carried out step by step, as its rows come.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from vigil_core.calendar import DAY_MS

MERGE_MS = 60_000
"""Rows of one coin and direction are one intent, this far from its first."""

ORDER_REST_MS = DAY_MS
"""An order that fills again after a longer rest is a new intent."""

SHARE = Decimal(1).scaleb(-18)
_NOISE = Decimal(1).scaleb(-8)

Action = Literal["open", "reduce", "close"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderFill:
    """One perp row of the leader, in the order of execution. Prices and sizes as on the tape."""

    time: int
    coin: str
    side: Literal["B", "A"]
    px: Decimal
    sz: Decimal
    start_position: Decimal | None
    order: str | None
    """What the rows of one order share: the TWAP's id, or the order's."""
    key: str
    """Finds the row again: unique within the trader."""
    on_book: bool = True
    """False: deleveraging, settlement, takeover, netting. No order of his stands behind it."""
    is_victim: bool = False
    """His own liquidation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of a reduction: the rows of one instant."""

    time: int
    px: Decimal
    share: Decimal
    """Of the position as it was before the step, 18 decimals; 1: all of it."""
    seq: int = 0
    """Orders what happens to one trader in one millisecond."""


@dataclass(slots=True, kw_only=True)
class Signal:
    """One intent. Of `time`, `px` and `side` the first row tells; `size` grows with the rest."""

    trader: str
    key: str
    action: Action
    coin: str
    side: Literal["buy", "sell"]
    time: int
    px: Decimal
    size: Decimal | None = None
    steps: list[Step] = field(default_factory=list)
    """Of a reduction; never empty there. Empty for `open`."""
    leverage: float | None = None
    confidence: float | None = None
    of: str | None = None
    """Key of the signal that it ends, where the source says it; None: whatever is open in the
    coin and that direction."""
    seq: int = 0
    """As of a step."""
    fills: list[str] = field(default_factory=list)
    """Keys of the rows it was read from."""

    @property
    def reduced_share(self) -> Decimal | None:
        """Of the leader's position before the first step; None for `open`."""
        if not self.steps:
            return None
        kept = Decimal(1)
        for step in self.steps:
            kept *= 1 - step.share
        return 1 - kept.quantize(SHARE)


@dataclass(slots=True)
class _Group:
    first: int
    last: int
    key: str


@dataclass(slots=True)
class _Groups:
    """What rows of one coin and direction may still merge into."""

    latest: _Group | None = None
    by_order: dict[str, _Group] = field(default_factory=dict)


class SignalReader:
    """Reads a trader's fills, a stretch of time at a call; what merges goes on across calls.

    A reduction that goes on into a later call is a signal of its own there: what was handed out
    never changes. An opening that goes on adds nothing.

    Args:
        trader: Whose fills they are: the address, or how the caller calls him.
        state: What `state()` gave after the stretch before.
    """

    def __init__(self, trader: str, state: dict[str, object] | None = None) -> None:
        self._trader = trader
        self._groups: dict[tuple[str, str, str], _Groups] = {}
        for coin, kind, side, *group, is_latest, orders in (state or {}).get("groups", []):  # type: ignore[attr-defined]
            groups = self._groups.setdefault((coin, kind, side), _Groups())
            kept = _Group(*group)
            groups.latest = kept if is_latest else groups.latest
            groups.by_order |= dict.fromkeys(orders, kept)
        self._seq = 0
        self.openings: dict[str, str] = {}
        """Of the last call: rows that opened or added, and the signals they belong to."""
        self.unreadable = 0
        """Rows that do not tell the position: they make no signal."""

    def state(self) -> dict[str, object]:
        """What can still merge, for JSON."""
        return {
            "groups": [
                [*at, group.first, group.last, group.key, group is groups.latest, orders]
                for at, groups in sorted(self._groups.items())
                for group, orders in _with_orders(groups)
            ]
        }

    def read(self, fills: Iterable[LeaderFill]) -> list[Signal]:
        """The signals of the next fills, in the order of their first rows.

        Args:
            fills: Perp rows in the order of execution, none before those of an earlier call.
        """
        found: dict[str, Signal] = {}
        self.openings = {}
        for fill in fills:
            if fill.start_position is None:
                self.unreadable += 1
                continue
            self._seq += 1
            start = fill.start_position.quantize(_NOISE)
            signed = fill.sz if fill.side == "B" else -fill.sz
            end = (fill.start_position + signed).quantize(_NOISE)
            crosses = start * end <= 0
            if start and abs(end) < abs(start) or start and crosses:
                kept = Decimal(0) if crosses else (end / start).quantize(SHARE)
                self._reduction(found, fill, 1 - kept)
            if end and (not start or crosses or abs(end) > abs(start)):
                grown = abs(end) if crosses else abs(end) - abs(start)
                # What the exchange does to him is no view of his.
                if fill.on_book and not fill.is_victim:
                    self._opening(found, fill, grown)
        return list(found.values())

    def _opening(self, found: dict[str, Signal], fill: LeaderFill, size: Decimal) -> None:
        group, is_new = self._group_of("open", fill)
        self.openings[fill.key] = group.key
        signal = found.get(group.key)
        if is_new:
            signal = found[group.key] = self._signal(group.key, "open", fill)
        if signal is not None:
            signal.size = (signal.size or Decimal(0)) + size
            signal.fills.append(fill.key)

    def _reduction(self, found: dict[str, Signal], fill: LeaderFill, share: Decimal) -> None:
        group, _ = self._group_of("reduce", fill)
        signal = found.get(group.key)
        if signal is None:
            group.key = f"reduce:{fill.key}"
            signal = found[group.key] = self._signal(group.key, "reduce", fill)
        signal.size = (signal.size or Decimal(0)) + fill.sz
        signal.fills.append(fill.key)
        last = signal.steps[-1] if signal.steps else None
        if last is not None and last.time == fill.time:
            both = 1 - ((1 - last.share) * (1 - share)).quantize(SHARE)
            signal.steps[-1] = Step(time=fill.time, px=last.px, share=both, seq=last.seq)
        else:
            signal.steps.append(Step(time=fill.time, px=fill.px, share=share, seq=self._seq))
        if share == 1:
            signal.action = "close"
            # The next opening is a new intent, and so is the next reduction.
            for at in [at for at in self._groups if at[0] == fill.coin]:
                del self._groups[at]

    def _group_of(self, kind: str, fill: LeaderFill) -> tuple[_Group, bool]:
        groups = self._groups.setdefault((fill.coin, kind, fill.side), _Groups())
        group = groups.by_order.get(fill.order) if fill.order is not None else None
        if group is not None and fill.time - group.last > ORDER_REST_MS:
            group = None
        if group is None and groups.latest is not None:
            group = groups.latest if fill.time - groups.latest.first < MERGE_MS else None
        is_new = group is None
        if group is None:
            group = groups.latest = _Group(fill.time, fill.time, f"{kind}:{fill.key}")
        group.last = fill.time
        if fill.order is not None:
            groups.by_order[fill.order] = group
        return group, is_new

    def _signal(self, key: str, action: Action, fill: LeaderFill) -> Signal:
        return Signal(
            trader=self._trader, key=key, action=action, coin=fill.coin,
            side="buy" if fill.side == "B" else "sell", time=fill.time, px=fill.px, seq=self._seq,
        )  # fmt: skip


def _with_orders(groups: _Groups) -> list[tuple[_Group, list[str]]]:
    """Those that can still grow, and the names of their orders, in a fixed order."""
    orders: dict[int, tuple[_Group, list[str]]] = {}
    for group in [groups.latest, *groups.by_order.values()]:
        if group is not None:
            orders.setdefault(id(group), (group, []))
    for order, group in groups.by_order.items():
        orders[id(group)][1].append(order)
    newest = max((group.last for group, _ in orders.values()), default=0)
    return sorted(
        (
            (group, sorted(names))
            for group, names in orders.values()
            if newest - group.last <= ORDER_REST_MS
        ),
        key=lambda item: (item[0].first, item[0].key),
    )
