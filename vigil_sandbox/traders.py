"""Traders whose nature is known, because they were built that way.

Each class is one behaviour. `plan` enters its actions into the agenda before the world starts;
the actions look at the books when they happen.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from vigil_sandbox.agenda import Floor
from vigil_sandbox.books import Account
from vigil_sandbox.ledger import USD
from vigil_sandbox.markets import CORE_PERPS, CRASH_COIN, Coin
from vigil_sandbox.prices import DAY_MS, HOUR_MS, MINUTE_MS, PricePath, bell

TraderClass = Literal["LIQUIDATOR", "HFT", "SMART_DIRECTIONAL", "RETAIL"]

_CALM_COINS = tuple(coin for coin in CORE_PERPS if coin is not CRASH_COIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedTrader:
    """A trader of known truth."""

    address: str
    behaviour: str
    expected_type: TraderClass
    why: str


class MarketMaker:
    """Rests on both sides of every perp, and pays to shed positions that grow too large."""

    def __init__(self, floor: Floor, account: Account, limit_usd: int) -> None:
        self._floor = floor
        self.account = account
        self._limit = limit_usd * USD
        account.maker_rate = -30
        account.taker_rate = 240
        account.names_orders = True

    def plan(self) -> None:
        agenda = self._floor.agenda
        time_ms = agenda.start_ms + self._floor.rng.randrange(HOUR_MS)
        while time_ms < agenda.end_ms:
            agenda.at(time_ms, self._shed)
            time_ms += 5 * MINUTE_MS + self._floor.rng.randrange(20 * MINUTE_MS)

    def _shed(self) -> None:
        paths = self._floor.exchange.paths
        for name, position in self.account.positions.items():
            if abs(position.cost) > self._limit:
                target = position.size // 3 if position.size > 0 else -(-position.size // 3)
                self._floor.trade_toward(self.account, paths[name].coin, target, uses_vault=True)


class Session:
    """One trade idea: built up in several orders against the vault, and closed a while later."""

    def __init__(self, floor: Floor, account: Account, notional_usd: int, order_count: int) -> None:
        self._floor = floor
        self._account = account
        self._notional_usd = notional_usd
        self._order_count = order_count

    def plan(self, coin: Coin, *, is_long: bool, start_ms: int, hours: int) -> None:
        """Open from `start_ms` on, and be flat again after about `hours`."""
        part_usd = self._notional_usd // self._order_count
        floor = self._floor
        for index in range(self._order_count):
            pause = index * 40_000 + floor.rng.randrange(30_000)
            signed_usd = part_usd if is_long else -part_usd
            floor.agenda.at(start_ms + pause, partial(self._add, coin, signed_usd))
            close_ms = start_ms + hours * HOUR_MS + pause
            floor.agenda.at(close_ms, partial(self._reduce, coin, self._order_count - index))

    def _add(self, coin: Coin, signed_usd: int) -> None:
        size = self._floor.size_for(coin, abs(signed_usd))
        held = self._account.size(coin)
        target = held + size if signed_usd > 0 else held - size
        self._floor.trade_toward(self._account, coin, target, pieces=2, uses_vault=True)

    def _reduce(self, coin: Coin, parts_left: int) -> None:
        held = self._account.size(coin)
        target = int(abs(held) * (parts_left - 1) // parts_left) * (1 if held > 0 else -1)
        self._floor.trade_toward(self._account, coin, target, pieces=2, uses_vault=True)


_SESSION_HOURS = 5
_SESSION_STARTS = (3, 12)
"""Two sessions a day, both flat before midnight."""


class DirectionalSkilled:
    """Sees the drift of the next hours through some noise, and trades the strongest."""

    def __init__(self, floor: Floor, account: Account, notional_usd: int, order_count: int) -> None:
        self._floor = floor
        self._session = Session(floor, account, notional_usd, order_count)

    def plan(self) -> None:
        agenda, rng = self._floor.agenda, self._floor.rng
        for day_ms in range(agenda.start_ms, agenda.end_ms, DAY_MS):
            for hour in _SESSION_STARTS:
                start_ms = day_ms + hour * HOUR_MS + rng.randrange(10 * MINUTE_MS)
                coin, seen = self._strongest(start_ms)
                self._session.plan(coin, is_long=seen > 0, start_ms=start_ms, hours=_SESSION_HOURS)

    def _strongest(self, time_ms: int) -> tuple[Coin, float]:
        seen = []
        for coin in _CALM_COINS:
            drift = self._floor.exchange.paths[coin.name].drift(time_ms, _SESSION_HOURS)
            noise = 0.2 * coin.day_volatility * bell(self._floor.rng)
            seen.append((drift + noise, coin))
        drift, coin = max(seen, key=lambda entry: abs(entry[0]))
        return coin, drift


class DirectionalLucky:
    """Flips a coin for market and side, and is in this world for having flipped well.

    Many such flippers are drawn and the one whom these prices made richest in the first
    `lucky_days` (all, where that is None) is kept, as a list of past winners would. It never looks
    ahead when it decides, so it has no skill.
    """

    _FLIPPERS = 1_500

    def __init__(
        self,
        floor: Floor,
        account: Account,
        notional_usd: int,
        order_count: int,
        lucky_days: int | None = None,
    ) -> None:
        self._floor = floor
        self._lucky_days = lucky_days
        self._session = Session(floor, account, notional_usd, order_count)

    def plan(self) -> None:
        agenda, rng = self._floor.agenda, self._floor.rng
        starts = [
            day_ms + hour * HOUR_MS + 2 * HOUR_MS
            for day_ms in range(agenda.start_ms, agenda.end_ms, DAY_MS)
            for hour in _SESSION_STARTS
        ]
        flippers = [
            [(rng.choice(_CALM_COINS), rng.random() < 0.5) for _ in starts]
            for _ in range(self._FLIPPERS)
        ]
        count = None if self._lucky_days is None else self._lucky_days * len(_SESSION_STARTS)
        winner = max(flippers, key=lambda flips: self._return(starts[:count], flips[:count]))
        for start_ms, (coin, is_long) in zip(starts, winner, strict=True):
            self._session.plan(coin, is_long=is_long, start_ms=start_ms, hours=_SESSION_HOURS)

    def _return(self, starts: list[int], flips: list[tuple[Coin, bool]]) -> float:
        total = 0.0
        for start_ms, (coin, is_long) in zip(starts, flips, strict=True):
            move = _move(self._floor.exchange.paths[coin.name], start_ms)
            total += move if is_long else -move
        return total


def _move(path: PricePath, start_ms: int) -> float:
    before = path.mark(start_ms)
    return (path.mark(start_ms + _SESSION_HOURS * HOUR_MS) - before) / before


class LiquidatedGambler:
    """Puts a few hundred dollars on one coin at almost full leverage until they are gone.

    It takes winnings out of a running bet as they come, so that its leverage stays, and every
    bet ends the same way; then it deposits again.
    """

    _LEVERAGE_SHARE = 95
    """Per cent of the coin's largest leverage."""

    def __init__(self, floor: Floor, account: Account, stake_usd: int) -> None:
        self._floor = floor
        self._account = account
        self._stake = stake_usd * USD
        self._coin = floor.rng.choice([coin for coin in _CALM_COINS if coin.max_leverage >= 20])
        account.leverage = self._coin.max_leverage

    def plan(self) -> None:
        rng = self._floor.rng
        time_ms = self._floor.agenda.start_ms + 20 * MINUTE_MS + rng.randrange(HOUR_MS)
        self._floor.agenda.at(time_ms, self._look)

    def _look(self) -> None:
        if self._account.size(self._coin):
            self._take_winnings()
            pause_ms = 15 * MINUTE_MS
        else:
            self._bet()
            pause_ms = HOUR_MS
        pause_ms += self._floor.rng.randrange(pause_ms)
        self._floor.agenda.at(self._floor.exchange.now_ms + pause_ms, self._look)

    def _bet(self) -> None:
        exchange = self._floor.exchange
        missing = self._stake - exchange.equity(self._account)
        if missing > 0:
            exchange.ledger.deposit(self._account, missing, exchange.now_ms)
        worth = self._stake * self._coin.max_leverage * self._LEVERAGE_SHARE // 100
        size = self._floor.size_for(self._coin, worth // USD)
        is_long = self._floor.rng.random() < 0.5
        self._floor.trade_toward(self._account, self._coin, size if is_long else -size)

    def _take_winnings(self) -> None:
        exchange = self._floor.exchange
        surplus = exchange.equity(self._account) - self._stake
        if surplus > 0:
            exchange.ledger.withdraw(self._account, surplus, exchange.now_ms)


class TwapWhale:
    """Builds and leaves a large position in many equal slices, half a minute apart."""

    _SLICE_MS = 30_000

    def __init__(
        self,
        floor: Floor,
        account: Account,
        notional_usd: int,
        slice_count: int,
        first_id: int,
    ) -> None:
        self._floor = floor
        self._account = account
        self._notional_usd = notional_usd
        self._slice_count = slice_count
        self._next_id = first_id

    def plan(self) -> None:
        agenda, rng = self._floor.agenda, self._floor.rng
        coin = rng.choice(CORE_PERPS[:6])
        is_long = rng.random() < 0.5
        day_count = (agenda.end_ms - agenda.start_ms) // DAY_MS
        # One in, one out, as often as the days allow; the last may stay open.
        for turn in range(max(2, day_count // 2)):
            offset_ms = turn * DAY_MS * day_count // max(2, day_count // 2)
            start_ms = agenda.start_ms + offset_ms + 2 * HOUR_MS + rng.randrange(8 * HOUR_MS)
            buys = is_long == (turn % 2 == 0)
            self._plan_twap(coin, start_ms, buys=buys)

    def _plan_twap(self, coin: Coin, start_ms: int, *, buys: bool) -> None:
        twap_id = self._next_id
        self._next_id += 7
        slice_usd = self._notional_usd // self._slice_count
        for index in range(self._slice_count):
            time_ms = start_ms + index * self._SLICE_MS + self._floor.rng.randrange(900)
            self._floor.agenda.at(time_ms, partial(self._slice, coin, slice_usd, buys, twap_id))

    def _slice(self, coin: Coin, slice_usd: int, buys: bool, twap_id: int) -> None:
        self._floor.orders.send(
            self._account,
            coin,
            buys=buys,
            size=self._floor.size_for(coin, slice_usd),
            makers=[self._floor.vault] if self._floor.rng.random() < 0.5 else None,
            twap_id=twap_id,
        )


class Holder:
    """Opens on the first day, keeps the position, and hardly trades again."""

    def __init__(self, floor: Floor, account: Account, notional_usd: int) -> None:
        self._floor = floor
        self._account = account
        self._notional_usd = notional_usd

    def plan(self) -> None:
        agenda, rng = self._floor.agenda, self._floor.rng
        coin = rng.choice(_CALM_COINS[:8])
        start_ms = agenda.start_ms + rng.randrange(6 * HOUR_MS)
        for index in range(5):
            time_ms = start_ms + index * 15 * MINUTE_MS + rng.randrange(MINUTE_MS)
            agenda.at(time_ms, partial(self._buy, coin, self._notional_usd // 5))
        agenda.at(start_ms + 30 * HOUR_MS, partial(self._buy, coin, self._notional_usd // 10))

    def _buy(self, coin: Coin, usd: int) -> None:
        self._floor.orders.send(
            self._account,
            coin,
            buys=True,
            size=self._floor.size_for(coin, usd),
            pieces=2,
        )


class CopyPair:
    """A leader without edge, and a follower who sends each of its orders again seconds later."""

    def __init__(
        self,
        floor: Floor,
        leader: Account,
        follower: Account,
        unit_usd: int,
        orders_per_day: int,
    ) -> None:
        self._floor = floor
        self._leader = leader
        self._follower = follower
        self._unit_usd = unit_usd
        self._orders_per_day = orders_per_day
        self._coins = floor.rng.sample(_CALM_COINS, 3)

    def plan(self) -> None:
        agenda, rng = self._floor.agenda, self._floor.rng
        for day_ms in range(agenda.start_ms, agenda.end_ms, DAY_MS):
            for _ in range(self._orders_per_day):
                agenda.at(day_ms + rng.randrange(DAY_MS - 30_000), self._lead)

    def _lead(self) -> None:
        rng = self._floor.rng
        coin = rng.choice(self._coins)
        held = self._leader.size(coin)
        usd = self._unit_usd * (50 + rng.randrange(100)) // 100
        size = self._floor.size_for(coin, usd)
        target = 0 if held and rng.random() < 0.7 else held + rng.choice((size, -size))
        change = target - held
        if abs(target) * self._floor.mid(coin) > 4 * self._unit_usd * USD:
            change = -held
        if not change:
            return
        self._floor.trade_toward(self._leader, coin, held + change, pieces=2)
        delay_ms = 2_000 + rng.randrange(7_000)
        self._floor.agenda.at(
            self._floor.exchange.now_ms + delay_ms, partial(self._follow, coin, change)
        )

    def _follow(self, coin: Coin, leader_change: int) -> None:
        size = max(1, abs(leader_change) * 2 // 5)
        self._floor.orders.send(self._follower, coin, buys=leader_change > 0, size=size, pieces=1)


class CrashVictim:
    """Long with all it has just before the crash, so deep under water that the vault takes over."""

    def __init__(self, floor: Floor, account: Account, notional_usd: int, crash_ms: int) -> None:
        self._floor = floor
        self._account = account
        self._notional_usd = notional_usd
        self._crash_ms = crash_ms
        account.leverage = CRASH_COIN.max_leverage

    def plan(self) -> None:
        time_ms = self._crash_ms - 40 * MINUTE_MS + self._floor.rng.randrange(20 * MINUTE_MS)
        self._floor.agenda.at(time_ms, self._buy)

    def _buy(self) -> None:
        size = self._floor.size_for(CRASH_COIN, self._notional_usd)
        self._floor.trade_toward(self._account, CRASH_COIN, size, pieces=2, uses_vault=True)


class DeleveragedShort:
    """Short before the crash, and closed in profit by the exchange when the vault fails."""

    def __init__(self, floor: Floor, account: Account, notional_usd: int, crash_ms: int) -> None:
        self._floor = floor
        self._account = account
        self._notional_usd = notional_usd
        self._crash_ms = crash_ms

    def plan(self) -> None:
        start_ms = self._crash_ms - 8 * HOUR_MS
        for index in range(16):
            time_ms = start_ms + index * 20 * MINUTE_MS + self._floor.rng.randrange(MINUTE_MS)
            self._floor.agenda.at(time_ms, self._sell)

    def _sell(self) -> None:
        size = self._floor.size_for(CRASH_COIN, self._notional_usd // 16)
        target = self._account.size(CRASH_COIN) - size
        self._floor.trade_toward(self._account, CRASH_COIN, target, uses_vault=True)
