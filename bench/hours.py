"""Days of made-up fills in hourly objects, with the shape and the sizes of the recorded ones.

Measured on the recorded hour of 2025-10-27: 7.2 fills a block, 30 % of blocks without any, 1.5
trades to a taker's order, 55 % of fills with a cloid, more than half of these counters rather than
random; 7.6 % through a builder, 7 % of a TWAP (14 % with the zero hash), 8 % spot, 2 % of start
positions with a float's noise, 418 bytes a fill. Liquidations are made more frequent than there,
1 %. Wallets and coins are drawn Zipf-like.

Positions add up: a perp fill starts where that wallet's one before in that coin ended, over hours
and days. Some takers close or flip a position that was opened before, so that a round trip ends
about every ten fills; the busiest wallets begin with positions that never end. Only speed is
measured on it: balances of spot, PnL and fees are drawn at random.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from vigil_sandbox.node_writer import ZERO_HASH, compressed

DAY = date(2025, 11, 1)
WALLETS = 50_000
COINS = 150
VERSION = 3
"""Changes with what is written, so that a folder of an older day is not taken for this one."""

_BLOCKS_WITHOUT_FILLS = 0.30
_TRADES_OF_ORDER = 1.53
_CLOSING_ORDERS = 0.34
_FLIPPING_ORDERS = 0.03
_INVENTORIES = 12
"""Wallets that hold far more of every coin than they trade in a day."""
_REMEMBERED = 1 << 14
"""Open positions of which a closing order takes one."""
_SPAN_NS = 3_596_000_000_000
"""Blocks end some seconds before the hour does: none falls into the next one on the node's clock,
which trails."""

Numbers = np.ndarray[Any, np.dtype[Any]]


def write_hours(root: Path, fills: int, *, hours: int = 24, day: date = DAY, seed: int = 1) -> int:
    """Write so many fills, or a few more, as hourly objects of one day; gives their count."""
    return write_days(root, fills, 1, hours=hours, day=day, seed=seed)


def write_days(
    root: Path, fills: int, days: int, *, hours: int = 24, day: date = DAY, seed: int = 1
) -> int:
    """The same on each of several days, the positions of one carried into the next."""
    market = _Market(seed)
    return sum(
        _write_day(market, root, fills, hours, day + timedelta(days=number))
        for number in range(days)
    )


def _write_day(market: "_Market", root: Path, fills: int, hours: int, day: date) -> int:
    folder = root / "node_fills_by_block" / "hourly" / f"{day:%Y%m%d}"
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for hour in range(hours):
        start = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        lines, written = market.hour(start, -(-fills // hours))
        (folder / f"{hour}.lz4").write_bytes(compressed("".join(lines).encode()))
        count += written
    return count


class _Market:
    """Who trades what at which price. The same seed gives the same hours."""

    def __init__(self, seed: int) -> None:
        self._chance = chance = np.random.default_rng(seed)
        self._wallets = np.array(_hex_texts(chance, WALLETS, 20))
        self._builders = _hex_texts(chance, 40, 20)
        self._wallet_shares = _zipf(WALLETS, 2)
        self._coin_shares = _zipf(COINS, 3)
        self._is_spot = np.arange(COINS) % 12 == 7
        self._coins = [f"@{n}" if self._is_spot[n] else _coin_name(n) for n in range(COINS)]
        self._prices = 10 ** chance.uniform(-2, 4.9, COINS)
        self._size_decimals = np.clip(np.log10(self._prices) + 1, 0, 5).astype(int)
        self._block, self._oid = 777_000_000, 214_000_000_000
        # In lots: the smallest size of a coin.
        self._held = np.zeros((WALLETS, COINS), np.int64)
        worth = chance.normal(0, 3e5, (_INVENTORIES, COINS))
        self._held[:_INVENTORIES] = worth / self._prices * 10.0**self._size_decimals
        self._open = np.zeros((_REMEMBERED, 2), np.int64)

    def hour(self, start: datetime, fills: int) -> tuple[list[str], int]:
        """The lines of one object that begins at `start`, and how many fills they hold."""
        of_block, of_order = self._trade_counts(fills)
        order_block = np.repeat(np.arange(len(of_block)), of_block)
        blocks, trades = len(of_block), int(of_order.sum())
        gaps = self._chance.gamma(4, 1, blocks + 1)
        begun = int(start.timestamp()) * 1_000_000_000
        block_ns = begun + (gaps.cumsum() / gaps.sum() * _SPAN_NS).astype(np.int64)[:-1]
        late_ns = self._chance.lognormal(np.log(3e8), 0.3, blocks).clip(1.4e8, 1.6e9)
        local_ns = np.maximum.accumulate(block_ns + late_ns.astype(np.int64))
        trade_order = np.repeat(np.arange(len(of_order)), of_order)
        events = self._events(trade_order, order_block, block_ns // 1_000_000)
        ends = (2 * np.bincount(order_block[trade_order], minlength=blocks)).cumsum().tolist()
        numbers = range(self._block + 1, self._block + 1 + blocks)
        columns = zip(_iso(local_ns), _iso(block_ns), numbers, [0, *ends[:-1]], ends, strict=True)
        lines = [
            f'{{"local_time":"{local}","block_time":"{block}","block_number":{number},'
            f'"events":[{",".join(events[begin:end])}]}}\n'
            for local, block, number, begin, end in columns
        ]
        self._block += blocks
        return lines, 2 * trades

    def _trade_counts(self, fills: int) -> tuple[Numbers, Numbers]:
        """Orders of each block, and trades of each order, until there are enough."""
        chance = self._chance
        blocks = fills // 4 + 64
        of_block = np.ceil(chance.lognormal(np.log(1.95), 0.95, blocks)).clip(1, 80).astype(int)
        of_block[chance.random(blocks) < _BLOCKS_WITHOUT_FILLS] = 0
        of_order = chance.geometric(1 / _TRADES_OF_ORDER, of_block.sum())
        after_block = np.append(0, of_order.cumsum())[of_block.cumsum()]
        enough = int(np.searchsorted(2 * after_block, fills)) + 1
        return of_block[:enough], of_order[: of_block[:enough].sum()]

    def _events(self, order: Numbers, order_block: Numbers, block_ms: Numbers) -> list[str]:
        """Both legs of each trade: the buyer's, then the seller's."""
        chance = self._chance
        orders, trades = len(order_block), len(order)
        coin = chance.choice(COINS, orders, p=self._coin_shares)
        taker = chance.choice(WALLETS, orders, p=self._wallet_shares)
        maker = chance.choice(WALLETS, trades, p=self._wallet_shares)
        taker_buys = chance.random(orders) < 0.5
        worth = chance.lognormal(np.log(150), 1.8, trades)
        lots = np.rint(worth / self._prices[coin[order]] * 10.0 ** self._size_decimals[coin[order]])
        lots = np.maximum(lots, 1).astype(np.int64)
        # What closes a position is decided on the way: coin, taker, side and size of an order.
        start = _follow_positions(
            *(self._held, self._open, order, coin, taker, maker, taker_buys, lots),
            *(chance.random(orders), chance.integers(0, _REMEMBERED, orders + trades)),
        )
        px = _five_figures(self._prices[coin] * chance.uniform(0.99, 1.01, orders))
        is_twap = chance.random(orders) < 0.14
        digests = self._hashes(order_block, is_twap)
        taker_oid = self._oid + chance.integers(1, 12, orders).cumsum()
        self._oid = int(taker_oid[-1]) if orders else self._oid
        victim = chance.random(orders) < 0.01
        method = np.where(chance.random(orders) < 0.95, "market", "backstop")
        liquidations = [
            f'"liquidation":{{"liquidatedUser":"{who}","markPx":"{_text(mark)}","method":"{how}"}},'
            if is_victim
            else ""
            for is_victim, who, mark, how in zip(
                victim.tolist(),
                self._wallets[taker].tolist(),
                px.tolist(),
                method.tolist(),
                strict=True,
            )
        ]
        # From here on a row is a leg.
        leg_trade = np.repeat(np.arange(trades), 2)
        leg_order = order[leg_trade]
        buys = np.tile([True, False], trades)
        crossed = taker_buys[leg_order] == buys
        maker_oid = taker_oid[order] - chance.integers(1_000, 4_000_000, trades)
        sz = lots / 10.0 ** self._size_decimals[coin[order]]
        direction, before, pnl = self._positions(coin[leg_order], buys, lots[leg_trade], start)
        is_spot = self._is_spot[coin[leg_order]]
        fee, fee_token = self._fees(crossed, (px[order] * sz)[leg_trade]), is_spot & buys
        columns: list[Sequence[Any]] = [
            self._wallets[np.where(crossed, taker[leg_order], maker[leg_trade])].tolist(),
            np.array(self._coins)[coin[leg_order]].tolist(),
            _twice([_text(value) for value in px[order].tolist()]),
            _twice([_text(value) for value in sz.tolist()]),
            ["B", "A"] * trades,
            block_ms[order_block[leg_order]].tolist(),
            before,
            direction,
            [_text(value) for value in pnl.tolist()],
            [digests[n] for n in leg_order.tolist()],
            np.where(crossed, taker_oid[leg_order], maker_oid[leg_trade]).tolist(),
            np.where(crossed, "true", "false").tolist(),
            [_text(value) for value in fee.tolist()],
            *self._builder_texts(crossed, fee),
            _twice(chance.integers(1, 2**50, trades).tolist()),
            self._cloids(crossed),
            [liquidations[n] for n in leg_order.tolist()],
            np.where(fee_token, "HYPE", "USDC").tolist(),
            self._twap_ids(is_twap[leg_order] & crossed),
        ]
        return [
            f'["{user}",{{"coin":"{name}","px":"{price}","sz":"{size}","side":"{side}",'
            f'"time":{ms},"startPosition":"{before}","dir":"{word}","closedPnl":"{gain}",'
            f'"hash":"{digest}","oid":{oid},"crossed":{took},"fee":"{paid}",{builder_fee}'
            f'"tid":{tid},{cloid}{liquidation}"feeToken":"{token}",{builder}"twapId":{twap}}}]'
            for (
                user, name, price, size, side, ms, before, word, gain, digest, oid, took, paid,
                builder_fee, builder, tid, cloid, liquidation, token, twap,
            ) in zip(*columns, strict=True)
        ]  # fmt: skip

    def _hashes(self, order_block: Numbers, is_twap: Numbers) -> list[str]:
        """Of transactions; the middle of each is its block's number."""
        texts = _hex_texts(self._chance, len(order_block), 27)
        return [
            ZERO_HASH if zero else f"{text[:22]}04{self._block + 1 + block:08x}{text[22:]}"
            for text, block, zero in zip(texts, order_block.tolist(), is_twap.tolist(), strict=True)
        ]

    def _positions(
        self, coin: Numbers, buys: Numbers, lots: Numbers, start: Numbers
    ) -> tuple[list[str], list[str], Numbers]:
        """`dir`, `startPosition` as text, and `closedPnl` of each leg."""
        chance = self._chance
        end = start + np.where(buys, lots, -lots)
        opens = (start == 0) | ((start > 0) == buys)
        kind = np.where(opens, 0, np.where((end == 0) | ((end > 0) == (start > 0)), 1, 2))
        sold = ["Open Short", "Close Long", "Long > Short"]
        bought = ["Open Long", "Close Short", "Short > Long"]
        names = np.array([sold, bought])
        spot = self._is_spot[coin]
        word = np.where(spot, np.where(buys, "Buy", "Sell"), names[buys.astype(int), kind])
        balance = np.rint(lots * chance.lognormal(3, 2.2, len(coin)))
        before = np.where(spot, balance, start) / 10.0 ** self._size_decimals[coin]
        noise = (chance.random(len(coin)) < 0.02) & (before != 0)
        texts = [
            f"{value:.9f}1" if noisy else _text(value)
            for value, noisy in zip(before.tolist(), noise.tolist(), strict=True)
        ]
        gain = chance.normal(0, 1, len(coin)) * chance.lognormal(0, 1.8, len(coin))
        gain = np.where(kind == 0, 0.0, gain.round(6))
        return word.tolist(), texts, gain + 0.0

    def _fees(self, crossed: Numbers, worth: Numbers) -> Numbers:
        chance = self._chance
        rate = np.where(crossed, 0.00035, np.where(chance.random(len(worth)) < 0.5, -2e-5, 8e-5))
        free = chance.random(len(worth)) < 0.11
        return np.where(free, 0.0, (worth * rate).round(6)) + 0.0

    def _builder_texts(self, crossed: Numbers, fee: Numbers) -> tuple[list[str], list[str]]:
        chance = self._chance
        used = (crossed & (chance.random(len(fee)) < 0.152)).tolist()
        parts = (abs(fee) * 0.4 + 1e-6).round(6).tolist()
        which = chance.integers(0, len(self._builders), len(fee)).tolist()
        fees = [
            f'"builderFee":"{_text(part)}",' if use else ""
            for use, part in zip(used, parts, strict=True)
        ]
        names = [
            f'"builder":"{self._builders[n]}",' if use else ""
            for use, n in zip(used, which, strict=True)
        ]
        return fees, names

    def _cloids(self, crossed: Numbers) -> list[str]:
        chance = self._chance
        has = chance.random(len(crossed)) < np.where(crossed, 0.415, 0.682)
        counts = (chance.random(len(crossed)) < 0.565).tolist()
        texts = _hex_texts(chance, len(crossed), 16)
        values = [
            f"0x{'0' * 24}{text[-8:]}" if short else text
            for short, text in zip(counts, texts, strict=True)
        ]
        return [
            f'"cloid":"{value}",' if there else ""
            for there, value in zip(has.tolist(), values, strict=True)
        ]

    def _twap_ids(self, has: Numbers) -> list[str]:
        numbers = self._chance.integers(1_306_000, 1_307_000, len(has)).tolist()
        return [str(n) if there else "null" for there, n in zip(has.tolist(), numbers, strict=True)]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _follow_positions(
    held: Numbers,
    remembered: Numbers,
    order: Numbers,
    coin: Numbers,
    taker: Numbers,
    maker: Numbers,
    taker_buys: Numbers,
    lots: Numbers,
    chance: Numbers,
    places: Numbers,
) -> Numbers:
    """Position before each leg, the buyer's and then the seller's of each trade, in lots.

    Some orders are turned into such as close one of the remembered positions, or flip it: their
    coin, taker, side and lots are written over.
    """
    trades = len(order)
    start = np.zeros(2 * trades, np.int64)
    trade = 0
    while trade < trades:
        this = order[trade]
        end = trade
        while end < trades and order[end] == this:
            end += 1
        wallet, of_coin = remembered[places[this]]
        left = abs(held[wallet, of_coin])
        if chance[this] < _CLOSING_ORDERS and left > 0:
            coin[this], taker[this] = of_coin, wallet
            taker_buys[this] = held[wallet, of_coin] < 0
            if chance[this] < _FLIPPING_ORDERS:
                left += left // 2 + 1
            for at in range(trade, end):
                # At least a lot each; the last one takes what is left.
                share = left // (end - at) if at < end - 1 else left
                lots[at] = max(share, 1)
                left -= lots[at]
        for at in range(trade, end):
            of_taker, of_coin = (0, coin[this]) if taker_buys[this] else (1, coin[this])
            for role in range(2):
                # 0: the buyer, 1: the seller.
                wallet = taker[this] if role == of_taker else maker[at]
                before = held[wallet, of_coin]
                start[2 * at + role] = before
                held[wallet, of_coin] = before + (lots[at] if role == 0 else -lots[at])
                if before == 0:
                    place = places[len(taker) + at]
                    remembered[place] = (wallet, of_coin)
        trade = end
    return start


