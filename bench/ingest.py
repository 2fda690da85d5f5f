"""Ingest against its alternatives: `python -m bench.ingest [--fills N] [--only PART]`.

Each figure is CPU or wall time per fill, and a ratio within this run. Contestants of the decoding
are processes of their own on one core, warmed up on one object and run in turns:

    seeds    json.loads per line, a list of dictionaries, a Polars frame, Parquet
    duckdb   its JSON reader, one SELECT an object, typed decimals, its own Parquet writer
    lz4      decompression alone: below this nothing can be
    vigil    Lake.take_in

The load is measured against psycopg's CSV COPY into a table that has its key (delete, then copy),
and against the bare COPY of the finished binary into a table without any index.
"""

import argparse
import csv
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import lz4.frame
import polars as pl
from psycopg.sql import SQL

from bench.hours import DAY, write_hours
from vigil_core.fills.schema import KEY, WAREHOUSE_COLUMNS
from vigil_core.fills.source_keys import SourceHour
from vigil_resources.database import warehouse as warehouse_module
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.files.lz4_lines import decompressed
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.files.store import Store, read_chunks

YEAR_FILLS = 1_000_000_000
WORKERS = 2


def objects(root: Path) -> list[Path]:
    """The hourly objects, in order of time."""
    found = root.glob("node_fills_by_block/hourly/*/*.lz4")
    return sorted(found, key=lambda path: (path.parent.name, int(path.stem)))


