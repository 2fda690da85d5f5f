"""Traders known by how long they hold: what a profile by lots must make of them is plain."""

from functools import partial

from vigil_sandbox.agenda import Floor
from vigil_sandbox.books import Account
from vigil_sandbox.markets import COIN_BY_NAME
from vigil_sandbox.prices import DAY_MS, HOUR_MS, MINUTE_MS

_BTC, _ETH = COIN_BY_NAME["BTC"], COIN_BY_NAME["ETH"]
_PARTS = 8

RHYTHMS = {
    "scalper": (24, 4 * MINUTE_MS, 20 * MINUTE_MS, "Holds for minutes, a few times an hour."),
    "bot": (80, 15_000, 80_000, "Holds for seconds, eighty times a day."),
    "day_trader": (4, 2 * HOUR_MS, 5 * HOUR_MS, "Holds for hours, a few times a day."),
}
"""Trips per day, shortest and longest time held (ms), and what it is."""


class RoundTripper:
    """Opens in one order and closes in another, so many times a day, each after such a time."""

    def __init__(
        self,
        floor: Floor,
        account: Account,
        *,
        trips_per_day: int,
        shortest_ms: int,
        longest_ms: int,
        unit_usd: int = 4_000,
    ) -> None:
        self._floor = floor
        self._account = account
        self._trips_per_day = trips_per_day
        self._shortest_ms = shortest_ms
        self._longest_ms = longest_ms
        self._unit_usd = unit_usd

    def plan(self) -> None:
        agenda, rng = self._floor.agenda, self._floor.rng
        slot_ms = DAY_MS // self._trips_per_day
        for start_ms in range(agenda.start_ms, agenda.end_ms - slot_ms + 1, slot_ms):
            hold_ms = self._shortest_ms + rng.randrange(self._longest_ms - self._shortest_ms)
            opened_ms = start_ms + rng.randrange(slot_ms - hold_ms)
            side = 1 if rng.random() < 0.5 else -1
            agenda.at(opened_ms, partial(self._open, side))
            agenda.at(opened_ms + hold_ms, self._close)

    def _open(self, side: int) -> None:
        size = side * self._floor.size_for(_BTC, self._unit_usd)
        self._floor.trade_toward(self._account, _BTC, size)

    def _close(self) -> None:
        self._floor.trade_toward(self._account, _BTC, 0)


class Keeper:
    """Buys in parts on the first day, and sells in parts on the last one."""

    def __init__(self, floor: Floor, account: Account, notional_usd: int) -> None:
        self._floor = floor
        self._account = account
        self._notional_usd = notional_usd

    def plan(self) -> None:
        agenda = self._floor.agenda
        for index in range(_PARTS):
            agenda.at(agenda.start_ms + HOUR_MS + index * MINUTE_MS, self._buy)
        for index in range(_PARTS):
            left = partial(self._sell, _PARTS - index)
            agenda.at(agenda.end_ms - HOUR_MS + index * MINUTE_MS, left)

    def _buy(self) -> None:
        size = self._floor.size_for(_ETH, self._notional_usd // _PARTS)
        self._floor.orders.send(self._account, _ETH, buys=True, size=size)

    def _sell(self, parts_left: int) -> None:
        held = self._account.size(_ETH)
        self._floor.trade_toward(self._account, _ETH, held - held // parts_left)
