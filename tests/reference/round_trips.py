"""Round trips of perp positions, one plain walk over the whole history of each trader and coin.

Prices and money in USD, sizes in base units, times in ms since the epoch. Days are not looked at
while walking: what is carried over midnight is carried by nothing but the walk itself.
"""

import decimal
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from .aggregates import DAY_MS, EXACT, ZERO, add, day_of, times, total, usd
from .profiles import is_perp, round8

Key = tuple[str, str]  # user, coin

TWELVE_PLACES = Decimal("0.000000000001")
WIDE = decimal.Context(prec=200, rounding=decimal.ROUND_DOWN)


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of a trade; None is what the source does not say."""

    user: str
    coin: str
    px: Decimal
    sz: Decimal
    side: str  # B: bought, A: sold
    time: int
    block_number: int | None
    event_index: int | None
    start_position: Decimal | None  # signed, before this fill
    closed_pnl: Decimal | None  # before fees
    fee: Decimal | None  # in fee_token; negative is a rebate
    fee_token: str | None
    liquidated_user: str | None = None


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """A position from its opening, or from the first fill seen of it, to 0 or through 0."""

    day: int  # of closed_at
    user_address: str
    coin: str
    seq: int  # 1, 2, .. by closing within (day, user_address, coin)
    opened_at: int | None  # None: opened before the first fill seen, left-censored
    closed_at: int
    direction: str  # long or short
    fill_count: int
    peak_size: Decimal
    entry_size: Decimal
    entry_notional: Decimal
    exit_size: Decimal
    exit_notional: Decimal
    gross_pnl: Decimal | None  # None where a fill does not say
    fees: Decimal | None  # None where a fill is unpriced
    net_pnl: Decimal | None
    unpriced_fills: int  # fee unknown, or in a token without a price
    hold_ms: int | None  # None when left-censored
    size_ms: Decimal  # |position| over time, base units x ms
    is_liquidated: bool


@dataclass(frozen=True, slots=True)
class DayState:
    """A trader and coin on a day with at least one fill that says where it starts."""

    day: int
    user_address: str
    coin: str
    closed_trades: int  # closed on this day, opening seen
    hold_ms: int  # of these
    left_censored_trades: int  # closed on this day, opening not seen
    continuity_breaks: int  # fills of this day that do not start where the one before ended
    position: Decimal  # signed, after the last fill of the day
    open_since: int | None  # None while flat or left-censored


@dataclass(frozen=True, slots=True)
class Part:
    """A fill, or what a flip does on one side of 0; positions signed, before and after."""

    fill: Fill
    before: Decimal
    after: Decimal
    closed_pnl: Decimal | None
    fee: Decimal | None  # in USD

    @property
    def entry(self) -> Decimal:
        """By how much it increases |position|."""
        return max(ZERO, EXACT.subtract(self.after.copy_abs(), self.before.copy_abs()))

    @property
    def exit(self) -> Decimal:
        """By how much it reduces |position|."""
        return max(ZERO, EXACT.subtract(self.before.copy_abs(), self.after.copy_abs()))


@dataclass(frozen=True, slots=True)
class Episode:
    """A position being followed."""

    opened_at: int | None
    parts: list[Part]


def fee_in_usd(fill: Fill) -> Decimal | None:
    """The fee of a fill in USD; None where it is unknown or has no price."""
    if fill.fee is None:
        return None
    names = {"fee_token": fill.fee_token, "coin": fill.coin, "side": fill.side, "px": fill.px}
    return usd(fill.fee, names)


def execution_order(fill: Fill) -> tuple[int, bool, int, bool, int]:
    """Time, block, place in the block; unknown blocks and places last, as PostgreSQL sorts."""
    block, place = fill.block_number, fill.event_index
    return (fill.time, block is None, block or 0, place is None, place or 0)


def positions_around(fill: Fill) -> tuple[Decimal, Decimal]:
    """Signed positions before and after, to 8 decimals, from the fill alone."""
    assert fill.start_position is not None
    signed = fill.sz if fill.side == "B" else fill.sz.copy_negate()
    return round8(fill.start_position), round8(add(fill.start_position, signed))


def share12(amount: Decimal, numerator: Decimal, denominator: Decimal) -> Decimal:
    """Amount x numerator / denominator cut off after 12 decimals."""
    quotient = WIDE.divide(times(amount, numerator), denominator)
    return quotient.quantize(TWELVE_PLACES, context=WIDE)


def parts_of(fill: Fill, before: Decimal, after: Decimal) -> list[Part]:
    """The fill whole, or a flip's closing and opening part; the two fees add up to the fill's."""
    fee = fee_in_usd(fill)
    flips = (before < 0 < after) or (after < 0 < before)
    if not flips:
        return [Part(fill, before, after, fill.closed_pnl, fee)]
    closing = None if fee is None else share12(fee, before.copy_abs(), fill.sz)
    opening = None if fee is None or closing is None else EXACT.subtract(fee, closing)
    return [
        Part(fill, before, ZERO, fill.closed_pnl, closing),
        Part(fill, ZERO, after, ZERO, opening),
    ]


def known_total(values: Iterable[Decimal | None]) -> Decimal | None:
    """The exact sum; None when one of them is."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return total(known) if len(known) == len(listed) else None


