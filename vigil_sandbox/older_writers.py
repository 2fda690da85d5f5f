"""A world's fills as the exchange's node wrote them in its two older formats.

Made from the objects of a world that is already written, hour by hour, so that an hour can exist
in two generations and in three. An object holds the blocks of the newest one of the same hour:
all three are cut by the node's clock.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import lz4.frame

from vigil_sandbox.node_writer import compressed

Json = dict[str, Any]

BLOCKS = "node_fills_by_block"
FILLS = "node_fills"
TRADES = "node_trades"


def object_path(root: Path, generation: str, hour: datetime) -> Path:
    """Where an hour's object lies below a root."""
    return root / generation / "hourly" / f"{hour:%Y%m%d}" / f"{hour.hour}.lz4"


def written_hours(root: Path) -> list[datetime]:
    """The hours that a world has objects for, in order of time."""
    days = (root / BLOCKS / "hourly").iterdir()
    return sorted(
        datetime.strptime(day.name, "%Y%m%d").replace(tzinfo=UTC) + timedelta(hours=int(path.stem))
        for day in days
        for path in day.glob("*.lz4")
    )


def hours_from(first: datetime, count: int) -> list[datetime]:
    """So many hours in a row. The first is UTC, and full."""
    return [first + timedelta(hours=step) for step in range(count)]


def write_fills(world: Path, target: Path, hours: Iterable[datetime]) -> list[Path]:
    """Write `node_fills/hourly/YYYYMMDD/H.lz4` below `target`, and name the objects.

    One line per leg: `[address, fill]` in the order of execution, the fill without `twapId`.

    Args:
        world: Holds the hours as `node_fills_by_block`.
        target: May be the world itself.
        hours: Of the node's clock.
    """
    return [_write(target, FILLS, hour, _fill_lines(blocks(world, hour))) for hour in hours]


def write_trades(world: Path, target: Path, hours: Iterable[datetime]) -> list[Path]:
    """Write `node_trades/hourly/YYYYMMDD/H.lz4` below `target`, and name the objects.

    One line per trade, in the order of execution. Dust conversions, which nobody bought, have no
    line.

    Args:
        world: Holds the hours as `node_fills_by_block`.
        target: May be the world itself.
        hours: Of the node's clock.
    """
    return [_write(target, TRADES, hour, _trade_lines(blocks(world, hour))) for hour in hours]


def blocks(world: Path, hour: datetime) -> Iterator[Json]:
    """The blocks of one hour of the node's clock, as they are written."""
    content: bytes = lz4.frame.decompress(object_path(world, BLOCKS, hour).read_bytes())
    for line in content.splitlines():
        yield json.loads(line)


def fill_line(event: list[Any]) -> str:
    """One leg as a line, without its line feed. `event` is an address and a fill."""
    address, fill = event
    return _compact([address, {key: fill[key] for key in fill if key != "twapId"}])


def trade_line(block_time: str, buyer: list[Any], seller: list[Any]) -> str:
    """Two legs of one trade as a line, without its line feed."""
    _, bought = buyer
    is_book_liquidation = bought.get("liquidation", {}).get("method") == "market"
    return _compact(
        {
            "coin": bought["coin"],
            "side": "B" if bought["crossed"] else "A",
            "time": block_time,
            "px": bought["px"],
            "sz": bought["sz"],
            "hash": bought["hash"],
            "trade_dir_override": "LiquidatedMarket" if is_book_liquidation else "Na",
            "side_info": [_party(buyer), _party(seller)],
        }
    )


def _fill_lines(blocks: Iterable[Json]) -> Iterator[str]:
    for block in blocks:
        yield from map(fill_line, block["events"])


def _trade_lines(blocks: Iterable[Json]) -> Iterator[str]:
    for block in blocks:
        # Only a dust conversion has no trade id. The legs of all else stand in pairs.
        legs = iter([event for event in block["events"] if event[1]["tid"] != 0])
        for buyer, seller in zip(legs, legs, strict=True):
            yield trade_line(block["block_time"], buyer, seller)


def _party(event: list[Any]) -> Json:
    address, fill = event
    return {
        "user": address,
        "start_pos": fill["startPosition"],
        "oid": fill["oid"],
        "twap_id": fill["twapId"],
        "cloid": fill.get("cloid"),
    }


def _write(target: Path, generation: str, hour: datetime, lines: Iterable[str]) -> Path:
    path = object_path(target, generation, hour)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(compressed("".join(f"{line}\n" for line in lines).encode()))
    return path


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
