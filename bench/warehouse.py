"""The warehouse, on both engines in one run: `python -m bench warehouse [--only PART]`.

Parts, each against a named alternative:

    load      a day, first and again, on timescale also over a day in columns: against the bare COPY
              of the finished binary
    build     what is derived from the days: against their load, and the aggregates against the
              same text in DuckDB over the lake
    trips     round trips of a day in SQL: against COPY out, a compiled loop, and COPY back
    again     an unchanged day; a past day of which 1 % changed: against building all days
    profiles  of millions of trader-days: against DuckDB
    reads     every view and query on the loaded fills; what takes more than 2 s is marked

Without `--timescale` and VIGIL_TEST_TIMESCALE_URL only plain Postgres is measured. The address is
of a server, by a role that may create databases: the run makes its own and drops them.
Ratios within a run are what counts. CPU is of this process and the server, whoever else uses it.
"""

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from bench import ingest
from bench.hours import DAY, write_days
from bench.warehouse_contestants import (
    build_in_duckdb,
    copy_back,
    copy_out,
    follow,
    lake_reader,
    prove_equal,
    prove_same_trips,
)
from bench.warehouse_engines import (
    AGGREGATES,
    ROUND_TRIPS,
    Cost,
    Engine,
    engines,
    forget,
    load,
    middle,
    to_columns,
    total,
)
from bench.warehouse_reads import (
    SLOW_MS,
    ask,
    make_traders,
    profile_steps,
    questions,
    types_in_duckdb,
)
from vigil_core.fills.arrow import frame_table, joined
from vigil_core.fills.schema import MONEY
from vigil_resources.database import warehouse as warehouse_module
from vigil_resources.database.backends import Backend
from vigil_resources.database.warehouse import DERIVED
from vigil_resources.files.decoding import part_writer
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.files.ledger import Part
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.files.store import Store

PARTS = ("load", "build", "trips", "again", "profiles", "reads")
_CHANGED_OF = 100
_NONE = ""
_TARGETS = {"load": 0.65, "profiles": 15.0}


@dataclass
class Bench:
    """What the parts work with."""

    engines: list[Engine]
    folder: Path
    lake: Lake
    days: list[DayOfLake]
    rounds: int
    traders: int
    trader_days: int

    @property
    def fills(self) -> int:
        """Of all days."""
        return sum(content.rows for content in self.days)


def line(name: str, cost: Cost, rows: int, *ratios: str) -> None:
    """One row of a table: what it takes a row, and how that compares."""
    cpu = f"{cost.cpu / rows * 1e6:8.2f}" if cost.cpu == cost.cpu else f"{'-':>8}"
    figures = f"{cost.wall:8.2f} s{rows / cost.wall:12,.0f}/s{cost.wall / rows * 1e6:8.2f} us{cpu}"
    print(f"  {name:44}{figures} CPU  {'  '.join(ratios)}".rstrip(), flush=True)


def title(text: str) -> None:
    """Begin a table."""
    print(f"\n{text}", flush=True)


# --- load ----------------------------------------------------------------------------------


def load_part(bench: Bench) -> None:
    """A day with its key's index alone, then with all, per engine."""
    content = bench.days[0]
    for engine in bench.engines:
        title(f"load of a day, {engine.name}: {content.rows:,} fills; 1.00 is the bare COPY")
        times = _load_key_alone(bench, engine, content)
        bare = middle([Cost(*pair) for pair in times.pop("bare")])
        costs = {name: middle([Cost(*pair) for pair in pairs]) for name, pairs in times.items()}
        costs |= _load_all_indexes(bench, engine, content)
        line("bare COPY of the finished binary", bare, content.rows)
        for name, cost in costs.items():
            ratio = bare.wall / cost.wall
            target = f"target {_TARGETS['load']}" if name == "first, key alone" else ""
            line(name, cost, content.rows, f"{ratio:4.2f}", target)