def is_victim(fill: Fill) -> bool:
    """Whether the fill liquidates its own trader."""
    liquidated = fill.liquidated_user
    return liquidated is not None and liquidated.lower() == fill.user.lower()


def held_size_ms(parts: list[Part]) -> Decimal:
    """|position| over time from the first to the last part, base units x ms."""
    return total(
        times(part.after.copy_abs(), Decimal(later.fill.time - part.fill.time))
        for part, later in pairwise(parts)
    )


def round_trip(episode: Episode, seq: int) -> RoundTrip:
    """The finished episode."""
    parts = episode.parts
    last = parts[-1].fill
    gross = known_total(part.closed_pnl for part in parts)
    fees = known_total(part.fee for part in parts)
    return RoundTrip(
        day=day_of(last.time),
        user_address=last.user,
        coin=last.coin,
        seq=seq,
        opened_at=episode.opened_at,
        closed_at=last.time,
        direction="long" if max(parts[0].before, parts[0].after) > 0 else "short",
        fill_count=len(parts),
        peak_size=max(max(part.before.copy_abs(), part.after.copy_abs()) for part in parts),
        entry_size=total(part.entry for part in parts),
        entry_notional=total(times(part.fill.px, part.entry) for part in parts),
        exit_size=total(part.exit for part in parts),
        exit_notional=total(times(part.fill.px, part.exit) for part in parts),
        gross_pnl=gross,
        fees=fees,
        net_pnl=None if gross is None or fees is None else EXACT.subtract(gross, fees),
        unpriced_fills=sum(part.fee is None for part in parts),
        hold_ms=None if episode.opened_at is None else last.time - episode.opened_at,
        size_ms=held_size_ms(parts),
        is_liquidated=is_victim(last),
    )