def peak_mb() -> float:
    """Most memory this process ever had resident. `ru_maxrss` would begin with its parent's."""
    (line,) = re.findall(r"VmHWM:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


# --- contestants of the decoding: (object, folder) → fills ---------------------------------


def seeds(path: Path, folder: Path) -> int:
    """As the seeds did it."""
    rows = []
    for line in lz4.frame.decompress(path.read_bytes()).splitlines():
        block = json.loads(line)
        for user, fill in block["events"]:
            rows.append({"user": user, "block_number": block["block_number"], **fill})
    frame = pl.DataFrame(rows, infer_schema_length=None)
    frame.write_parquet(folder / "seeds.parquet", compression="zstd")
    return frame.height


class DuckDb:
    """One connection for all objects, a scratch file in shared memory."""

    def __init__(self) -> None:
        import duckdb

        self._connection = duckdb.connect(config={"threads": 1})
        money = ["px", "sz", "startPosition", "closedPnl", "fee", "builderFee"]
        integers = ["time", "oid", "tid", "twapId"]
        texts = ["coin", "side", "dir", "hash", "feeToken", "cloid", "builder"]
        types = dict.fromkeys([*money, *texts], "VARCHAR") | dict.fromkeys(integers, "BIGINT")
        types |= {"crossed": "BOOLEAN", "liquidation": "JSON"}
        casts = [
            f"CAST(f.{name} AS DECIMAL(38, 12)) AS {name}" if name in money else f"f.{name}"
            for name in types
        ]
        self._statement = f"""
            COPY (
                SELECT block_number, block_time, local_time, leg, e[1]->>'$' AS user_address,
                    {", ".join(casts)}
                FROM (
                    SELECT *, from_json(e[2], '{json.dumps(types)}') AS f
                    FROM (
                        SELECT block_number, block_time, local_time, unnest(events) AS e,
                            generate_subscripts(events, 1) AS leg
                        FROM read_json('<source>', format = 'newline_delimited', columns = {{
                            block_number: 'BIGINT', block_time: 'TIMESTAMP_NS',
                            local_time: 'TIMESTAMP_NS', events: 'JSON[][]'}},
                            maximum_object_size = 67108864)
                    )
                )
            ) TO '<target>' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"""

    def __call__(self, path: Path, folder: Path) -> int:
        scratch = folder / "scratch.json"
        with scratch.open("r+b" if scratch.exists() else "wb") as file:
            for piece in decompressed(read_chunks(path)):
                file.write(piece)
            file.truncate()
        statement = self._statement.replace("<source>", str(scratch))
        statement = statement.replace("<target>", str(folder / "duckdb.parquet"))
        result = self._connection.execute(statement).fetchone()
        assert result is not None
        return int(result[0])


def lz4_alone(path: Path, folder: Path) -> int:  # noqa: ARG001
    """Decompress and drop."""
    for _ in decompressed(read_chunks(path)):
        pass
    return 0


class Vigil:
    """The product, writing into a lake in the folder."""

    def __init__(self, root: Path) -> None:
        self._raw = RawFills(Store(str(root)))
        manifest = self._raw.manifest(DAY)
        self._listed = {str(root / item.key): (h, item) for h, item in manifest.objects.items()}

    def __call__(self, path: Path, folder: Path) -> int:
        hour, listed = self._listed[str(path)]
        lake = _lake(folder)
        return lake.take_in(self._raw.store, hour, listed, "bench").rows


_lakes: dict[Path, Lake] = {}


def _lake(folder: Path) -> Lake:
    if folder not in _lakes:
        _lakes[folder] = Lake(Store(str(folder / "lake")), folder / "scratch")
    return _lakes[folder]


def contestant(name: str, root: Path) -> Callable[[Path, Path], int]:
    """What decodes one object."""
    match name:
        case "seeds":
            return seeds
        case "duckdb":
            return DuckDb()
        case "lz4":
            return lz4_alone
        case _:
            return Vigil(root)


def run_alone(name: str, root: Path, cores: int) -> None:
    """In a process of its own: decode all objects and print what it took."""
    os.sched_setaffinity(0, set(range(cores)))
    paths = objects(root)
    decode = contestant(name, root)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        decode(paths[0], Path(folder))
        cpu, wall = time.process_time(), time.perf_counter()
        if cores == 1:
            fills = sum(decode(path, Path(folder)) for path in paths)
        else:
            with ThreadPoolExecutor(cores) as pool:
                fills = sum(pool.map(lambda path: decode(path, Path(folder)), paths))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        lake = Path(folder) / "lake"
        size = sum(path.stat().st_size for path in lake.rglob("*.parquet"))
    peak = peak_mb()
    print(json.dumps({"fills": fills, "cpu": cpu, "wall": wall, "peak_mb": peak, "bytes": size}))


def measured(name: str, root: Path, cores: int = 1) -> dict[str, float]:
    """The figures of one contestant's run."""
    command = [sys.executable, "-m", "bench.ingest", "--alone", name, "--folder", str(root)]
    done = subprocess.run(
        [*command, "--cores", str(cores)], check=True, capture_output=True, text=True
    )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def decode_table(root: Path, fills: int, rounds: int) -> float:
    """Print the decoding's table; gives seconds per fill on two cores."""
    text = sum(len(lz4.frame.decompress(path.read_bytes())) for path in objects(root))
    names = ["seeds", "duckdb", "lz4", "vigil"]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    two: list[float] = []
    for _ in range(rounds):
        for name in names:
            runs[name].append(measured(name, root))
        two.append(measured("vigil", root, cores=WORKERS)["wall"])
    cpu = {name: statistics.median(run["cpu"] for run in runs[name]) for name in names}
    wall = statistics.median(run["wall"] for run in runs["vigil"])
    print(f"\nraw -> Parquet, {fills:,} fills, {text / fills:.0f} bytes a fill, one core, CPU")
    for name in names:
        print(
            f"  {name:8}{cpu[name] / fills * 1e6:8.2f} us/fill {cpu[name] / text * 1e9:7.2f} ms/MB"
            f"   vigil is {cpu[name] / cpu['vigil']:5.2f} x"
            f"   peak {max(run['peak_mb'] for run in runs[name]):6,.0f} MB"
        )
    size = runs["vigil"][0]["bytes"]
    print(f"  lake: {size / fills:.1f} bytes a fill")
    both = statistics.median(two)
    print(f"  two cores: {wall / both:.2f} x one core ({fills / both:,.0f} fills/s)")
    return both / fills


# --- the load ------------------------------------------------------------------------------


def _ticks(pid: int) -> float:
    """CPU seconds of a process and of its children that are gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _server_cpu(pid: int) -> float:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return _ticks(pid) + sum(_ticks(int(child)) for child in children)


@contextmanager
def clock(pid: int, into: list[tuple[float, float]]) -> Iterator[None]:
    """Add (wall, CPU of client and server) of the block, which finds the disk at rest."""
    os.sync()
    server, client, wall = _server_cpu(pid), time.process_time(), time.perf_counter()
    yield
    wall, client = time.perf_counter() - wall, time.process_time() - client
    time.sleep(0.3)  # A backend that is not reaped yet would count nothing.
    into.append((wall, client + _server_cpu(pid) - server))


def load_table(root: Path, rounds: int) -> float:
    """Print the load's table; gives seconds per fill, two days at a time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        raw, lake = RawFills(Store(str(root))), Lake(Store(str(folder / "lake")), folder)
        lake.take_in_stale(raw.store, raw.manifest(DAY), lambda _: None)
        content = lake.day(DAY)
        with EmbeddedPostgres(folder).session() as server:
            server.ensure_database("bench")
            warehouse = Warehouse(server.url("bench"))
            warehouse.install()
            (pid_file,) = folder.rglob("postmaster.pid")
            pid = int(pid_file.read_text().split()[0])
            return _load(warehouse, lake, content, pid, folder, rounds)


def _load(
    warehouse: Warehouse, lake: Lake, content: DayOfLake, pid: int, folder: Path, rounds: int
) -> float:
    rows = content.rows
    times: dict[str, list[tuple[float, float]]] = {
        name: []
        for name in ("first", "again", "key_first", "key_again", "bare", "beside", "key", "csv")
    }
    load = lambda: warehouse.load_day(lake, content, source="bench", missing_hours=[])  # noqa: E731
    load()
    finished = folder / "finished.bin"
    _save_binary(warehouse, finished)
    for prefix in ("", "key_"):
        if prefix:
            both = _two_days(warehouse, lake, content)
            _keep_the_key_alone(warehouse)
        for _ in range(rounds):
            with warehouse.connect() as connection:
                connection.execute(f"DROP TABLE fill_days.d{DAY:%Y%m%d}")
                connection.execute("TRUNCATE day_state CASCADE")
                connection.execute("DROP TABLE IF EXISTS bare, beside")
            with clock(pid, times[f"{prefix}first"]):
                load()
            with clock(pid, times[f"{prefix}again"]):
                load()
            _bare(warehouse, finished, pid, times)
    with clock(pid, times["csv"]):
        share = _csv(warehouse, lake, content)
    middle = {
        name: (statistics.median(w for w, _ in runs), statistics.median(c for _, c in runs))
        for name, runs in times.items()
    }
    bare = middle["bare"]
    print(f"\nParquet -> Postgres, one day of {rows:,} fills; 1.00 is the bare COPY")
    lines = {
        "bare COPY of the finished binary": bare,
        "bare COPY beside an older copy": middle["beside"],
        "vigil, first load, key included": middle["key_first"],
        "vigil, load again, key included": middle["key_again"],
        "vigil, first load, all indexes": middle["first"],
        "vigil, load again, all indexes": middle["again"],
        "key alone, built on the bare table": middle["key"],
        "seeds: delete, CSV COPY, key in place": tuple(v / share for v in middle["csv"]),
    }
    for name, (wall, cpu) in lines.items():
        print(
            f"  {name:44}{wall / rows * 1e6:7.2f} us wall ({bare[0] / wall:4.2f})"
            f"{cpu / rows * 1e6:7.2f} us CPU ({bare[1] / cpu:4.2f})"
        )
    print(
        f"  two days side by side: {2 * rows / both:,.0f} fills/s, {both / rows / 2 * 1e6:.2f} us"
    )
    return both / rows / 2


def _keep_the_key_alone(warehouse: Warehouse) -> None:
    """From here on no other index is made, so that what they cost shows."""
    with warehouse.connect() as connection:
        connection.execute("DROP INDEX fills_user_time, fills_liquidation")
    made = warehouse_module.template

    def template(statement: str, /, **parts: Any) -> Any:
        is_other = statement.endswith(("user_index", "liquidation_index"))
        return SQL("SELECT 1") if is_other else made(statement, **parts)

    warehouse_module.template = template


def _save_binary(warehouse: Warehouse, path: Path) -> None:
    columns = ", ".join(WAREHOUSE_COLUMNS)
    statement = f"COPY (SELECT {columns} FROM fills) TO STDOUT (FORMAT binary)"
    with warehouse.connect() as connection, path.open("wb") as file:
        cursor = connection.cursor()
        with cursor.copy(statement) as copy:
            file.writelines(bytes(piece) for piece in copy)


def _bare(
    warehouse: Warehouse, finished: Path, pid: int, times: dict[str, list[tuple[float, float]]]
) -> None:
    """The finished binary into a new table: into an empty database, and beside an older copy.

    The second is what a day loaded again meets: all the memory that its files take is new.
    """
    columns = ", ".join(WAREHOUSE_COLUMNS)
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare, beside")
        connection.execute("CREATE TABLE bare (LIKE fills)")
        connection.execute("CREATE TABLE beside (LIKE fills)")
    for table in ("bare", "beside"):
        with clock(pid, times[table]), warehouse.connect() as connection:
            copy_in = f"COPY {table} ({columns}) FROM STDIN (FORMAT binary)"
            with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
                for piece in read_chunks(finished):
                    copy.write(piece)
    with clock(pid, times["key"]), warehouse.connect() as connection:
        connection.execute(f"CREATE UNIQUE INDEX ON bare ({', '.join(KEY)})")


def _csv(warehouse: Warehouse, lake: Lake, content: DayOfLake) -> float:
    """Some of the day as the seeds loaded it; gives the share of the day's rows."""
    columns = ", ".join(WAREHOUSE_COLUMNS)
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS seeds")
        connection.execute("CREATE TABLE seeds (LIKE fills)")
        connection.execute(f"CREATE UNIQUE INDEX ON seeds ({', '.join(KEY)})")
    part = content.parts[0]
    with warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM seeds")
        text = io.StringIO()
        writer = csv.writer(text)
        for row in lake.read_part(part).select(WAREHOUSE_COLUMNS).iter_rows():
            writer.writerow(["" if value is None else value for value in row])
        with cursor.copy(f"COPY seeds ({columns}) FROM STDIN (FORMAT csv)") as copy:
            copy.write(text.getvalue())
    return part.rows / content.rows


def _two_days(warehouse: Warehouse, lake: Lake, content: DayOfLake) -> float:
    """Wall seconds of the day and a copy of it one day later, loaded at the same time."""
    later = _shifted(lake, content)
    begun = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda day: warehouse.load_day(lake, day, source="bench", missing_hours=[]),
                [content, later],
            )
        )
    return time.perf_counter() - begun


