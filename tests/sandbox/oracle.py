"""Reads a world's files with json and Decimal only, as somebody without its code would."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import lz4.frame

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
ZERO_HASH = "0x" + "0" * 64

Json = dict[str, Any]
Pair = tuple[Json, Json]


@dataclass(frozen=True)
class Fill:
    """One leg with its place in the files."""

    trader: str
    row: Json
    block: int
    index: int

    def __getitem__(self, key: str) -> Any:
        return self.row[key]

    @property
    def is_dust(self) -> bool:
        return bool(self.row["dir"] == "Spot Dust Conversion")

    @property
    def is_spot(self) -> bool:
        return is_spot(self.row["coin"])

    @property
    def dex(self) -> str:
        coin: str = self.row["coin"]
        return coin.partition(":")[0] if ":" in coin else ""

    @property
    def signed_size(self) -> Decimal:
        size = Decimal(self.row["sz"])
        return size if self.row["side"] == "B" else -size

    @property
    def net_pnl(self) -> Decimal:
        return Decimal(self.row["closedPnl"]) - Decimal(self.row["fee"])


class WorldFiles:
    """A world as it lies on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def truth(self) -> Json:
        return self.json("truth.json")

    @cached_property
    def blocks(self) -> list[tuple[str, int, Json]]:
        """(day, hour, block) of every line, in the order the node wrote them."""
        lines = []
        for day in sorted((self.root / "node_fills_by_block" / "hourly").iterdir()):
            for path in sorted(day.iterdir(), key=lambda path: int(path.stem)):
                content = lz4.frame.decompress(path.read_bytes()).decode()
                lines += [
                    (day.name, int(path.stem), json.loads(line))
                    for line in content.split("\n")
                    if line
                ]
        return lines

    @cached_property
    def fills(self) -> list[Fill]:
        return [
            Fill(trader, row, block["block_number"], index)
            for _, _, block in self.blocks
            for index, (trader, row) in enumerate(block["events"])
        ]

    @cached_property
    def trades(self) -> list[tuple[Fill, Fill]]:
        """(buyer, seller) of every trade, taken from neighbouring legs."""
        legs = iter([fill for fill in self.fills if not fill.is_dust])
        return list(zip(legs, legs, strict=True))

    def balances(self) -> Iterator[Json]:
        """Every account record of every snapshot."""
        for path in sorted((self.root / "artemis").rglob("*.jsonl")):
            for line in path.read_text().splitlines():
                record = json.loads(line)
                if not record.get("_metadata"):
                    yield record

    def json(self, path: str) -> Any:
        return json.loads((self.root / path).read_text())

    def api(self, kind: str) -> dict[str, list[Json]]:
        """All rows of `candles` or `funding`, per coin and in order of time."""
        rows: dict[str, list[Json]] = defaultdict(list)
        for path in sorted((self.root / "api" / kind).rglob("*.json")):
            for row in json.loads(path.read_text()):
                rows[row["s"] if kind == "candles" else row["coin"]].append(row)
        return rows

    def transfers(self, trader: str, dex: str, until_ms: int) -> Decimal:
        """What a trader moved into one clearing house, withdrawals taken off."""
        total = Decimal(0)
        for entry in self._ledger.get(trader, []):
            delta = entry["delta"]
            if entry["time"] > until_ms:
                continue
            if delta["type"] == "deposit" and dex == "":
                total += Decimal(delta["usdc"])
            elif delta["type"] == "withdraw" and dex == "":
                total -= Decimal(delta["usdc"])
            elif delta["type"] == "send" and delta["destinationDex"] == dex:
                total += Decimal(delta["usdcValue"])
        return total

    @cached_property
    def _ledger(self) -> dict[str, list[Json]]:
        ledger: dict[str, list[Json]] = self.json("api/ledger.json")
        return ledger

    @cached_property
    def funding(self) -> list[tuple[int, str, str, Decimal]]:
        """(hour in ms, trader, coin, USD received), computed from fills, rates and marks.

        An hour charges the positions held just before it.
        """
        changes = [fill for fill in self.fills if not fill.is_spot]
        sizes: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        payments = []
        rates = self.api("funding")
        start_ms = min(row["time"] for rows in rates.values() for row in rows) // HOUR_MS * HOUR_MS
        done = 0
        for index in range(len(rates["BTC"])):
            hour_ms = start_ms + index * HOUR_MS
            while done < len(changes) and changes[done]["time"] < hour_ms:
                fill = changes[done]
                sizes[fill.trader, fill["coin"]] += fill.signed_size
                done += 1
            for (trader, coin), size in sizes.items():
                if size:
                    mark = Decimal(self.truth["hourly_marks"][coin][index])
                    paid = size * mark * Decimal(rates[coin][index]["fundingRate"])
                    usd = paid.quantize(Decimal("0.000001"))
                    payments.append((hour_ms, trader, coin, -usd))
        return payments


def is_spot(coin: str) -> bool:
    return coin.startswith("@") or "/" in coin