class Walk:
    """One trader and coin, followed fill by fill in execution order."""

    def __init__(self, user: str, coin: str) -> None:
        self.user = user
        self.coin = coin
        self.trips: list[RoundTrip] = []
        self.position: Decimal | None = None  # None before the first fill
        self.episode: Episode | None = None
        self.breaks: Counter[int] = Counter()  # by day
        self.last_of_day: dict[int, tuple[Decimal, int | None]] = {}  # position, open since

    def step(self, fill: Fill) -> None:
        """One more fill."""
        day = day_of(fill.time)
        before, after = positions_around(fill)
        if self.position is not None and before != self.position:
            self.breaks[day] += 1
            self.episode = None
        if self.episode is None and before != 0:
            self.episode = Episode(None, [])
        for part in parts_of(fill, before, after):
            self._take(part)
        self.position = after
        running = self.episode
        self.last_of_day[day] = (after, None if running is None else running.opened_at)

    def _take(self, part: Part) -> None:
        """Adds the part to the running episode, which it may open or close."""
        if part.before == 0 and part.after == 0:
            return
        if part.before == 0:
            self.episode = Episode(part.fill.time, [])
        assert self.episode is not None
        self.episode.parts.append(part)
        if part.after == 0:
            day = day_of(part.fill.time)
            earlier = sum(trip.day == day for trip in self.trips)
            self.trips.append(round_trip(self.episode, earlier + 1))
            self.episode = None

    def day_states(self) -> list[DayState]:
        """One for every day with a fill."""
        return [self._day_state(day) for day in self.last_of_day]

    def _day_state(self, day: int) -> DayState:
        """What closed, broke and is left on a day."""
        closed = [trip for trip in self.trips if trip.day == day]
        holds = [trip.hold_ms for trip in closed if trip.hold_ms is not None]
        position, open_since = self.last_of_day[day]
        return DayState(
            day=day,
            user_address=self.user,
            coin=self.coin,
            closed_trades=len(holds),
            hold_ms=sum(holds),
            left_censored_trades=len(closed) - len(holds),
            continuity_breaks=self.breaks[day],
            position=position,
            open_since=open_since,
        )


def follow(fills: Iterable[Fill]) -> tuple[list[RoundTrip], list[DayState]]:
    """Round trips and day states of all perps, each ordered by its key, from fills in any order.

    A fill without a start position is as if it were not there.
    """
    walks: dict[Key, Walk] = {}
    for fill in sorted(fills, key=execution_order):
        if is_perp(fill.coin) and fill.start_position is not None:
            key = (fill.user, fill.coin)
            walks.setdefault(key, Walk(*key)).step(fill)
    trips = [trip for walk in walks.values() for trip in walk.trips]
    states = [state for walk in walks.values() for state in walk.day_states()]
    trips.sort(key=lambda trip: (trip.day, trip.user_address, trip.coin, trip.seq))
    states.sort(key=lambda state: (state.day, state.user_address, state.coin))
    return trips, states


def random_fills(
    rng: random.Random,
    users: Sequence[str],
    coins: Sequence[str],
    days: Sequence[int],
    per_day: int,
) -> list[Fill]:
    """A market of random walks, in no order; the same for the same state of `rng`.

    Every user walks every coin with up to `per_day` fills on each of `days` (midnights UTC in ms,
    ascending). A fill that is lost on the way moves the position all the same: the next one breaks.
    Of those that do not say where they start, half move nothing: the next one follows the one
    before. (block_number, event_index) is unique and ascends with time.
    """
    positions = {(user, coin): random_carry(rng) for user in users for coin in coins}
    block, place, previous_time = 700_000_000, -1, -1
    fills = []
    for time, key in random_moments(rng, list(positions), days, per_day):
        if time != previous_time or rng.random() < 0.2:
            block, place = block + rng.randint(1, 20), -1
        place, previous_time = place + rng.randint(1, 3), time
        fill = random_step(rng, key, time, positions[key])
        printed = recorded(rng, replace(fill, block_number=block, event_index=place))
        if printed.start_position is not None or rng.random() < 0.5:
            positions[key] += fill.sz if fill.side == "B" else -fill.sz
        if rng.random() >= 0.02:
            fills.append(printed)
    rng.shuffle(fills)
    return fills


def random_carry(rng: random.Random) -> Decimal:
    """A signed position from before the first day, mostly none."""
    return rng.choice((1, -1)) * random_size(rng) if rng.random() < 0.3 else ZERO


def random_size(rng: random.Random) -> Decimal:
    """A size of a few digits, down to one unit of the eighth decimal."""
    return Decimal(rng.randint(1, 999)).scaleb(rng.choice((0, -1, -2, -2, -5, -8)))


def random_moments(
    rng: random.Random, keys: list[Key], days: Sequence[int], per_day: int
) -> Iterator[tuple[int, Key]]:
    """(time in ms, who and what) in order of time; some days of a key have no fill, some one."""
    for day in days:
        moments: list[tuple[int, Key]] = []
        for key in keys:
            most = rng.choice((0, 1, per_day, per_day, per_day))
            count = rng.randint(min(1, most), most)
            moments += [(time, key) for time in random_times(rng, day, count)]
        rng.shuffle(moments)
        yield from sorted(moments, key=lambda moment: moment[0])