def _load_key_alone(
    bench: Bench, engine: Engine, content: DayOfLake
) -> dict[str, list[tuple[float, float]]]:
    """Also the bare COPY, in the same database and in turns."""
    warehouse, pid = engine.database("key"), engine.pid or os.getpid()
    load(warehouse, bench.lake, content)
    finished = bench.folder / "finished.bin"
    if not finished.exists():
        ingest._save_binary(warehouse, finished)
    names = ("bare", "beside", "key", "first, key alone", "again, key alone")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with _key_alone(engine):
        for _ in range(bench.rounds):
            forget(warehouse, content.day)
            with ingest.clock(pid, times["first, key alone"]):
                load(warehouse, bench.lake, content)
            with ingest.clock(pid, times["again, key alone"]):
                load(warehouse, bench.lake, content)
            ingest._bare(warehouse, finished, pid, times)
    del times["key"]
    times["bare COPY beside an older copy"] = times.pop("beside")
    return times


@contextmanager
def _key_alone(engine: Engine) -> Iterator[None]:
    """Neither does the parent have the other indexes, nor is one made for a day."""
    names = vars(warehouse_module)
    made = names["template"]
    ingest._keep_the_key_alone(engine.database("key"))
    try:
        yield
    finally:
        names["template"] = made


def _load_all_indexes(bench: Bench, engine: Engine, content: DayOfLake) -> dict[str, Cost]:
    again = lambda: load(engine.warehouse, bench.lake, content)  # noqa: E731
    engine.load(bench.lake, bench.days[:1])
    costs = {"first, all indexes": engine.loads[content.day]}
    costs["again, all indexes"] = middle([engine.cost(again) for _ in range(bench.rounds)])
    if engine.warehouse.backend is Backend.TIMESCALE:
        convert = engine.cost(lambda: to_columns(engine.warehouse))
        costs["again, all indexes, over columns"] = engine.cost(again)
        costs["(turning the day into columns)"] = convert
    return costs


# --- build ---------------------------------------------------------------------------------


def build_part(bench: Bench) -> None:
    """All days, in the order of time, for the first time."""
    content = bench.days[0]
    reader = lake_reader(bench.folder / f"lake/fills/day={content.day}")
    # Its first query opens the files.
    build_in_duckdb(reader, AGGREGATES[-1])
    for engine in bench.engines:
        engine.load(bench.lake, bench.days)
        engine.build(bench.days)
        title(
            f"build, {engine.name}: {len(bench.days)} days, {bench.fills:,} fills;"
            " x load: of the load's time"
        )
        loaded = engine.loaded()
        line("load, all indexes", loaded, bench.fills)
        for relation in DERIVED:
            cost = engine.built(relation)
            line(relation, cost, bench.fills, f"{cost.wall / loaded.wall:5.2f} x load")
        three = engine.built(*AGGREGATES)
        line(
            "the aggregates together",
            *(three, bench.fills, f"{three.wall / loaded.wall:5.2f} x load", "target < 1.00"),
        )
    for relation in AGGREGATES:
        cost = _own_cost(partial(build_in_duckdb, reader, relation))
        first = [engine.builds[relation, content.day].wall for engine in bench.engines]
        ratios = [
            f"{wall / cost.wall:5.1f} x on {e.name}"
            for wall, e in zip(first, bench.engines, strict=True)
        ]
        line(f"DuckDB, lake, first day: {relation}", cost, content.rows, *ratios)
    for engine in bench.engines:
        prove_equal(reader, engine, content.day)
    print("  counts and sums of the first day are equal")


def _own_cost(work: Callable[[], object]) -> Cost:
    """Of work in this process alone."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


# --- round trips ---------------------------------------------------------------------------


def trips_part(bench: Bench) -> None:
    """The first day, which nothing is carried into."""
    day = bench.days[0].day
    for engine in bench.engines:
        engine.load(bench.lake, bench.days)
        engine.build(bench.days)
        warehouse, rows = engine.warehouse, bench.days[0].rows
        follow(copy_out(warehouse, day).head(10_000))
        title(f"round trips of a day, {engine.name}; the loop's figures: alone, and with COPY")
        out, loop, back = _loop(engine, day)
        whole = total([out, loop, back])
        count = prove_same_trips(warehouse, day)
        statement = engine.builds[ROUND_TRIPS, day]
        line("SQL in the database", statement, rows)
        for name, cost in (
            ("the loop with COPY out and back", whole),
            ("  columns out, parsed, sorted", out),
            ("  the loop", loop),
            ("  rows back, with indexes", back),
        ):
            line(name, cost, rows, f"SQL takes {statement.wall / cost.wall:5.2f} x")
        print(f"  {count:,} round trips in both, {rows / max(count, 1):.1f} fills each")


def _loop(engine: Engine, day: date) -> tuple[Cost, Cost, Cost]:
    """The day's fills out, followed, and the rows back."""
    got: list[pl.DataFrame] = []
    out = engine.cost(lambda: got.append(copy_out(engine.warehouse, day)))
    loop = _own_cost(lambda: got.extend(follow(got.pop())))
    back = engine.cost(lambda: copy_back(engine.warehouse, day, *got))
    return out, loop, back


