"""A paper account over all days at once, from the rows of the tape; only the walk carries anything.

Each copy is a life of its own: in when our order met prints, out as its leader went, valued by the
cash that changed hands. It knows no capital that could run out: give it enough.
"""

import decimal
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any, TypeVar

Row = dict[str, Any]

DAY_MS = 86_400_000
LAG, MINUTE = 2_000, 60_000
FEE = Decimal("0.00045")
PLACES = Decimal(1).scaleb(-18)
WIDE = decimal.Context(prec=250)
OFF_BOOK = {"Auto-Deleveraging", "Settlement", "Net Child Vaults", "Spot Dust Conversion"}


def is_off_book(row: Row) -> bool:
    direction = str(row["dir"])
    return direction in OFF_BOOK or direction.startswith("Liquidated ")


def rounded(value: Decimal, rounding: str = decimal.ROUND_HALF_EVEN) -> Decimal:
    return value.quantize(PLACES, rounding, WIDE)


@dataclass
class Opening:
    """An intent to open, at its first row."""

    time: int
    coin: str
    side: str  # B or A
    px: Decimal
    orders: set[str]
    last: int
    place: int  # among the rows of the leader


@dataclass
class Exit:
    """What went of the leader's position in one millisecond of one intent."""

    time: int
    coin: str
    side: str
    px: Decimal
    share: Decimal
    place: int


@dataclass
class Leaving:
    """An intent to reduce."""

    time: int
    coin: str
    side: str
    orders: set[str]
    last: int
    latest: Exit


Intent = TypeVar("Intent", Opening, Leaving)


def joined(running: list[Intent], coin: str, side: str, time: int, order: str) -> Intent | None:
    """The intent that a row belongs to: of its order, else begun within a minute."""
    same = [one for one in running if (one.coin, one.side) == (coin, side)]
    by_order = [one for one in same if order in one.orders and time - one.last <= DAY_MS]
    near = [one for one in same if time - one.time < MINUTE]
    return (by_order or near or [None])[-1]


def intents(rows: Sequence[Row], user: str, since: int) -> tuple[list[Opening], list[Exit]]:
    """What the trader's rows from `since` on say he wanted."""
    openings: list[Opening] = []
    exits: list[Exit] = []
    opening: list[Opening] = []
    leaving: list[Leaving] = []
    mine = (r for r in rows if r["user_address"] == user and r["time"] >= since)
    for place, row in enumerate(mine):
        coin, side, time = row["coin"], row["side"], row["time"]
        if "/" in coin or coin[0] in "@#":
            continue
        order = f"twap {row['twap_id']}" if row["twap_id"] is not None else f"oid {row['oid']}"
        start = round(row["start_position"], 8)
        move = row["sz"] if side == "B" else -row["sz"]
        end = round(row["start_position"] + move, 8)
        shrinks = start != 0 and (abs(end) < abs(start) or start * end <= 0)
        if shrinks:
            left = Decimal(0) if start * end <= 0 else rounded(WIDE.divide(end, start))
            step = Exit(time, coin, side, row["px"], 1 - left, place)
            intent = joined(leaving, coin, side, time, order)
            if intent is None:
                intent = Leaving(time, coin, side, set(), time, step)
                leaving.append(intent)
                exits.append(step)
            elif intent.latest.time == time:
                kept = WIDE.multiply(1 - intent.latest.share, left)
                intent.latest.share = 1 - rounded(kept)
            else:
                intent.latest = step
                exits.append(step)
            intent.orders.add(order)
            intent.last = time
            if left == 0:
                opening = [one for one in opening if one.coin != coin]
                leaving = [one for one in leaving if one.coin != coin]
        grows = end != 0 and (start * end <= 0 or abs(end) > abs(start))
        liquidation = row["liquidation"] or {}
        if grows and not is_off_book(row) and liquidation.get("liquidatedUser") != user:
            begun = joined(opening, coin, side, time, order)
            if begun is None:
                begun = Opening(time, coin, side, row["px"], set(), time, place)
                opening.append(begun)
                openings.append(begun)
            begun.orders.add(order)
            begun.last = time
    return openings, exits


@dataclass
class Tape:
    """The takers' rows of a coin."""

    times: list[int] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def before(self, at: int) -> Decimal | None:
        place = bisect_right(self.times, at)
        return self.rows[place - 1]["px"] if place else None


