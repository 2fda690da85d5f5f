"""Fills per second through each stage, against the plain way of doing it: `python bench/stages.py`.

Works on the simulated demo week in a temporary folder, with an embedded Postgres of its own.
The named alternative of decoding is lz4 + json + Decimal into dictionaries, then Polars; of
loading, psycopg's row-by-row COPY of the same rows, then the same indexes.
"""

import json
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import lz4.frame
import polars as pl

from vigil_core.calendar import days_between
from vigil_core.fills.schema import WAREHOUSE_COLUMNS
from vigil_resources.embedded_postgres import EmbeddedPostgres
from vigil_resources.lake import Lake, RawFills
from vigil_resources.statements import models
from vigil_resources.store import Store
from vigil_resources.warehouse import Warehouse
from vigil_sandbox.world import DEMO, write_world

DECIMALS = ("px", "sz", "startPosition", "closedPnl", "fee", "builderFee")


def timed(what: Callable[[], int]) -> tuple[int, float]:
    """What it counted, and the seconds it took."""
    started = time.perf_counter()
    return what(), time.perf_counter() - started


def plain_decode(path: Path, target: Path) -> int:
    """Every fill as a dictionary with Decimals, then one frame, then Parquet."""
    rows = []
    for line in lz4.frame.decompress(path.read_bytes()).splitlines():
        block = json.loads(line)
        for user, fill in block["events"]:
            row = {**fill, "user": user, "block_number": block["block_number"]}
            row.update({key: Decimal(fill[key]) for key in DECIMALS if key in fill})
            row["liquidation"] = json.dumps(fill["liquidation"]) if "liquidation" in fill else None
            rows.append(row)
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(target)
    return len(rows)


def one_large_object(root: Path) -> Path:
    """The week's lines in one object: as many fills as a busy hour of the exchange has."""
    target = root / "large/node_fills_by_block/hourly/20250901/0.lz4"
    target.parent.mkdir(parents=True)
    lines = b"".join(lz4.frame.decompress(p.read_bytes()) for p in (root / "raw").rglob("*.lz4"))
    target.write_bytes(lz4.frame.compress(lines))
    return target


def main() -> None:
    """Run all stages once and print a line each."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        world, seconds = timed(lambda: write_world(DEMO, root / "raw").fill_count)
        print(f"simulate        {world / seconds:12,.0f} fills/s")
        large = one_large_object(root)
        lake = Lake(Store(str(root / "lake")), root)
        big = RawFills(Store(str(root / "large")))
        [(file_id, listed)] = big.manifest(DEMO.first_day).objects.items()
        rows, ours = timed(lambda: lake.take_in(big.store, file_id, listed, "bench").rows)
        count, plain = timed(lambda: plain_decode(large, root / "plain.parquet"))
        print(
            f"raw -> parquet  {rows / ours:12,.0f} fills/s  one object of {rows:,} fills (json + "
            f"Decimal + Polars: {count / plain:,.0f}; ratio {plain / ours:.2f})"
        )
        lake, raw = Lake(Store(str(root / "days")), root), RawFills(Store(str(root / "raw")))
        last = DEMO.first_day + timedelta(days=DEMO.day_count - 1)
        manifests = [raw.manifest(day) for day in days_between(DEMO.first_day, last)]
        rows, seconds = timed(
            lambda: sum(
                lake.take_in(raw.store, file_id, listed, manifest.source).rows
                for manifest in manifests
                for file_id, listed in lake.stale_objects(manifest).items()
            )
        )
        print(f"  small objects {rows / seconds:12,.0f} fills/s  about 1,000 fills each")
        with EmbeddedPostgres(root).session() as server:
            server.ensure_database("bench")
            warehouse = Warehouse(server.url("bench"))
            warehouse.install()
            load(warehouse, lake, manifests)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory     {peak:12,.0f} MB, this process")


def load(warehouse: Warehouse, lake: Lake, manifests: list) -> None:  # type: ignore[type-arg]
    """Load, aggregate and publish all days."""
    days = [m.day for m in manifests]
    rows, ours = timed(
        lambda: sum(
            warehouse.load_day(lake, lake.day(day), source="bench", missing_hours=[]).rows
            for day in days
        )
    )
    count, plain = timed(lambda: row_by_row(warehouse, lake, days[0]))
    print(
        f"parquet -> fills{rows / ours:12,.0f} fills/s  with key and indexes (row-by-row COPY "
        f"and the same: {count / plain:,.0f}; ratio {(rows / ours) / (count / plain):.2f})"
    )
    for relation in models():
        _, seconds = timed(lambda name=relation: sum(warehouse.build_day(name, d) for d in days))
        print(f"{relation:16}{rows / seconds:12,.0f} fills/s")
    traders, seconds = timed(warehouse.publish_profiles)
    print(f"profiles        {traders / seconds:12,.0f} traders/s ({traders} traders)")


def row_by_row(warehouse: Warehouse, lake: Lake, day: object) -> int:
    """The same rows through psycopg's write_row."""
    count = 0
    with warehouse.connect() as connection:
        connection.execute("CREATE TEMPORARY TABLE plain (LIKE fills)")
        columns = ", ".join(WAREHOUSE_COLUMNS)
        with connection.cursor() as cursor, cursor.copy(f"COPY plain ({columns}) FROM STDIN") as c:
            for part in lake.day(day).parts:  # type: ignore[arg-type]
                for row in lake.read_part(part).select(WAREHOUSE_COLUMNS).iter_rows():
                    c.write_row(row)
                    count += 1
        connection.execute("CREATE UNIQUE INDEX ON plain (time, user_address, coin, oid, tid)")
        connection.execute("CREATE INDEX ON plain (user_address, time)")
    return count


if __name__ == "__main__":
    main()
