"""What a leader himself made of each of his intents, by his own prices and sizes."""

from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext

from vigil_core.desk.signals import LeaderFill

_DIGITS = Context(prec=60)
_NOISE = Decimal(1).scaleb(-8)

BEFORE = None
"""Stands for what no intent of the window opened: a position from before it, or a transfer."""


_LEAST_SCALE = Decimal(1).scaleb(-20)
"""Below it all lots are brought up to date: digits would be lost."""


@dataclass(slots=True)
class _Lot:
    """What an intent has open: `size` and `cost` times the position's scale, signed."""

    size: Decimal
    cost: Decimal
    sold: Decimal
    gone: Decimal
    """Of the position, when the lot was brought up to date."""


@dataclass(slots=True)
class _Position:
    """A reduction takes the same share of every lot: one number for all of them, `scale`."""

    size: Decimal = Decimal(0)
    scale: Decimal = Decimal(1)
    sold: Decimal = Decimal(0)
    """Sum over reductions: price x what was taken of each unit."""
    gone: Decimal = Decimal(0)
    """Sum over reductions: what was taken of each unit."""
    lots: dict[str | None, _Lot] = field(default_factory=dict)


class LeaderBook:
    """Splits a leader's result over the intents that opened his positions.

    A reduction takes the same share of everything that is open, as the exchange's own average entry
    price has it. A position that was there before its first row, or that rows are missing of,
    counts from the price of that row on.
    """

    def __init__(self) -> None:
        self._positions: dict[str, _Position] = {}
        self._results: dict[str | None, Decimal] = {}
        self._sizes: dict[str, Decimal] = {}
        self.fees_usd: Decimal | None = Decimal(0)
        """None: one of the rows has a fee without a price."""

    def add(self, fill: LeaderFill, intent: str | None, fee_usd: Decimal | None) -> None:
        """Take the next row, in the order of execution.

        Args:
            fill: A row that tells the position before it.
            intent: Signal that its opening part belongs to, where it has one.
            fee_usd: None where its token has no price.
        """
        if fill.start_position is None:
            return
        known = self.fees_usd is not None and fee_usd is not None
        with localcontext(_DIGITS):
            self.fees_usd = self.fees_usd + fee_usd if known else None  # type: ignore[operator]
            start = fill.start_position.quantize(_NOISE)
            signed = fill.sz if fill.side == "B" else -fill.sz
            end = (fill.start_position + signed).quantize(_NOISE)
            position = self._positions.setdefault(fill.coin, _Position())
            if position.size != start:
                self._reduce(position, Decimal(0), fill.px)
                if start:
                    self._open(position, BEFORE, start, fill.px)
            crosses = start * end <= 0
            if start and (crosses or abs(end) < abs(start)):
                self._reduce(position, Decimal(0) if crosses else end / start, fill.px)
            grown = end if crosses else end - start
            if grown and (crosses or abs(end) > abs(start)):
                self._open(position, intent, grown, fill.px)
                if intent is not None:
                    self._sizes[intent] = self._sizes.get(intent, Decimal(0)) + abs(grown)
            position.size = end

    def _open(self, position: _Position, intent: str | None, grown: Decimal, px: Decimal) -> None:
        lot = position.lots.get(intent)
        if lot is None:
            lot = position.lots[intent] = _Lot(Decimal(0), Decimal(0), position.sold, position.gone)
        else:
            self._settle(position, intent, lot)
        lot.size += grown / position.scale
        lot.cost += grown * px / position.scale

    def _reduce(self, position: _Position, kept: Decimal, px: Decimal) -> None:
        taken = position.scale * (1 - kept)
        position.sold += px * taken
        position.gone += taken
        position.scale *= kept
        if position.scale >= _LEAST_SCALE:
            return
        for intent, lot in position.lots.items():
            self._settle(position, intent, lot)
            lot.size *= position.scale
            lot.cost *= position.scale
            lot.sold = lot.gone = Decimal(0)
        position.scale, position.sold, position.gone = Decimal(1), Decimal(0), Decimal(0)
        if not kept:
            position.lots = {}

    def _settle(self, position: _Position, intent: str | None, lot: _Lot) -> None:
        """Add what its reductions gave since the last time."""
        made = lot.size * (position.sold - lot.sold) - lot.cost * (position.gone - lot.gone)
        lot.sold, lot.gone = position.sold, position.gone
        self._results[intent] = self._results.get(intent, Decimal(0)) + made

    def size_of(self, intent: str) -> Decimal:
        """How much he opened by it, base units."""
        return self._sizes.get(intent, Decimal(0))

    def held(self) -> list[str]:
        """Coins of which something is open."""
        return sorted(coin for coin, position in self._positions.items() if position.size)

    def results(self, marks: dict[str, Decimal]) -> dict[str | None, Decimal]:
        """Before fees, by intent; what is open is worth its mark."""
        with localcontext(_DIGITS):
            for position in self._positions.values():
                for intent, lot in position.lots.items():
                    self._settle(position, intent, lot)
            found = dict(self._results)
            for coin, position in self._positions.items():
                for intent, lot in position.lots.items():
                    value = (marks[coin] * lot.size - lot.cost) * position.scale
                    found[intent] = found.get(intent, Decimal(0)) + value
        return found
