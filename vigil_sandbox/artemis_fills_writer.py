"""A world's fills as Artemis' archive has them: hourly tables, two rows per trade.

Made from the objects of a world that is already written.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from vigil_sandbox.older_writers import blocks

COLUMN_TYPES: dict[str, str] = {
    "user": "string",
    "coin": "string",
    "px": "string",
    "sz": "string",
    "side": "string",
    "time": "timestamp[ns]",
    "dir": "string",
    "closedPnl": "string",
    "crossed": "bool",
    "fee": "string",
    "tid": "int64",
    "oid": "int64",
    "hash": "string",
    "feeToken": "string",
}
"""Columns in their order, each with its type by Arrow's name."""

_MS = 1_000_000


def write_artemis_fills(
    world: Path,
    target: Path,
    hours: Iterable[datetime],
    *,
    times_in_ms: bool = False,
    has_dir: bool = True,
) -> list[Path]:
    """Write `node_fills/hourly/YYYY/MM/DD/HH/part-0.parquet` below `target`, and name the files.

    A row per leg, in the order of execution. A file holds the blocks of the node's object of the
    same hour, dust conversions too.

    Args:
        world: Holds the hours as `node_fills_by_block`.
        target: Of the archive: what `VIGIL_ARTEMIS_DATA` names.
        hours: Of the node's clock.
        times_in_ms: Write the defect of August 2025: milliseconds under the type of nanoseconds,
            which read as moments of January 1970.
        has_dir: Some files have no `dir`.
    """
    types = {name: kind for name, kind in COLUMN_TYPES.items() if has_dir or name != "dir"}
    scale = 1 if times_in_ms else _MS
    paths = []
    for hour in hours:
        path = parquet_path(target, hour)
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = _columns(world, hour, types, scale)
        arrays = {n: pa.array(columns[n], pa.type_for_alias(types[n])) for n in types}
        pq.write_table(pa.table(arrays), path)
        paths.append(path)
    return paths


def parquet_path(target: Path, hour: datetime) -> Path:
    """Where the file of an hour lies. Here the hour is padded."""
    return target / "node_fills" / "hourly" / f"{hour:%Y/%m/%d/%H}" / "part-0.parquet"


def _columns(
    world: Path, hour: datetime, names: Iterable[str], scale: int
) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {name: [] for name in names}
    for block in blocks(world, hour):
        for user, fill in block["events"]:
            row = {**fill, "user": user, "time": fill["time"] * scale}
            for name, values in columns.items():
                values.append(row[name])
    return columns
