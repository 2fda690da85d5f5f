"""A day of made-up fills in hourly objects, with the shape and the sizes of the recorded ones.

Measured on the recorded hour of 2025-10-27: 7.2 fills a block, 30 % of blocks without any, 55 % of
fills with a cloid, 7.6 % through a builder, 7 % of a TWAP (14 % with the zero hash), about
420 bytes a fill. Wallets and coins are drawn Zipf-like. Only speed is measured on it: positions do
not add up.
"""

import random
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path

from vigil_sandbox.node_writer import ZERO_HASH, compressed

DAY = date(2025, 11, 1)
WALLETS = 50_000
COINS = 150
_BLOCKS_WITHOUT_FILLS = 0.30


def write_hours(root: Path, fills: int, *, hours: int = 24, day: date = DAY, seed: int = 1) -> int:
    """Write so many fills, or a few more, as hourly objects of one day; gives their count."""
    chance = random.Random(seed)
    market = _Market(chance)
    folder = root / "node_fills_by_block" / "hourly" / f"{day:%Y%m%d}"
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for hour in range(hours):
        start = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        lines, written = market.hour(start, fills // hours)
        (folder / f"{hour}.lz4").write_bytes(compressed("".join(lines).encode()))
        count += written
    return count


class _Market:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._wallets = [f"0x{chance.getrandbits(160):040x}" for _ in range(WALLETS)]
        self._wallet_weights = list(accumulate(1 / (n + 10) for n in range(WALLETS)))
        coins = [f"C{n}" if n % 5 else f"@{n}" for n in range(COINS)]
        self._coins = [(name, 10 ** chance.uniform(-4, 5), chance.randint(0, 4)) for name in coins]
        self._coin_weights = list(accumulate(1 / (n + 1) for n in range(COINS)))
        self._builders = [f"0x{chance.getrandbits(160):040x}" for _ in range(40)]
        self._block, self._oid = 777_000_000, 214_000_000_000

    def hour(self, start: datetime, fills: int) -> tuple[list[str], int]:
        chance = self._chance
        sizes: list[int] = []
        written = 0
        while written < fills:
            empty = chance.random() < _BLOCKS_WITHOUT_FILLS
            trades = 0 if empty else min(1 + int(chance.expovariate(0.24)), 80)
            sizes.append(trades)
            written += 2 * trades
        step = timedelta(hours=1) / (len(sizes) + 1)
        lines = []
        for place, trades in enumerate(sizes):
            when = start + step * place
            ns = f"{chance.randrange(1_000):03}"
            block_time = when.strftime("%Y-%m-%dT%H:%M:%S.%f") + ns
            late = when + timedelta(milliseconds=chance.randint(150, 900))
            local_time = late.strftime("%Y-%m-%dT%H:%M:%S.%f") + ns
            ms = int(when.timestamp() * 1_000)
            self._block += 1
            events = ",".join(event for _ in range(trades) for event in self._trade(ms))
            lines.append(
                f'{{"local_time":"{local_time}","block_time":"{block_time}",'
                f'"block_number":{self._block},"events":[{events}]}}\n'
            )
        return lines, written

    def _trade(self, ms: int) -> tuple[str, str]:
        chance = self._chance
        coin, price, digits = chance.choices(self._coins, cum_weights=self._coin_weights)[0]
        traders = chance.choices(self._wallets, cum_weights=self._wallet_weights, k=2)
        px = f"{price * chance.uniform(0.99, 1.01):.5g}"
        px = f"{float(px):.7f}".rstrip("0")
        px = px + "0" if px.endswith(".") else px
        sz = f"{chance.uniform(1, 1_000) / max(price, 1):.{digits}f}"
        sz = sz if float(sz) else "1.0"
        is_twap = chance.random() < 0.14
        digest = ZERO_HASH if is_twap else f"0x{chance.getrandbits(256):064x}"
        tid = chance.getrandbits(50)
        liquidation = ""
        if chance.random() < 0.005:
            liquidation = (
                f',"liquidation":{{"liquidatedUser":"{traders[0]}","markPx":"{px}",'
                '"method":"market"}'
            )
        legs = []
        taker = chance.random() < 0.5
        for side, trader, crossed in (("B", traders[0], taker), ("A", traders[1], not taker)):
            self._oid += chance.randint(1, 9)
            start = chance.uniform(-5, 5) * 1_000 / max(price, 1)
            closes = chance.random() < 0.5
            pnl = f"{chance.uniform(-50, 50):.6f}" if closes else "0.0"
            fee = f"{chance.uniform(-0.0005, 2):.6f}"
            cloid = builder_fee = builder = ""
            if chance.random() < 0.55:
                cloid = f'"cloid":"0x{chance.getrandbits(128):032x}",'
            if chance.random() < 0.076:
                builder_fee = f'"builderFee":"{chance.uniform(0, 1):.6f}",'
                builder = f'"builder":"{chance.choice(self._builders)}",'
            twap = chance.randrange(10**6) if is_twap and crossed else "null"
            word = "Close" if closes else "Open"
            legs.append(
                f'["{trader}",{{"coin":"{coin}","px":"{px}","sz":"{sz}","side":"{side}",'
                f'"time":{ms},"startPosition":"{start:.{digits}f}","dir":"{word} Long",'
                f'"closedPnl":"{pnl}","hash":"{digest}","oid":{self._oid},'
                f'"crossed":{"true" if crossed else "false"},"fee":"{fee}",{builder_fee}'
                f'"tid":{tid},{cloid}"feeToken":"USDC",{builder}"twapId":{twap}{liquidation}}}]'
            )
        return legs[0], legs[1]