def random_times(rng: random.Random, day: int, count: int) -> list[int]:
    """Times within a day, some in one ms, some in its first or last."""
    chosen: list[int] = []
    for _ in range(count):
        draw = rng.random()
        if draw < 0.2 and chosen:
            chosen.append(chosen[-1])
        elif draw < 0.3:
            chosen.append(day + rng.choice((0, DAY_MS - 1)))
        else:
            chosen.append(day + rng.randrange(DAY_MS))
    return chosen


def random_step(rng: random.Random, key: Key, time: int, position: Decimal) -> Fill:
    """What a trader in this position does next; block and place are still to come."""
    change = random_change(rng, position)
    reduces = position != 0 and change != 0 and (change > 0) != (position > 0)
    buys = change > 0 or (change == 0 and rng.random() < 0.5)
    px = Decimal(rng.randint(1, 9_999_999)).scaleb(rng.choice((-2, -4)))
    fee, token = random_fee(rng, px * abs(change))
    return Fill(
        user=key[0],
        coin=key[1],
        px=px,
        sz=abs(change),
        side="B" if buys else "A",
        time=time,
        block_number=None,
        event_index=None,
        start_position=position,
        closed_pnl=random_pnl(rng) if reduces else ZERO,
        fee=fee,
        fee_token=token,
        liquidated_user=random_victim(rng, key[0], reduces=reduces),
    )


def random_change(rng: random.Random, position: Decimal) -> Decimal:
    """The signed size of an opening, add, partial or full close, flip, or of nothing."""
    if position == 0:
        return rng.choice((1, -1)) * random_size(rng) if rng.random() < 0.95 else ZERO
    sign = 1 if position > 0 else -1
    kind = rng.choices(("add", "reduce", "close", "flip", "nothing"), (25, 30, 25, 16, 4))[0]
    if kind == "add":
        return sign * random_size(rng)
    if kind == "reduce":
        return (-position * rng.randint(1, 99) / 100).quantize(Decimal("0.00000001"))
    if kind == "close":
        return -position
    return -position - sign * random_size(rng) if kind == "flip" else ZERO


def random_fee(rng: random.Random, notional: Decimal) -> tuple[Decimal, str]:
    """(amount, token) of a taker, a maker, a rebate or nothing; 3 % in a token without a price."""
    rate = Decimal(rng.choice(("0.00045", "0.00045", "0.00015", "-0.00003", "0")))
    token = rng.choices(("USDC", "USDH", "HYPE"), (93, 4, 3))[0]
    return (notional * rate).quantize(Decimal("0.000001")), token


def random_pnl(rng: random.Random) -> Decimal:
    """Profit or loss of a close in USD, at times none."""
    return ZERO if rng.random() < 0.1 else Decimal(rng.randint(-(10**9), 10**9)).scaleb(-6)


def random_victim(rng: random.Random, user: str, *, reduces: bool) -> str | None:
    """Who is liquidated by the fill: mostly nobody, at times its user, at times the other side."""
    draw = rng.random()
    if draw < 0.06 and reduces:
        return user
    return "0x" + "d" * 40 if draw < 0.09 else None


def recorded(rng: random.Random, fill: Fill) -> Fill:
    """The fill as the source prints it: float noise on positions, rarely a value missing.

    What moves nothing keeps its zeros.
    """
    if fill.sz == 0:
        return replace(fill, fee=ZERO, fee_token="USDC")
    assert fill.start_position is not None
    draw = rng.random()
    if draw < 0.15:
        noise = Decimal(rng.randint(-40, 40)).scaleb(-10)
        return replace(fill, start_position=fill.start_position + noise)
    if draw < 0.165:
        return replace(fill, start_position=None)
    if draw < 0.17:
        return replace(fill, closed_pnl=None)
    return replace(fill, fee=None) if draw < 0.175 else fill