# --- again ---------------------------------------------------------------------------------


def again_part(bench: Bench) -> None:
    """What a repetition costs, and a correction of the past."""
    content = bench.days[0]
    changed_lake, changed = _changed(bench, content)
    for engine in bench.engines:
        engine.load(bench.lake, bench.days)
        engine.build(bench.days)
        title(f"again, {engine.name}: the first of {len(bench.days)} days")
        for relation in DERIVED:
            cost = engine.cost(partial(engine.warehouse.build_day, relation, content.day))
            first = engine.builds[relation, content.day].wall
            line(f"unchanged, {relation}", cost, content.rows, f"{cost.wall / first:5.2f} x first")
        title(f"1 % of its fills changed, {engine.name}: against building that relation's days")
        loaded = engine.cost(partial(load, engine.warehouse, changed_lake, changed))
        line("load", loaded, content.rows, f"{loaded.wall / engine.loaded().wall:5.2f} x all days")
        for relation in DERIVED:
            cost = engine.cost(partial(engine.warehouse.build_day, relation, content.day))
            everything = engine.built(relation).wall
            line(relation, cost, content.rows, f"{cost.wall / everything:5.2f} x all days")
        stale = {name: len(engine.warehouse.stale_days(name)) for name in DERIVED}
        assert not any(stale.values()), stale


def _changed(bench: Bench, content: DayOfLake) -> tuple[Lake, DayOfLake]:
    """The day with another PnL on each hundredth fill, in a lake beside."""
    lake = Lake(Store(str(bench.folder / "changed")), bench.folder)
    parts, entries = [], dict(content.entries)
    is_changed = pl.int_range(pl.len()) % _CHANGED_OF == 0
    gain = pl.when(is_changed).then(pl.col("closed_pnl") + 1).otherwise(pl.col("closed_pnl"))
    for part in content.parts:
        fills = bench.lake.read_part(part).with_columns(gain.cast(MONEY).alias("closed_pnl"))
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            with part_writer(Path(file.name)) as writer:
                for rows in fills.iter_slices(65_536):
                    writer.write_table(joined([frame_table(rows)]))
            lake.store.write(part.path, Path(file.name))
        sha = hashlib.sha256(lake.store.read(part.path)).hexdigest()
        parts.append(Part(day=part.day, path=part.path, rows=part.rows, sha256=sha))
        own = [parts[-1], *(p for p in entries[part.hour].parts if p.day != part.day)]
        entries[part.hour] = replace(entries[part.hour], parts=own)
    return lake, replace(content, parts=parts, entries=entries)


# --- profiles ------------------------------------------------------------------------------


def profiles_part(bench: Bench) -> None:
    """Of made-up trader-days, in a database that holds no fills."""
    traders, days = bench.traders, bench.trader_days
    title(f"profiles: {traders:,} traders x {days} days")
    making = _own_cost(lambda: make_traders(bench.engines, traders, days))
    print(f"  (rows made in {making.wall:.0f} s)")
    types = types_in_duckdb(bench.engines[0].database("profiles"), traders, days)
    found: list[object] = []
    peer = _own_cost(lambda: found.append(types()))
    line("DuckDB, its own tables", peer, traders)
    for engine in bench.engines:
        warehouse = engine.database("profiles")
        costs = {"first": engine.cost(warehouse.publish_profiles)}
        with warehouse.connect(read_only=True) as connection:
            rows = connection.execute(
                "SELECT trader_type, count(*), sum(net_pnl) FROM trader_profiles"
                " GROUP BY 1 ORDER BY 1"
            ).fetchall()
        costs["again, unchanged"] = engine.cost(warehouse.publish_profiles)
        target = f"target < {_TARGETS['profiles']:.0f} s"
        for name, cost in costs.items():
            ratio = f"{cost.wall / peer.wall:5.1f} x DuckDB"
            line(f"publish, {engine.name}, {name}", cost, traders, ratio, target)
        for name, cost in profile_steps(engine).items():
            line(f"  {name}", cost, traders)
        assert rows == found[0], (rows, found)
    print("  classes, their traders and net PnL are equal")