def _zipf(count: int, offset: int) -> Numbers:
    shares = 1 / (np.arange(count) + offset)
    total: Numbers = shares / shares.sum()
    return total


def _coin_name(number: int) -> str:
    letters = chr(65 + number % 26) + chr(65 + number // 26)
    return letters + "XQZT"[: 1 + number % 4]


def _hex_texts(chance: np.random.Generator, count: int, size: int) -> list[str]:
    digits = chance.bytes(count * size).hex()
    return ["0x" + digits[at : at + 2 * size] for at in range(0, len(digits), 2 * size)]


def _five_figures(values: Numbers) -> Numbers:
    """Prices as the exchange admits them: five significant figures, six decimals at most."""
    decimals = np.minimum(4 - np.floor(np.log10(values)).astype(int), 6)
    return _rounded(values, decimals)


def _rounded(values: Numbers, decimals: Numbers) -> Numbers:
    """To so many decimals each, never to nothing."""
    scale = 10.0**decimals
    rounded: Numbers = np.maximum(np.rint(values * scale), 1) / scale
    return rounded


def _text(value: float) -> str:
    """As the node prints it: without an exponent, with one decimal at least."""
    text = repr(value)
    return text if "e" not in text else f"{value:.12f}".rstrip("0")


def _twice(values: Sequence[Any]) -> list[Any]:
    return [value for value in values for _ in range(2)]


def _iso(ns: Numbers) -> list[str]:
    texts: list[str] = np.datetime_as_string(ns.astype("datetime64[ns]"), unit="ns").tolist()
    return texts