def _shifted(lake: Lake, content: DayOfLake) -> DayOfLake:
    import hashlib
    from dataclasses import replace

    from vigil_core.calendar import DAY_MS
    from vigil_core.fills.arrow import frame_table, joined
    from vigil_resources.files.decoding import part_writer
    from vigil_resources.files.ledger import Part, part_key

    day = content.day + timedelta(days=1)
    parts, entries = [], {}
    for part in content.parts:
        fills = lake.read_part(part).with_columns(pl.col("time") + DAY_MS)
        hour = SourceHour(day, part.hour.hour)
        path = part_key(str(day), hour)
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            with part_writer(Path(file.name)) as writer:
                for rows in fills.iter_slices(65_536):
                    writer.write_table(joined([frame_table(rows)]))
            lake.store.write(path, Path(file.name))
        sha = hashlib.sha256(lake.store.read(path)).hexdigest()
        parts.append(Part(day=str(day), path=path, rows=part.rows, sha256=sha))
        entries[hour] = replace(content.entries[part.hour], name=hour.name, parts=parts[-1:])
    return replace(content, day=day, parts=parts, entries=entries)


# --- memory --------------------------------------------------------------------------------


def memory_alone(root: Path, what: str) -> None:
    """In a process of its own: print peak memory, and what is open."""
    raw = RawFills(Store(str(root)))
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Store(f"{folder}/lake"), Path(folder))
        figures = []
        day = DAY
        while (manifest := raw.manifest(day)).own:
            lake.take_in_stale(raw.store, manifest, lambda _: None)
            resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
            figures.append((resident, len(list(Path("/proc/self/fd").iterdir()))))
            day += timedelta(days=1)
        peak = peak_mb()
        print(json.dumps({"what": what, "peak_mb": peak, "days": figures}))


