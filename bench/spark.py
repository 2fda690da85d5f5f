"""The daily aggregates on Spark against Postgres and DuckDB: `python -m bench spark`.

Made-up days of `--fills`, decoded into a lake; the same models everywhere, all exact. Postgres
builds each relation day by day on one core, from rows already loaded; DuckDB reads the lake's
Parquet on two; Spark reads it on one worker of one core, then on two, each pinned to a core of its
own, as a job from its start to its end, and once more over a lake of one fill: what every job
costs whatever there is to do. CPU of Spark is its executors', of the others client and server.

Sums are compared between all of them. Wall times mean what the machine's load lets them mean,
which is printed.
"""

import argparse
import os
import tempfile
import time
from datetime import date
from pathlib import Path

from bench.spark_cluster import LOOPBACK, cluster
from bench.warehouse import _take_in, line, title
from bench.warehouse_contestants import build_in_duckdb, lake_reader, sums
from bench.warehouse_engines import AGGREGATES, Cost, engines, total
from vigil_resources import spark_lake
from vigil_resources.files.lake import DayOfLake, Lake

_TICKS = os.sysconf("SC_CLK_TCK")


def on_postgres(folder: Path, lake: Lake, days: list[DayOfLake]) -> tuple[Cost, Cost, list[object]]:
    """Load, build of the aggregates, and their sums."""
    with engines(folder / "server", None) as (engine, *_):
        engine.load(lake, days)
        loaded = engine.loaded()
        costs = [
            engine.cost(lambda name=name, day=content.day: engine.warehouse.build_day(name, day))  # type: ignore[misc]
            for content in days
            for name in AGGREGATES
        ]
        found: list[object] = []
        with engine.warehouse.connect(read_only=True) as connection:
            for name in AGGREGATES:
                found.append(connection.execute(sums(name).encode()).fetchone())
    return loaded, total(costs), found


def on_duckdb(folder: Path) -> tuple[Cost, list[object]]:
    """The same over the lake, and the sums."""
    with lake_reader(folder / "lake" / "fills" / "day=*") as connection:
        wall, cpu = time.perf_counter(), time.process_time()
        for name in AGGREGATES:
            build_in_duckdb(connection, name)
        cost = Cost(time.perf_counter() - wall, time.process_time() - cpu)
        return cost, [connection.execute(sums(name)).fetchone() for name in AGGREGATES]


def on_spark(folder: Path, lake: Lake, days: list[date], workers: int) -> Cost:
    """One job on so many workers of one core."""
    settings = LOOPBACK | {"spark.executor.memory": "1g"}
    with cluster(folder / f"cluster{workers}-{time.monotonic_ns()}") as spark:
        for number in range(workers):
            pinned = ["taskset", "-c", str(number % (os.cpu_count() or 1))]
            spark.start_worker(f"w{number}", memory="1g", before=pinned)
        spark.wait_for_workers(workers)
        job = spark_lake.aggregates(lake, days)
        begun = time.perf_counter()
        spark_lake.run(job, folder / "out", master=spark.master, settings=settings)
        wall = time.perf_counter() - begun
        time.sleep(1)  # Until the workers have reaped their executors.
        cpu = sum(_children_cpu(child.pid) for child in spark.children.values())
    return Cost(wall, cpu)


def _children_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS


def sums_of_spark(folder: Path) -> list[object]:
    """Of the last job, by a reader that is none of the three."""
    found: list[object] = []
    for name in AGGREGATES:
        with lake_reader(folder / "out" / name) as connection:
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM fills")
            found.append(connection.execute(sums(name)).fetchone())
    return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="bench spark", description="Spark, measured")
    parser.add_argument("--fills", type=int, default=250_000, help="of each day")
    parser.add_argument("--days", type=int, default=2)
    given = parser.parse_args()
    # Made before anything is measured.
    spark_lake.environment()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        lake, days = _take_in(folder, given.fills, given.days)
        rows = sum(content.rows for content in days)
        title(f"three daily aggregates of {rows:,} fills, load {os.getloadavg()[0]:.1f}")
        loaded, postgres, expected = on_postgres(folder, lake, days)
        line("Postgres, load", loaded, rows)
        line("Postgres, one core a statement", postgres, rows)
        duck, found = on_duckdb(folder)
        assert found == expected, (found, expected)
        line("DuckDB, two threads, from Parquet", duck, rows, f"{postgres.wall / duck.wall:.2f}")
        dates = [content.day for content in days]
        nothing = on_spark(folder, _almost_empty(folder, days[0]), [days[0].day], 1)
        line("Spark, one worker, of one fill", nothing, 1)
        costs = {count: on_spark(folder, lake, dates, count) for count in (1, 2)}
        spark_sums = sums_of_spark(folder)
        assert spark_sums == expected, (spark_sums, expected)
        for count, cost in costs.items():
            ratio = f"{postgres.wall / cost.wall:.2f}"
            line(f"Spark, {count} x one core, whole job", cost, rows, ratio)
        work = {count: cost.wall - nothing.wall for count, cost in costs.items()}
        print(
            f"  1 -> 2 workers: whole job {costs[1].wall / costs[2].wall:.2f}, "
            f"without what every job costs {work[1] / work[2]:.2f}; load {os.getloadavg()[0]:.1f}"
        )


def _almost_empty(folder: Path, content: DayOfLake) -> Lake:
    """A lake with the first fill of a day."""
    from vigil_core.fills.arrow import frame_table, joined
    from vigil_resources.files.decoding import part_writer
    from vigil_resources.files.store import Store

    source = Lake(Store(str(folder / "lake")), folder)
    first = source.read_part(content.parts[0]).head(1)
    path = folder / "first.parquet"
    with part_writer(path) as writer:
        writer.write_table(joined([frame_table(first)]))
    lake = Lake(Store(str(folder / "first")), folder)
    lake.put_part(content.parts[0].hour, "bench", content.day, path)
    return lake


if __name__ == "__main__":
    main()
