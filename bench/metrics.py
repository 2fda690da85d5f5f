"""The corrected figures of traders, measured: `python -m bench metrics [--full] [--only PART]`.

All parts in one go, by default of small days in a few minutes; `--full` is what docs/scale.md has.
Parts, each against a named alternative:

    build   days of trader_totals, each on top of the one before, and of round_trips: against the
            load of the same days; the first of trader_totals against pandas and DuckDB over the
            same Parquet, in float64; and the steps of the last
    growth  one more day on top of 250 of fewer and of more traders, its labels, and reads of all
            traders and of one, now and as known earlier; on plain Postgres
    bytes   a row of what the days wrote, indexes counted, and what a year of that comes to

`--server` names a plain server to be used instead of the embedded one, by a role that may create
databases; `--timescale` one with TimescaleDB to be measured beside. Both are left as they were.
Server memory is the largest sum of its processes' private memory that was seen, 20 times a second.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from bench.ingest import peak_mb
from bench.metrics_contestants import CONTESTANTS, prove_equal, run
from bench.metrics_history import make_history
from bench.warehouse import _take_in, line, title
from bench.warehouse_engines import Cost, Engine, engines, load
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.metrics.round_trips import round_trips as follow
from vigil_core.metrics.trader_days import trader_days
from vigil_resources.database import round_trips
from vigil_resources.database.copies import rows_in, rows_out
from vigil_resources.database.warehouse import DERIVED, Warehouse
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.metrics import trader_metrics
from vigil_resources.metrics.trader_metrics import TraderLabels, TraderMetrics
from vigil_resources.statements import query, template

PARTS = ("build", "growth", "bytes")
_ACTIVE = 50_000
"""Traders a day, in what a year takes."""


@dataclass(frozen=True)
class Size:
    """How much is made up."""

    fills: int
    """Of each day."""
    days: int
    traders: tuple[int, ...]
    trader_days: tuple[int, int]
    """Days of a trader in the history, from and to."""


SMALL = Size(fills=400_000, days=2, traders=(20_000, 60_000), trader_days=(2, 10))
FULL = Size(fills=2_000_000, days=3, traders=(50_000, 500_000), trader_days=(10, 40))


@dataclass
class Bench:
    """What the parts work with."""

    engines: list[Engine]
    folder: Path
    lake: Lake
    days: list[DayOfLake]
    size: Size

    def build(self, engine: Engine) -> dict[date, tuple[Cost, float, int]]:
        """Have the main database hold the figures of all days; cost, server's MB, rows of each."""
        engine.load(self.lake, self.days)
        warm_up(engine.warehouse)
        engine.build(self.days)
        metrics, built = TraderMetrics(engine.warehouse), {}
        for content in self.days:
            built[content.day] = _measured(engine, partial(metrics.build, content.day))
        return built


def _measured(engine: Engine, work: Callable[[], int]) -> tuple[Cost, float, int]:
    """What the work took, the server's peak in MB, and what it gave."""
    given: list[int] = []
    with server_memory(engine.pid) as peak:
        cost = engine.cost(lambda: given.append(work()))
    return cost, peak[0], given[0]