def tapes(rows: Iterable[Row]) -> dict[str, Tape]:
    found: dict[str, Tape] = {}
    for row in rows:
        if row["crossed"] and not is_off_book(row):
            tape = found.setdefault(row["coin"], Tape())
            tape.times.append(row["time"])
            tape.rows.append(row)
    return found


@dataclass
class Piece:
    """One execution of ours."""

    time: int
    side: str
    quantity: Decimal
    px: Decimal


@dataclass
class CopyLife:
    """What became of one accepted opening."""

    opening: Opening
    pieces: list[Piece]
    closed_at: int | None

    def cash(self, until: int) -> Decimal:
        """What changed hands before an instant, with fees."""
        total = Decimal(0)
        with decimal.localcontext(WIDE):
            for piece in self.pieces:
                if piece.time < until:
                    amount = piece.quantity * piece.px
                    total += (-amount if piece.side == "B" else amount) - amount * FEE
        return total

    def held(self, until: int) -> Decimal:
        """Signed quantity at an instant."""
        with decimal.localcontext(WIDE):
            return sum(
                (
                    piece.quantity if piece.side == "B" else -piece.quantity
                    for piece in self.pieces
                    if piece.time < until
                ),
                Decimal(0),
            )


def walk(
    tape: Tape, side: str, at: int, until: int, lacking: Callable[[Piece, Decimal], Decimal]
) -> tuple[Piece | None, bool]:
    """Prints of our side after `at`: a tenth of each, until nothing lacks; and whether it did."""
    piece = Piece(until, side, Decimal(0), Decimal(0))
    paid = Decimal(0)
    for row in tape.rows[bisect_right(tape.times, at) :]:
        if row["time"] >= until:
            break
        if row["side"] != side:
            continue
        with decimal.localcontext(WIDE):
            needed = lacking(Piece(0, side, piece.quantity, paid), row["px"])
            taken = min(needed, row["sz"] / 10)
            piece.quantity += taken
            paid += taken * row["px"]
        if taken == needed:
            piece.time = row["time"]
            piece.px = rounded(WIDE.divide(paid, piece.quantity))
            return piece, True
    if piece.quantity:
        piece.px = rounded(WIDE.divide(paid, piece.quantity))
    return (piece if piece.quantity else None), False


def live(
    opening: Opening,
    exits: Sequence[Exit],
    tape: Tape,
    size_usd: Decimal,
    *,
    wait: int,
    data_end: int,
) -> CopyLife | None:
    """The copy of an opening; None: no liquidity, or the tape ends before that is known."""
    at = opening.time + LAG
    until = at + wait
    entry, is_full = walk(
        tape, opening.side, at, min(until, data_end),
        lambda had, px: rounded(WIDE.divide(size_usd - had.px, px)),
    )  # fmt: skip
    if entry is None or not is_full and until > data_end:
        return None
    known_at = entry.time if is_full else until
    copy = CopyLife(opening, [entry], None)
    open_quantity = entry.quantity
    out = "A" if opening.side == "B" else "B"
    clock = known_at
    for step in exits:
        is_later = (step.time, step.place) > (opening.time, opening.place)
        if step.coin != opening.coin or step.side != out or not is_later:
            continue
        asked = rounded(WIDE.multiply(open_quantity, step.share), ROUND_DOWN)
        at = max(clock, step.time + LAG)
        while asked:
            limit = ((at + wait) // DAY_MS + 1) * DAY_MS
            piece, is_full = walk(
                tape, out, at, min(limit, data_end),
                lambda had, px, asked=asked: asked - had.quantity,  # noqa: ARG005
            )  # fmt: skip
            if piece is None or not is_full:
                if limit >= data_end:
                    return copy
                at = limit
            else:
                at = piece.time
            if piece is not None:
                copy.pieces.append(piece)
                with decimal.localcontext(WIDE):
                    asked -= piece.quantity
                    open_quantity -= piece.quantity
        clock = at
        if step.share == 1:
            copy.closed_at = clock
            break
    return copy


def equity(
    copies: Sequence[CopyLife], rows: Sequence[Row], capital: Decimal, ends: Sequence[int]
) -> list[Decimal]:
    """The account at each day's end: cash, and what is held at the last price before it."""
    found = []
    for end in ends:
        prices = {r["coin"]: r["px"] for r in rows if r["time"] < end and not is_off_book(r)}
        with decimal.localcontext(WIDE):
            total = capital
            for copy in copies:
                held = copy.held(end)
                total += copy.cash(end) + (held * prices[copy.opening.coin] if held else 0)
        found.append(total)
    return found
