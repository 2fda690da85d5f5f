"""The market's state, minute by minute, as the exchange's archive has it: one CSV a UTC day.

Made from the files of a world that is already written, so what it says agrees with them: prices
and volume are those of the candles, rates those of the funding history, and open interest is
what the positions before and after each fill add up to.
"""

import json
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

import lz4.frame

from vigil_core.calendar import day_start_ms
from vigil_sandbox.market_writer import file_name
from vigil_sandbox.markets import PERPS, Coin
from vigil_sandbox.node_writer import compressed
from vigil_sandbox.prices import HOUR_MS, MINUTE_MS

HEADER = (
    "time,coin,funding,open_interest,prev_day_px,day_ntl_vlm,premium,oracle_px,mark_px,mid_px,"
    "impact_bid_px,impact_ask_px"
)
_DAY_MINUTES = 1_440
_IMPACT = Decimal("0.0002")
"""How far selling or buying the impact notional moves the price, as a fraction."""


def write_asset_ctxs(root: Path) -> list[Path]:
    """Write `asset_ctxs/YYYYMMDD.csv.lz4` for each day of the world at `root`, and name them.

    A row per minute and perp; a coin has none before its first trade. Its book is empty
    (`mid_px`, `premium` and both impact prices are not given) after a minute without a trade.
    A row knows what happened before its minute, and nothing of what happens in it.
    """
    interest = _open_interest(root)
    columns = [_Contexts(root, coin, interest.get(coin.name, ([], []))) for coin in PERPS]
    paths = []
    for day in _days(root):
        rows = [HEADER]
        start_ms = day_start_ms(day)
        for minute in range(_DAY_MINUTES):
            time_ms = start_ms + minute * MINUTE_MS
            stamp = f"{day}T{minute // 60:02}:{minute % 60:02}:00Z"
            for contexts in columns:
                figures = contexts.at(time_ms)
                if figures is not None:
                    rows.append(f"{stamp},{contexts.coin.name},{figures}")
        path = root / "asset_ctxs" / f"{day:%Y%m%d}.csv.lz4"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(compressed(("\n".join(rows) + "\n").encode()))
        paths.append(path)
    return paths


class _Contexts:
    """One coin's state, asked for minute after minute."""

    def __init__(self, root: Path, coin: Coin, interest: tuple[list[int], list[Decimal]]) -> None:
        self.coin = coin
        self._candles = {row["t"]: row for row in _rows(root, "candles", coin, "1m/*.json")}
        rates = _rows(root, "funding", coin, "*.json")
        self._rates = {row["time"] // HOUR_MS: row for row in rates}
        self._interest_times, self._interest = interest
        self._marks: deque[Decimal] = deque(maxlen=_DAY_MINUTES + 1)
        self._volumes: deque[Decimal] = deque()
        self._volume = Decimal(0)
        self._tick = Decimal(1).scaleb(-coin.price_decimals)

    def at(self, time_ms: int) -> str | None:
        """The figures behind time and coin, once the coin has been traded."""
        candle = self._candles.get(time_ms - MINUTE_MS)
        if candle is None and not self._marks:
            return None
        mark = Decimal(candle["c"]) if candle is not None else self._marks[-1]
        self._marks.append(mark)
        volume = Decimal(candle["v"]) * mark if candle is not None else Decimal(0)
        self._volumes.append(volume)
        self._volume += volume
        if len(self._volumes) > _DAY_MINUTES:
            self._volume -= self._volumes.popleft()
        rate = self._rates[time_ms // HOUR_MS]
        premium = Decimal(rate["premium"])
        oracle = (mark / (1 + premium)).quantize(self._tick)
        done = bisect_right(self._interest_times, time_ms - 1)
        figures = [
            Decimal(rate["fundingRate"]),
            self._interest[done - 1] if done else Decimal(0),
            self._marks[0],
            self._volume,
        ]
        book = [(mark * factor).quantize(self._tick) for factor in (1 - _IMPACT, 1 + _IMPACT)]
        texts = [_text(figure) for figure in figures]
        has_book = candle is not None
        texts.append(_text(premium) if has_book else "")
        texts += [_text(oracle), _text(mark)]
        texts += [_text(figure) if has_book else "" for figure in (mark, *book)]
        return ",".join(texts)


def _text(figure: Decimal) -> str:
    """As the archive prints it: no exponent, and integers without a point."""
    text = f"{figure:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _days(root: Path) -> list[date]:
    folder = root / "api" / "funding" / file_name(PERPS[0].name)
    return [date.fromisoformat(path.stem) for path in sorted(folder.glob("*.json"))]


def _rows(root: Path, kind: str, coin: Coin, pattern: str) -> list[dict[str, Any]]:
    folder = root / "api" / kind / file_name(coin.name)
    return [row for path in sorted(folder.glob(pattern)) for row in json.loads(path.read_text())]


def _open_interest(root: Path) -> dict[str, tuple[list[int], list[Decimal]]]:
    """Per perp: the times of its fills, and the sum of all long positions after each."""
    names = {coin.name for coin in PERPS}
    decimals = {coin.name: Decimal(1).scaleb(-coin.size_decimals) for coin in PERPS}
    changes: dict[str, list[tuple[int, Decimal]]] = defaultdict(list)
    for fill in _fills(root):
        name = fill["coin"]
        if name in names:
            # A start may carry float noise; positions are whole lots.
            start = Decimal(fill["startPosition"]).quantize(decimals[name])
            size = Decimal(fill["sz"])
            end = start + (size if fill["side"] == "B" else -size)
            change = max(end, Decimal(0)) - max(start, Decimal(0))
            changes[name].append((fill["time"], change))
    return {
        name: ([time for time, _ in found], list(accumulate(change for _, change in found)))
        for name, found in changes.items()
    }


def _fills(root: Path) -> Iterator[dict[str, Any]]:
    """All fills in the order in which they happened."""
    found = (root / "node_fills_by_block" / "hourly").glob("*/*.lz4")
    for path in sorted(found, key=lambda path: (path.parent.name, int(path.stem))):
        for line in lz4.frame.decompress(path.read_bytes()).splitlines():
            for _, fill in json.loads(line)["events"]:
                yield fill