@contextmanager
def server_memory(pid: int | None) -> Iterator[list[float]]:
    """One figure, MB of private memory in a server's processes; 0 where it is out of sight."""
    peak, is_done = [0.0], threading.Event()

    def watch() -> None:
        while pid and not is_done.wait(0.05):
            peak[0] = max(peak[0], _private_mb(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        is_done.set()
        watcher.join()


def _private_mb(pid: int) -> float:
    total = 0
    for process in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
        except OSError:  # It ended meanwhile.
            continue
        total += sum(int(text.split()[1]) for text in lines if text.startswith("RssAnon"))
    return total / 1024


def warm_up(warehouse: Warehouse) -> None:
    """Have the walks compiled, or what was compiled before read: once for an installation."""
    with warehouse.connect() as connection:
        trader_metrics.walk_over(connection, 0)
        round_trips.walk_over(connection, 0, sql.Identifier("fills"))
        connection.rollback()


# --- build ---------------------------------------------------------------------------------


def build_part(bench: Bench) -> None:
    """The days in the order of time, then the first one by others."""
    first = bench.days[0]
    for engine in bench.engines:
        built = bench.build(engine)
        title(f"build of a day, {engine.name}; x load: of that day's load, all indexes")
        for number, content in enumerate(bench.days, 1):
            cost, memory, rows = built[content.day]
            loaded = engine.loads[content.day]
            line(f"load, day {number}", loaded, content.rows)
            ratio = f"{cost.wall / loaded.wall:5.2f} x load"
            name = f"trader_totals, day {number}: {rows:,} rows"
            line(name, cost, content.rows, ratio, f"server {memory:,.0f} MB")
            trips = engine.builds[round_trips.RELATION, content.day]
            ratio = f"{trips.wall / loaded.wall:5.2f} x load"
            line(f"round_trips, day {number}", trips, content.rows, ratio)
        print(f"  client: {peak_mb():,.0f} MB at most")
        _contest(bench, engine, first, built[first.day][0])
        _steps(engine, bench.days[-1])


def _steps(engine: Engine, content: DayOfLake) -> None:
    """Where the build of a day spends its time; the day is left as it was."""
    title(f"steps of the builds of the last day, {engine.name}")
    at: dict[str, Any] = {"day": day_start_ms(content.day), "complete": True}
    with engine.warehouse.connect() as connection:
        for statement in ("without_loops", "more_memory", "in_order"):
            connection.execute(query(f"schema/{statement}"))
        for relation in ("trader_totals", "held_positions", "round_trips", "trader_coin_daily"):
            delete = sql.SQL("DELETE FROM {} WHERE day = %(day)s")
            connection.execute(delete.format(sql.Identifier(relation)), at)
        _steps_of_round_trips(connection, content)
        _steps_of_trader_totals(connection, content, at)
        connection.rollback()


def _step(connection: psycopg.Connection, name: str, work: Callable[[], Any], fills: int) -> Any:
    # Of this process and of the connection's: the server knows of the latter when it has ended.
    cpu, begun = time.process_time() + _cpu_of(connection), time.perf_counter()
    given = work()
    wall = time.perf_counter() - begun
    line(name, Cost(wall, time.process_time() + _cpu_of(connection) - cpu), fills)
    return given


def _cpu_of(connection: psycopg.Connection) -> float:
    """Seconds that the server's process has used; NaN where it is out of sight."""
    try:
        fields = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
    except OSError:
        return float("nan")
    user, system = fields.rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _steps_of_round_trips(connection: psycopg.Connection, content: DayOfLake) -> None:
    def step(name: str, work: Callable[[], Any]) -> Any:
        return _step(connection, f"round_trips: {name}", work, content.rows)

    parts = {"day": sql.Literal(day_start_ms(content.day)), "source": sql.Identifier("fills")}
    statement = template(round_trips.FILLS, **parts)
    fills = step("fills out", lambda: rows_out(connection, statement, round_trips.FILL_KINDS))
    asked = template(round_trips.CARRIED, **parts)
    carried = step(
        "positions before", lambda: rows_out(connection, asked, round_trips.CARRIED_KINDS)
    )
    found = step("walk", lambda: follow(fills, carried))
    at = pa.array([day_start_ms(content.day)] * found.closed.num_rows)
    closed = found.closed.append_column("day", at)
    step(f"{closed.num_rows:,} closed in", lambda: rows_in(connection, "round_trips", closed))
    at = pa.array([day_start_ms(content.day)] * found.positions.num_rows)
    left = found.positions.append_column("day", at)
    step(f"{left.num_rows:,} positions in", lambda: rows_in(connection, "trader_coin_daily", left))


def _steps_of_trader_totals(
    connection: psycopg.Connection, content: DayOfLake, at: dict[str, Any]
) -> None:
    def step(name: str, work: Callable[[], Any]) -> Any:
        return _step(connection, f"trader_totals: {name}", work, content.rows)

    day = at["day"]
    statement = template("metrics/fills_of_day", day=day)
    fills = step("fills out", lambda: rows_out(connection, statement, trader_metrics.FILL_KINDS))
    asked = template("metrics/held_before", day=day)
    held = step("positions before", lambda: rows_out(connection, asked, trader_metrics.HELD_KINDS))
    found = step("walk", lambda: trader_days(fills, held, day))
    connection.execute(query("metrics/create_results"))
    step("results in", lambda: rows_in(connection, "day_results", found.results))
    left = found.held.append_column("day", pa.array([day] * found.held.num_rows))
    step(f"{left.num_rows:,} positions in", lambda: rows_in(connection, "held_positions", left))
    step("sums carried on", lambda: connection.execute(query("metrics/add_totals"), at))


def _contest(bench: Bench, engine: Engine, content: DayOfLake, own: Cost) -> None:
    folder, start = bench.folder / f"lake/fills/day={content.day}", day_start_ms(content.day)
    for name in CONTESTANTS:
        result = bench.folder / f"{name}.parquet"
        found = run(name, folder, start, result)
        compared = prove_equal(engine.warehouse, start, result)
        ratio = f"the walk takes {own.wall / found.wall:5.2f} x"
        cost = Cost(found.wall, found.cpu)
        line(f"{name}, day 1", cost, content.rows, ratio, f"{found.peak_mb:,.0f} MB")
    print(f"  figures of {compared:,} traders are equal in all")


# --- growth --------------------------------------------------------------------------------

_READS = {
    "trader_metrics, all traders": "SELECT * FROM trader_metrics_between(%(at)s, NULL)",
    "the same over 30 days": "SELECT * FROM trader_metrics_between(%(at)s, 30)",
    "the same as known just now": "SELECT * FROM trader_metrics_as_known(%(at)s, 30, now())",
    "the same as known before the build": (
        "SELECT * FROM trader_metrics_as_known(%(at)s, 30, %(known_at)s)"
    ),
    "the seeds' profiles": "SELECT * FROM trader_metrics_before(%(at)s)",
}
_ONE = {
    "trader_metrics, one trader, one day": (
        "SELECT * FROM trader_metrics WHERE user_address = %(user)s"
        " AND as_of = (to_timestamp(%(at)s / 1000) AT TIME ZONE 'UTC')::date"
    ),
    "trader_metrics, one trader, all days": (
        "SELECT * FROM trader_metrics WHERE user_address = %(user)s"
    ),
    "trader_track, one trader": "SELECT * FROM trader_track(%(user)s, %(at)s)",
}


def growth_part(bench: Bench) -> None:
    """A database for each number of traders; the first day of fills comes after their years."""
    engine, content = bench.engines[0], bench.days[0]
    for traders in bench.size.traders:
        warehouse = engine.database(f"traders_{traders}")
        load(warehouse, bench.lake, content)
        for relation in DERIVED:
            warehouse.build_day(relation, content.day)
        rows = make_history(warehouse, content.day, traders, *bench.size.trader_days)
        title(f"growth, plain: {traders:,} traders, {rows:,} rows of trader_totals; us a trader")
        measure(engine, warehouse, content.day, traders)


def measure(engine: Engine, warehouse: Warehouse, day: date, traders: int) -> None:
    """The day's build on top of the history, and what reads it."""
    metrics, labels = TraderMetrics(warehouse), TraderLabels(warehouse)
    [(known_at,)] = warehouse.rows("metrics/moment", {})
    _timed(engine, "build of one more day", partial(metrics.build, day), traders)
    before = day - timedelta(days=1)
    _timed(engine, "labels of the day before, all new", partial(labels.build, before), traders)
    _timed(engine, "labels of the day, those that changed", partial(labels.build, day), traders)
    at: dict[str, object] = {"at": day_start_ms(day) + DAY_MS, "known_at": known_at}
    for name, text in _READS.items():
        _timed(engine, name, partial(_count, warehouse, text, at), traders)
    print(f"  client: {peak_mb():,.0f} MB at most")
    with warehouse.connect(read_only=True) as connection:
        row = connection.execute("SELECT min(user_address) FROM known_traders").fetchone()
    assert row is not None
    for name, text in _ONE.items():
        # The second of two: the first one reads from disk, and plans with a cold catalog.
        times = [_seconds(partial(_count, warehouse, text, at | {"user": row[0]})) for _ in "12"]
        print(f"  {name:44}{times[1] * 1e3:8.1f} ms, connecting included")


def _seconds(work: Callable[[], int]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _timed(engine: Engine, name: str, work: Callable[[], int], traders: int) -> None:
    cost, memory, rows = _measured(engine, work)
    line(name, cost, traders, f"{rows:,} rows", f"server {memory:,.0f} MB")


def _count(warehouse: Warehouse, text: str, values: dict[str, object]) -> int:
    """Every row computed and left in the server: rows, not their way here, are measured."""
    statement = f"CREATE TEMPORARY TABLE found ON COMMIT DROP AS {text}"
    with warehouse.connect() as connection:
        connection.execute(query("schema/more_memory"))
        return connection.execute(statement.encode(), values).rowcount


# --- bytes ---------------------------------------------------------------------------------


def bytes_part(bench: Bench) -> None:
    """Of the last days built, and what a year of as many rows takes."""
    for engine in bench.engines:
        with engine.warehouse.connect(read_only=True) as connection:
            (built,) = connection.execute("SELECT count(*) FROM metric_state").fetchone() or (0,)
        if built < len(bench.days):
            bench.build(engine)
        title(f"bytes, {engine.name}: a row with its indexes; GB of a year of {_ACTIVE:,} a day")
        sizes(engine.warehouse)


def sizes(warehouse: Warehouse) -> None:
    """A line for each table of the metrics."""
    with warehouse.connect(autocommit=True) as connection:
        for table in ("trader_totals", "held_positions"):
            connection.execute(f"VACUUM ANALYZE {table}".encode())
            row = connection.execute(
                "SELECT count(*), count(DISTINCT user_address), count(DISTINCT day),"
                " pg_table_size(%(table)s), pg_indexes_size(%(table)s)"
                f" FROM {table}".encode(),
                {"table": table},
            ).fetchone()
            assert row is not None
            rows, traders, days, heap, indexes = row
            each = (heap + indexes) / rows
            year = each * rows / days / traders * _ACTIVE * 365 / 1e9
            print(
                f"  {table:20}{rows:12,} rows{heap / rows:8.0f} + {indexes / rows:4.0f} bytes"
                f"{rows / days / traders:8.2f} a trader and day{year:8.1f} GB"
            )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="bench metrics", description="Traders' figures, measured")
    parser.add_argument("--full", action="store_true", help="hours, and 60 GB of disk")
    parser.add_argument("--fills", type=int, help="of each day")
    parser.add_argument("--days", type=int)
    parser.add_argument("--traders", type=int, nargs="+")
    parser.add_argument("--trader-days", type=int, nargs=2, help="from, to")
    parser.add_argument("--server", help="address of a plain server")
    parser.add_argument("--timescale", default=os.environ.get("VIGIL_TEST_TIMESCALE_URL"))
    parser.add_argument("--only", choices=PARTS)
    given = parser.parse_args()
    chosen = {
        name: tuple(value) if isinstance(value, list) else value
        for name in ("fills", "days", "traders", "trader_days")
        if (value := getattr(given, name)) is not None
    }
    size = replace(FULL if given.full else SMALL, **chosen)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        lake, days = _take_in(folder, size.fills, 1 if given.only == "growth" else size.days)
        with engines(folder, given.timescale or None, given.server) as found:
            bench = Bench(found, folder, lake, days, size)
            for part in (given.only,) if given.only else PARTS:
                globals()[f"{part}_part"](bench)
    print(f"\n{time.perf_counter() - begun:.0f} s in all")


if __name__ == "__main__":
    main()
