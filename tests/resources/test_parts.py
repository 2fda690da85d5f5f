"""The lake's Parquet for those who read it without Vigil; raw text is never needed again."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import lz4.frame
import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.reference.hostile_lines import VICTIM, make_block, make_fill, to_line
from tests.reference.shared_files import shared_file
from vigil_core.fills.node_format import KNOWN_KEYS
from vigil_core.fills.source_keys import Generation, SourceHour
from vigil_resources.files.lake import Lake
from vigil_resources.files.store import Store

DAY = date(2025, 10, 27)
FOLDER = "data/real/node_fills_by_block/"
RECORDED = ["20251027_17_blocks_0000-0759.jsonl", "20260315_00_blocks_0000-0009.jsonl"]
RECORDED_TRADES = "data/real/node_trades/20250624_02_trades_00-16.jsonl"
MONEY = {
    "px": "px", "sz": "sz", "startPosition": "start_position", "closedPnl": "closed_pnl",
    "fee": "fee", "builderFee": "builder_fee", "deployerFee": "deployer_fee",
    "priorityGas": "priority_gas",
}  # fmt: skip
AS_THEY_ARE = {
    "coin": "coin", "side": "side", "time": "time", "dir": "dir", "hash": "hash", "oid": "oid",
    "crossed": "crossed", "tid": "tid", "cloid": "cloid", "feeToken": "fee_token",
    "builder": "builder", "twapId": "twap_id",
}  # fmt: skip


def take_in(folder: Path, content: bytes, hour: SourceHour) -> tuple[Lake, list[Path]]:
    """A lake with one object, and its parts in the order of their days."""
    raw, lake = Store(str(folder / "raw")), Lake(Store(str(folder / "lake")), folder)
    raw.write(hour.key, lz4.frame.compress(content))
    (listed,) = raw.list(hour.generation.value)
    entry = lake.take_in(raw, hour, listed, "hyperliquid")
    return lake, [folder / "lake" / part.path for part in entry.parts]


def exchange_text(number: Decimal) -> str:
    """A number as the exchange writes it: no needless zeros, but always one decimal."""
    text = f"{number.normalize():f}"
    return text if "." in text else f"{text}.0"


def rebuilt_blocks(paths: list[Path]) -> dict[int, list[Any]]:
    """Events by block number, from nothing but Parquet."""
    rows = pl.concat([pl.read_parquet(path) for path in paths])
    blocks: dict[int, list[Any]] = {}
    for row in rows.sort("block_number", "event_index").to_dicts():
        fill = {key: row[name] for key, name in AS_THEY_ARE.items() if row[name] is not None}
        fill |= {k: exchange_text(row[n]) for k, n in MONEY.items() if row[n] is not None}
        for name in ("liquidation", "extra"):
            if row[name] is not None:
                value = json.loads(row[name])
                fill |= value if name == "extra" else {name: value}
        blocks.setdefault(row["block_number"], []).append([row["user_address"], fill])
    return blocks


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_fills_are_rebuilt_from_parquet_to_the_letter(name: str, tmp_path: Path) -> None:
    """All but keys that were null, which say what a missing one says."""
    content = shared_file(FOLDER + name).read_bytes()
    _, paths = take_in(tmp_path, content, SourceHour(DAY, 17))

    rebuilt = rebuilt_blocks(paths)

    for line in content.splitlines():
        block = json.loads(line)
        expected = [
            [user, {key: value for key, value in fill.items() if value is not None}]
            for user, fill in block["events"]
        ]
        assert rebuilt.get(block["block_number"], []) == expected


def test_recorded_trades_are_rebuilt_from_parquet_to_the_letter(tmp_path: Path) -> None:
    content = shared_file(RECORDED_TRADES).read_bytes()
    hour = SourceHour(date(2025, 6, 24), 2, Generation.TRADES)
    _, paths = take_in(tmp_path, content, hour)
    rows = pl.read_parquet(paths[0]).sort("event_index").to_dicts()
    rebuilt = []
    for buyer, seller in zip(rows[::2], rows[1::2], strict=True):
        parties = [
            {
                "user": row["user_address"],
                "start_pos": row["start_position"],
                "oid": row["oid"],
                "twap_id": row["twap_id"],
                "cloid": row["cloid"],
            }
            for row in (buyer, seller)
        ]
        shared = {name: buyer[name] for name in ("coin", "px", "sz", "hash", "block_time")}
        taker = "B" if buyer["crossed"] else "A"
        rebuilt.append(shared | {"side": taker, "side_info": parties} | json.loads(buyer["extra"]))

    expected = [json.loads(line) for line in content.splitlines()]
    assert len(rebuilt) == len(expected)
    for mine, trade in zip(rebuilt, expected, strict=True):
        nanoseconds = mine.pop("block_time") % 1_000_000_000
        assert trade.pop("time").endswith(f".{nanoseconds:09}")
        for name in ("px", "sz"):
            assert mine.pop(name) == Decimal(trade.pop(name))
        for party, other in zip(mine["side_info"], trade["side_info"], strict=True):
            assert party.pop("start_pos") == Decimal(other.pop("start_pos"))
        assert mine == trade


def test_every_known_key_of_a_fill_has_a_column() -> None:
    assert MONEY.keys() | AS_THEY_ARE.keys() | {"liquidation"} == KNOWN_KEYS


@pytest.fixture
def part(tmp_path: Path) -> Path:
    fills = [make_fill(oid=i, tid=i, coin=f"C{i % 5}", px=f"{i}.25") for i in range(50)]
    fills.append(make_fill(builder=VICTIM, builderFee="0.0000000001", oid=-5))
    (path,) = take_in(tmp_path, to_line(make_block(*fills)), SourceHour(DAY, 17))[1]
    return path


def test_duckdb_reads_declared_decimals_and_plain_texts(part: Path) -> None:
    described = duckdb.sql(f"DESCRIBE SELECT * FROM '{part}'").fetchall()
    types = {row[0]: row[1] for row in described}
    assert {types[name] for name in MONEY.values()} == {"DECIMAL(38,12)"}
    assert types["user_address"] == types["coin"] == types["side"] == "VARCHAR"
    assert (types["time"], types["crossed"]) == ("BIGINT", "BOOLEAN")
    fills = [make_fill(px=f"{i}.25") for i in range(50)] + [make_fill()]
    exact = sum(Decimal(fill["px"]) * Decimal(fill["sz"]) for fill in fills)
    assert duckdb.sql(f"SELECT sum(px * sz) FROM '{part}'").fetchall() == [(exact,)]
    tiny = duckdb.sql(f"SELECT builder_fee FROM '{part}' WHERE builder IS NOT NULL").fetchall()
    assert tiny == [(Decimal("0.0000000001"),)]


def test_rows_stand_in_the_order_of_execution_with_extremes_and_bloom_filters(part: Path) -> None:
    file = pq.ParquetFile(part)
    assert file.read(["event_index"]).column(0).to_pylist() == list(range(51))
    group = file.metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert columns["time"].statistics.min == columns["time"].statistics.max
    assert columns["coin"].compression == "ZSTD"
    assert "RLE_DICTIONARY" in columns["user_address"].encodings
    for name in ("user_address", "coin"):
        found = duckdb.sql(
            f"SELECT bloom_filter_excludes FROM parquet_bloom_probe('{part}', '{name}', 'nobody')"
        ).fetchall()
        assert found == [(True,)]
