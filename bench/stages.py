"""Fills per second through the stages behind the load: `python -m bench stages`.

Works on the simulated demo week in a temporary folder, with an embedded Postgres of its own.
`bench.ingest` measures what comes before, against its alternatives.
"""

import resource
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from vigil_core.calendar import days_between
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.database.warehouse import DERIVED, Warehouse
from vigil_resources.files.lake import Lake
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.files.store import Store
from vigil_sandbox.world import DEMO, write_world


def timed(what: Callable[[], int]) -> tuple[int, float]:
    """What it counted, and the seconds it took."""
    started = time.perf_counter()
    return what(), time.perf_counter() - started


def main() -> None:
    """Run all stages once and print a line each."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        world, seconds = timed(lambda: write_world(DEMO, root / "raw").fill_count)
        print(f"simulate        {world / seconds:12,.0f} fills/s")
        lake, raw = Lake(Store(str(root / "days")), root), RawFills(Store(str(root / "raw")))
        last = DEMO.first_day + timedelta(days=DEMO.day_count - 1)
        days = list(days_between(DEMO.first_day, last))
        started = time.perf_counter()
        for day in days:
            lake.take_in_stale(raw.store, raw.manifest(day), lambda _: None)
        rows = sum(lake.day(day).rows for day in days)
        seconds = time.perf_counter() - started
        print(f"raw -> parquet  {rows / seconds:12,.0f} fills/s, objects of 1,000 fills")
        with EmbeddedPostgres(root).session() as server:
            server.ensure_database("bench")
            warehouse = Warehouse(server.url("bench"))
            warehouse.install()
            started = time.perf_counter()
            for day in days:
                warehouse.load_day(lake, lake.day(day), source="bench", missing_hours=[])
            seconds = time.perf_counter() - started
            print(f"parquet -> fills{rows / seconds:12,.0f} fills/s, days of 24,000 fills")
            for relation in DERIVED:
                _, seconds = timed(
                    lambda relation=relation: sum(warehouse.build_day(relation, d) for d in days)
                )
                print(f"{relation:18}{rows / seconds:10,.0f} fills/s")
            traders, seconds = timed(warehouse.publish_profiles)
            print(f"profiles        {traders / seconds:12,.0f} traders/s ({traders} traders)")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"peak memory     {peak:12,.0f} MB, this process")


if __name__ == "__main__":
    main()