# --- reads ---------------------------------------------------------------------------------


def reads_part(bench: Bench) -> None:
    """One column of figures per engine, and one with its days in columns."""
    day = bench.days[-1].day
    table: dict[str, dict[str, str]] = {}
    slow: list[str] = []
    for engine in bench.engines:
        engine.load(bench.lake, bench.days)
        engine.build(bench.days)
        engine.warehouse.publish_profiles()
        for content in bench.days:
            engine.warehouse.build_positions(content.day)
        with engine.warehouse.connect(autocommit=True) as connection:
            connection.execute("ANALYZE")
        _read_all(engine, engine.name, day, table, slow)
        if engine.warehouse.backend is Backend.TIMESCALE:
            to_columns(engine.warehouse)
            _read_all(engine, "in columns", day, table, slow)
    columns = list(dict.fromkeys(name for row in table.values() for name in row))
    title(f"reads of {bench.fills:,} fills: ms, and blocks of 8 kB; ! is more than {SLOW_MS} ms")
    print(f"  {'':36}{''.join(f'{name:>26}' for name in columns)}")
    for name, row in table.items():
        print(f"  {name:36}{''.join(f'{row.get(column, _NONE):>26}' for column in columns)}")
    print(f"  too slow: {', '.join(slow) or 'none'}")


def _read_all(
    engine: Engine, column: str, day: date, table: dict[str, dict[str, str]], slow: list[str]
) -> None:
    for question in questions(engine.warehouse, day):
        read = ask(engine.warehouse, question)
        mark = "!" if read.ms > SLOW_MS else " "
        table.setdefault(question.name, {})[column] = f"{read.ms:10,.1f}{mark}{read.blocks:12,}"
        if read.ms > SLOW_MS:
            slow.append(f"{question.name} ({column})")


# --- all of it -----------------------------------------------------------------------------


def _take_in(folder: Path, fills: int, days: int) -> tuple[Lake, list[DayOfLake]]:
    print(f"writing {days} days of {fills:,} made-up fills …", file=sys.stderr)
    write_days(folder / "raw", fills, days)
    raw, lake = RawFills(Store(str(folder / "raw"))), Lake(Store(str(folder / "lake")), folder)
    dates = [DAY + timedelta(days=number) for number in range(days)]
    for day in dates:
        lake.take_in_stale(raw.store, raw.manifest(day), lambda _: None)
    return lake, [lake.day(day) for day in dates]


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="bench warehouse", description="The warehouse, measured")
    parser.add_argument("--fills", type=int, default=1_260_000, help="of each day")
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1, help="of the load")
    parser.add_argument("--traders", type=int, default=50_000)
    parser.add_argument("--trader-days", type=int, default=100, help="of each trader")
    parser.add_argument("--timescale", default=os.environ.get("VIGIL_TEST_TIMESCALE_URL"))
    parser.add_argument("--only", choices=PARTS)
    given = parser.parse_args()
    if not given.timescale:
        print("VIGIL_TEST_TIMESCALE_URL names no server: only plain Postgres is measured")
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        no_fills = given.only == "profiles"
        fills, count = (24, 1) if no_fills else (given.fills, given.days)
        lake, days = _take_in(folder, fills, count)
        with engines(folder, given.timescale or None) as found:
            bench = Bench(
                *(found, folder, lake, days, given.rounds, given.traders, given.trader_days)
            )
            for part in (given.only,) if given.only else PARTS:
                globals()[f"{part}_part"](bench)
    print(f"\n{time.perf_counter() - begun:.0f} s in all")


if __name__ == "__main__":
    main()
