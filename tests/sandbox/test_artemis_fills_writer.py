"""Artemis' tables of a world: its fills, read back by two readers of Parquet."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vigil_sandbox.artemis_fills_writer import COLUMN_TYPES, parquet_path, write_artemis_fills
from vigil_sandbox.older_writers import hours_from, written_hours
from vigil_sandbox.world import World

from .oracle import WorldFiles

HOUR = datetime(2025, 9, 2, 5, tzinfo=UTC)
NAMES = [
    "user", "coin", "px", "sz", "side", "time", "dir", "closedPnl", "crossed", "fee", "tid", "oid",
    "hash", "feeToken",
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tiny: World, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of all hours of the tiny world."""
    target = tmp_path_factory.mktemp("artemis")
    return write_artemis_fills(tiny.root, target, written_hours(tiny.root))


def rows_of(paths: list[Path]) -> list[dict[str, Any]]:
    return [row for path in paths for row in integer_times(path).to_pylist()]


def integer_times(path: Path) -> pa.Table:
    """The table with the integers that stand behind `time`."""
    table = pq.read_table(path)
    place = table.schema.get_field_index("time")
    return table.set_column(place, "time", table.column("time").cast(pa.int64()))


def test_files_lie_under_padded_hours(tiny: World, tmp_path: Path) -> None:
    hours = hours_from(datetime(2025, 9, 1, 23, tzinfo=UTC), 2)
    paths = write_artemis_fills(tiny.root, tmp_path, hours)

    assert [path.relative_to(tmp_path).as_posix() for path in paths] == [
        "node_fills/hourly/2025/09/01/23/part-0.parquet",
        "node_fills/hourly/2025/09/02/00/part-0.parquet",
    ]
    assert paths == [parquet_path(tmp_path, hour) for hour in hours]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(paths)


def test_columns_and_types(whole: list[Path]) -> None:
    assert list(COLUMN_TYPES) == NAMES
    for path in whole:
        schema = pq.read_schema(path)
        assert schema.names == NAMES
        types = {name: str(schema.field(name).type) for name in NAMES}
        assert types.pop("time") == "timestamp[ns]"
        assert types.pop("crossed") == "bool"
        assert (types.pop("tid"), types.pop("oid")) == ("int64", "int64")
        assert set(types.values()) == {"string"}


def test_every_leg_is_a_row_once_in_the_order_of_execution(
    whole: list[Path], files: WorldFiles
) -> None:
    expected = [
        {
            name: fill.trader if name == "user" else fill[name] * (10**6 if name == "time" else 1)
            for name in NAMES
        }
        for fill in files.fills
    ]

    assert rows_of(whole) == expected
    assert any(fill.is_dust for fill in files.fills)


def test_a_file_holds_what_the_nodes_object_of_its_hour_holds(
    whole: list[Path], files: WorldFiles
) -> None:
    legs: Counter[tuple[str, int]] = Counter()
    for day, hour, block in files.blocks:
        legs[day, hour] += len(block["events"])

    counts = {
        ("".join(path.parts[-5:-2]), int(path.parts[-2])): pq.read_metadata(path).num_rows
        for path in whole
    }
    assert counts == dict(legs)


def test_times_are_moments_of_their_hour(tiny: World, tmp_path: Path) -> None:
    (path,) = write_artemis_fills(tiny.root, tmp_path, [HOUR])
    times = pl.read_parquet(path)["time"].dt.replace_time_zone("UTC")

    assert times.len() > 10
    assert times.is_between(HOUR - timedelta(seconds=2), HOUR + timedelta(hours=1)).all()


def test_milliseconds_under_the_type_of_nanoseconds_read_as_1970(
    tiny: World, tmp_path: Path
) -> None:
    (right,) = write_artemis_fills(tiny.root, tmp_path / "right", [HOUR])
    (wrong,) = write_artemis_fills(tiny.root, tmp_path / "wrong", [HOUR], times_in_ms=True)

    assert pq.read_schema(wrong) == pq.read_schema(right)
    assert set(pl.read_parquet(wrong)["time"].dt.year()) == {1970}
    good, bad = rows_of([right]), rows_of([wrong])
    assert [row["time"] for row in good] == [row["time"] * 10**6 for row in bad]
    assert [row | {"time": 0} for row in good] == [row | {"time": 0} for row in bad]


def test_dir_can_be_left_out(tiny: World, tmp_path: Path) -> None:
    (full,) = write_artemis_fills(tiny.root, tmp_path / "full", [HOUR])
    (path,) = write_artemis_fills(tiny.root, tmp_path / "bare", [HOUR], has_dir=False)

    assert pq.read_schema(path).names == [name for name in NAMES if name != "dir"]
    assert pq.read_table(path).equals(pq.read_table(full).drop_columns(["dir"]))