def memory_table(root: Path, folder: Path) -> None:
    """Print peaks: all of the day in one object, and thirty days in one process."""
    large = folder / "large/node_fills_by_block/hourly" / f"{DAY:%Y%m%d}"
    large.mkdir(parents=True, exist_ok=True)
    compressor = lz4.frame.LZ4FrameCompressor(block_linked=False, content_checksum=True)
    with (large / "0.lz4").open("wb") as file:
        file.write(compressor.begin())
        for path in objects(root):
            file.write(compressor.compress(lz4.frame.decompress(path.read_bytes())))
        file.write(compressor.flush())
    for number in range(30):
        write_hours(
            folder / "month", 20_000, hours=4, day=DAY + timedelta(days=number), seed=number
        )
    for name, at in (("one object", folder / "large"), ("thirty days", folder / "month")):
        command = [sys.executable, "-m", "bench.ingest", "--memory", name, "--folder", str(at)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found: dict[str, Any] = json.loads(done.stdout)
        print(f"\nmemory, {name}: peak {found['peak_mb']:,.0f} MB")
        days = found["days"]
        for number in (5, 15, 30):
            if len(days) >= number:
                resident, files = days[number - 1]
                print(f"  after day {number:2}: {resident:,.0f} MB resident, {files} files open")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="bench.ingest", description="Ingest, measured")
    parser.add_argument("--fills", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the made-up day lies, or comes to lie")
    parser.add_argument("--only", choices=["decode", "load", "memory"])
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, default=1, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        return run_alone(given.alone, given.folder, given.cores)
    if given.memory:
        return memory_alone(given.folder, given.memory)
    with tempfile.TemporaryDirectory() as name:
        root = given.folder or Path(name) / "raw"
        if not objects(root):
            print(f"writing {given.fills:,} made-up fills …", file=sys.stderr)
            write_hours(root, given.fills)
        fills = int(measured("vigil", root)["fills"])
        seconds = {}
        if given.only in (None, "decode"):
            seconds["decode"] = decode_table(root, fills, given.rounds)
        if given.only in (None, "load"):
            seconds["load"] = load_table(root, given.rounds)
        if given.only in (None, "memory"):
            memory_table(root, Path(name))
        if len(seconds) == 2:
            hours = sum(seconds.values()) * YEAR_FILLS / 3_600
            print(f"\na year of a billion fills, both stages, on two cores: {hours:.2f} hours")
    return None


if __name__ == "__main__":
    main()
