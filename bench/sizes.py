"""Bytes of a fill in `fills`: `python -m bench.sizes [--folder RAW] [--timescale URL]`.

The product decodes and loads the days. Each layout then is a copy of that table in a schema of its
own, filled by binary COPY and indexed afterwards, as a load does it:

    text         as is: hash, cloid and addresses are hex in TEXT
    hashes       hash and cloid as BYTEA
    bytea        builder and user_address too
    wallet ids   user_address and builder as INTEGER by a dictionary
    coin ids     coin as SMALLINT by a dictionary
    smallest     hash and cloid as BYTEA, all ids
    no hash, no cloid, neither
    JSON order   the columns as the source has them

Sizes are exact. Times are medians of rounds on files that fit in memory: on a disk that is the
limit, bytes are the ratio. Without `--folder` the days are made up; with it, raw objects of a
bucket's layout are read. `--timescale` names an empty database of a server with TimescaleDB: the
same layouts there, as rows and as columns.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from bench.hours import DAY, write_hours
from vigil_core.calendar import DAY_MS, day_start_ms, days_between
from vigil_core.fills.schema import WAREHOUSE_COLUMNS
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.database.warehouse import DERIVED, Warehouse
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.files.store import Store, read_chunks
from vigil_resources.statements import manifest, models
from vigil_sandbox.world import DEMO, write_world

YEAR_FILLS = 1_000_000_000
INDEXES = {
    "key": "CREATE UNIQUE INDEX ON stored (time, user_address, coin, oid, tid)",
    "user": "CREATE INDEX ON stored (user_address, time)",
    "liquidation": "CREATE INDEX ON stored (time) WHERE liquidation IS NOT NULL",
}
FUNCTIONS = ("is_usd_stablecoin", "is_spot", "is_perp", "fee_usd")
"""What the models call."""
TRADERS = 1_000_000
AS_IS = ("coin", "user_address, time")
"""segmentby and orderby of the product."""
ORDERS = [
    AS_IS,
    ("coin", "time, user_address, oid, tid"),
    ("coin", "time DESC"),
    ("", "user_address, time"),
]


def _bytes_of(column: str) -> tuple[str, str]:
    return "bytea", f"decode(substr(f.{column}, 3), 'hex')"


def _wallet_of(column: str) -> tuple[str, str]:
    return "integer", f"(SELECT w.id FROM wallets AS w WHERE w.address = f.{column})"


_HASHES = {name: _bytes_of(name) for name in ("hash", "cloid")}
_ADDRESSES = {name: _bytes_of(name) for name in ("user_address", "builder")}
_WALLETS = {name: _wallet_of(name) for name in ("user_address", "builder")}
_COINS = {"coin": ("smallint", "(SELECT c.id FROM coins AS c WHERE c.coin = f.coin)")}


@dataclass(frozen=True)
class Layout:
    """How `fills` differs from what it is."""

    name: str
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Type and value, of columns stored otherwise."""
    dropped: frozenset[str] = frozenset()
    json_order: bool = False

    @property
    def schema(self) -> str:
        """Where its tables lie."""
        return "sizes_" + self.name.replace(" ", "_")


LAYOUTS = [
    Layout("text"),
    Layout("hashes", _HASHES),
    Layout("bytea", _HASHES | _ADDRESSES),
    Layout("wallet ids", _WALLETS),
    Layout("coin ids", _COINS),
    Layout("smallest", _HASHES | _WALLETS | _COINS),
    Layout("no hash", dropped=frozenset({"hash"})),
    Layout("no cloid", dropped=frozenset({"cloid"})),
    Layout("neither", dropped=frozenset({"hash", "cloid"})),
    Layout("JSON order", json_order=True),
]
TIMED = ("text", "bytea", "smallest")


@dataclass(frozen=True)
class Data:
    """Days in the lake and in the product's own database."""

    warehouse: Warehouse
    folder: Path
    days: list[date]
    rows: int
    trader: str
    """One of rank 200 by fills, or the last."""
    coin: str
    """One of rank 20."""


Row = tuple[Any, ...]


def rows_of(connection: psycopg.Connection, statement: str) -> list[Row]:
    """What a statement gives."""
    return connection.execute(statement.encode()).fetchall()


def run(connection: psycopg.Connection, statement: str) -> None:
    """Execute it and look at nothing."""
    connection.execute(statement.encode())


def report(name: str, *values: str, width: int = 12) -> None:
    """A line of a table."""
    print(f"  {name:22}" + "".join(f"{value:>{width}}" for value in values), flush=True)


# --- the days ------------------------------------------------------------------------------


@contextmanager
def loaded(root: Path) -> Iterator[Data]:
    """All days of the raw objects, in a lake and a database that live as long."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        raw, lake = RawFills(Store(str(root))), Lake(Store(str(folder / "lake")), folder)
        named = (root / "node_fills_by_block" / "hourly").iterdir()
        days = sorted(datetime.strptime(path.name, "%Y%m%d").date() for path in named)  # noqa: DTZ007
        for day in days:
            lake.take_in_stale(raw.store, raw.manifest(day), lambda _: None)
        with EmbeddedPostgres(folder).session() as server:
            server.ensure_database("bench")
            warehouse = Warehouse(server.url("bench"))
            warehouse.install()
            contents = [lake.day(day) for day in days]
            for content in contents:
                warehouse.load_day(lake, content, source="bench", missing_hours=[])
            with warehouse.connect() as connection:
                _make_dictionaries(connection)
                trader = _of_rank(connection, "user_address", 200)
                coin = _of_rank(connection, "coin", 20)
            rows = sum(content.rows for content in contents)
            _print_shape(warehouse, folder, contents)
            yield Data(warehouse, folder, days, rows, trader, coin)


def _of_rank(connection: psycopg.Connection, column: str, rank: int) -> str:
    counts = rows_of(
        connection,
        f"""SELECT {column} FROM fills GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {rank}""",
    )
    return str(counts[-1][0])


def _make_dictionaries(connection: psycopg.Connection) -> None:
    run(
        connection,
        """CREATE TABLE wallets (id integer GENERATED ALWAYS AS IDENTITY, address text UNIQUE);
        INSERT INTO wallets (address)
            SELECT user_address FROM fills UNION SELECT builder FROM fills WHERE builder <> '';
        CREATE TABLE coins (id smallint GENERATED ALWAYS AS IDENTITY, coin text UNIQUE);
        INSERT INTO coins (coin) SELECT DISTINCT coin FROM fills;
        ANALYZE wallets, coins, fills""",
    )


def _print_shape(warehouse: Warehouse, folder: Path, contents: list[DayOfLake]) -> None:
    """What of the data decides about sizes."""
    with warehouse.connect() as connection:
        ((rows, traders, coins, trader_days, pair_days, hashes, cloids, builders, forced),) = (
            rows_of(
                connection,
                """SELECT count(*), count(DISTINCT user_address), count(DISTINCT coin),
                count(DISTINCT (time / 86400000, user_address)),
                count(DISTINCT (time / 86400000, user_address, coin)),
                count(DISTINCT (time / 86400000, hash)), count(cloid), count(builder),
                count(liquidation)
            FROM fills""",
            )
        )
        widths = rows_of(
            connection,
            "SELECT "
            + ", ".join(f"avg(coalesce(pg_column_size({c}), 0))" for c in WAREHOUSE_COLUMNS)
            + " FROM fills",
        )[0]
    parquet = sum(path.stat().st_size for path in (folder / "lake").rglob("*.parquet"))
    parts = sum(len(content.parts) for content in contents)
    print(f"\n{rows:,} fills of {len(contents)} days, {traders:,} traders, {coins} coins")
    print(f"  fills a transaction hash   {rows / hashes:8.2f}")
    print(f"  with a cloid               {cloids / rows:8.1%}")
    print(f"  through a builder          {builders / rows:8.1%}")
    print(f"  of a liquidation           {forced / rows:8.1%}")
    print(f"  days of traders            {trader_days / rows:8.4f} a fill")
    print(f"  days of traders in a coin  {pair_days / rows:8.4f} a fill")
    print(f"  lake                       {parquet / rows:8.1f} bytes a fill, {parts} files")
    print("  bytes of each column in a row, absent ones counted as 0:")
    ordered = sorted(zip(WAREHOUSE_COLUMNS, widths, strict=True), key=lambda pair: -pair[1])
    for at in range(0, len(ordered), 7):
        print("    " + ", ".join(f"{name} {width:.1f}" for name, width in ordered[at : at + 7]))


# --- layouts -------------------------------------------------------------------------------


def _columns(connection: psycopg.Connection, layout: Layout) -> list[Row]:
    """Name, type and value of a layout's columns, in their order."""
    found = rows_of(
        connection,
        """SELECT attname, format_type(atttypid, NULL), attnotnull FROM pg_attribute
        WHERE attrelid = 'public.fills'::regclass AND attnum > 0 ORDER BY attnum""",
    )
    if layout.json_order:
        found.sort(key=lambda column: WAREHOUSE_COLUMNS.index(column[0]))
    columns = []
    for name, kind, is_not_null in found:
        if name not in layout.dropped:
            kind, value = layout.changed.get(name, (kind, f"f.{name}"))
            columns.append((name, kind + " NOT NULL" * is_not_null, value))
    return columns


def _binary(data: Data, layout: Layout) -> tuple[list[Row], Path]:
    """A layout's columns, and its finished binary in the order of the loaded rows."""
    path = data.folder / f"{layout.schema}.bin"
    with data.warehouse.connect() as connection:
        columns = _columns(connection, layout)
        if not path.exists():
            values = ", ".join(f"{value} AS {name}" for name, _, value in columns)
            run(connection, "SET max_parallel_workers_per_gather = 0")
            statement = f"COPY (SELECT {values} FROM fills AS f) TO STDOUT (FORMAT binary)"
            with path.open("wb") as file, connection.cursor().copy(statement.encode()) as copy:
                file.writelines(bytes(piece) for piece in copy)
    return columns, path


class Engine:
    """A server that takes layouts."""

    name = "Postgres"

    def __init__(self, connect: Callable[[], psycopg.Connection]) -> None:
        self.connect = connect

    def parts(self, connection: psycopg.Connection) -> list[str]:
        """Tables that hold the rows, qualified."""
        found = rows_of(connection, "SELECT relid::regclass::text FROM pg_partition_tree('stored')")
        return [name for (name,) in found if name != "stored"]

    def create(self, connection: psycopg.Connection, columns: str, days: list[date]) -> None:
        """Make `stored`, empty, a part for each day."""
        run(connection, f"CREATE TABLE stored ({columns}) PARTITION BY RANGE (time)")
        for day in days:
            start = day_start_ms(day)
            run(
                connection,
                f"CREATE TABLE stored_{day:%Y%m%d} PARTITION OF stored"
                f" FOR VALUES FROM ({start}) TO ({start + DAY_MS})",
            )

    @contextmanager
    def session(self, layout: Layout) -> Iterator[psycopg.Connection]:
        """A connection that finds the layout's tables first."""
        with self.connect() as connection:
            run(connection, f"SET search_path = {layout.schema}, public, compat")
            connection.commit()
            yield connection

    def load(self, data: Data, layout: Layout) -> float:
        """Fill a new `stored`; gives the seconds of the COPY alone."""
        columns, path = _binary(data, layout)
        names = ", ".join(name for name, _, _ in columns)
        with self.session(layout) as connection:
            run(connection, f"DROP SCHEMA IF EXISTS {layout.schema} CASCADE")
            run(connection, f"CREATE SCHEMA {layout.schema}")
            self.create(connection, ", ".join(f"{n} {kind}" for n, kind, _ in columns), data.days)
            begun = time.perf_counter()
            statement = f"COPY stored ({names}) FROM STDIN (FORMAT binary)"
            with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                for piece in read_chunks(path):
                    copy.write(piece)
            connection.commit()
            return time.perf_counter() - begun

    def index(self, layout: Layout) -> dict[str, float]:
        """Make all three; gives the seconds of each."""
        seconds = {}
        with self.session(layout) as connection:
            for name, statement in INDEXES.items():
                begun = time.perf_counter()
                run(connection, statement)
                connection.commit()
                seconds[name] = time.perf_counter() - begun
            run(connection, "ANALYZE stored")
        return seconds

    def sizes(self, layout: Layout) -> dict[str, int]:
        """Bytes of the heap and of each index."""
        found = dict.fromkeys(["heap", *INDEXES], 0)
        with self.session(layout) as connection:
            for part in self.parts(connection):
                ((size,),) = rows_of(connection, f"SELECT pg_relation_size('{part}')")
                found["heap"] += size
                for definition, bytes_ in rows_of(
                    connection,
                    f"""SELECT pg_get_indexdef(indexrelid), pg_relation_size(indexrelid)
                    FROM pg_index WHERE indrelid = '{part}'::regclass""",
                ):
                    found[_index_name(definition)] += bytes_
        return found


def _index_name(definition: str) -> str:
    if "UNIQUE" in definition:
        return "key"
    return "liquidation" if "WHERE" in definition else "user"


class Timescale(Engine):
    """The same with hypertables."""

    name = "TimescaleDB"

    def parts(self, connection: psycopg.Connection) -> list[str]:
        return [name for (name,) in rows_of(connection, "SELECT show_chunks('stored')::text")]

    def create(self, connection: psycopg.Connection, columns: str, days: list[date]) -> None:  # noqa: ARG002
        run(connection, f"CREATE TABLE stored ({columns})")
        run(
            connection,
            f"""SELECT create_hypertable('stored', by_range('time', {DAY_MS}::bigint),
                create_default_indexes => false)""",
        )

    def convert(self, layout: Layout, order: tuple[str, str]) -> tuple[int, float]:
        """Turn all rows of `stored` into columns; gives bytes, everything counted, and seconds."""
        with self.session(layout) as connection:
            connection.autocommit = True
            segment = f"timescaledb.segmentby = '{order[0]}', " if order[0] else ""
            run(
                connection,
                f"""ALTER TABLE stored SET (timescaledb.enable_columnstore = true,
                    {segment} timescaledb.orderby = '{order[1]}')""",
            )
            begun = time.perf_counter()
            for part in self.parts(connection):
                run(connection, f"CALL convert_to_columnstore('{part}')")
            seconds = time.perf_counter() - begun
            ((size,),) = rows_of(connection, "SELECT hypertable_size('stored')")
            return int(size), seconds

    def column_bytes(self, layout: Layout) -> dict[str, float]:
        """Bytes of each column of `stored` as columns; metadata under their own names."""
        found: dict[str, float] = {}
        with self.session(layout) as connection:
            for (part,) in rows_of(
                connection,
                """SELECT compress_relid::regclass::text
                FROM _timescaledb_catalog.compression_settings
                WHERE relid IN (SELECT show_chunks('stored')) AND compress_relid IS NOT NULL""",
            ):
                for (name,) in rows_of(
                    connection,
                    f"""SELECT attname FROM pg_attribute
                    WHERE attrelid = '{part}'::regclass AND attnum > 0""",
                ):
                    ((size,),) = rows_of(
                        connection, f'SELECT sum(pg_column_size("{name}")) FROM {part}'
                    )
                    kind = "metadata" if name.startswith("_ts_meta") else name
                    found[kind] = found.get(kind, 0) + float(size or 0)
        return found


# --- tables --------------------------------------------------------------------------------


def size_table(engine: Engine, data: Data) -> None:
    """Print bytes a fill of every layout, as rows."""
    print(f"\n{engine.name}, rows: bytes a fill")
    report("", "tuple", "heap", *INDEXES, "total", "of text", "index s", width=11)
    base = 0.0
    for layout in LAYOUTS:
        engine.load(data, layout)
        seconds = engine.index(layout)
        sizes = engine.sizes(layout)
        with engine.session(layout) as connection:
            ((tuple_bytes,),) = rows_of(
                connection, "SELECT avg(pg_column_size(s.*))::float FROM stored AS s"
            )
        total = sum(sizes.values()) / data.rows
        base = base or total
        report(
            layout.name,
            f"{tuple_bytes:.1f}",
            *(f"{size / data.rows:.1f}" for size in sizes.values()),
            f"{total:.1f}",
            f"{total / base:.2f}",
            f"{sum(seconds.values()):.1f}",
            width=11,
        )


def columns_table(engine: Timescale, data: Data) -> None:
    """Print bytes a fill of layouts as columns. Leaves them as they are."""
    print("\nTimescaleDB, columns: bytes a fill, everything counted, and content without pages")
    report("layout", "bytes", "content", "rows:cols", "us to convert", "   segmentby", width=14)
    texts = LAYOUTS[0]
    runs = [(texts, order) for order in [*ORDERS[1:], AS_IS]]
    runs += [(layout, AS_IS) for layout in LAYOUTS[1:-1]]
    for layout, order in runs:
        if layout is texts:
            engine.load(data, layout)
            engine.index(layout)
        rows = sum(engine.sizes(layout).values())
        size, seconds = engine.convert(layout, order)
        report(
            layout.name,
            f"{size / data.rows:.1f}",
            f"{sum(engine.column_bytes(layout).values()) / data.rows:.1f}",
            f"{rows / size:.2f}",
            f"{seconds / data.rows * 1e6:.2f}",
            f"   {order[0] or '-'} / {order[1]}",
            width=14,
        )
    for layout in (texts, LAYOUTS[2]):
        sized = sorted(engine.column_bytes(layout).items(), key=lambda pair: -pair[1])
        print(f"  of {layout.name}, bytes a fill of each column:")
        for at in range(0, len(sized), 7):
            parts = [f"{name} {size / data.rows:.1f}" for name, size in sized[at : at + 7]]
            print("    " + ", ".join(parts))


def copy_table(engines: list[Engine], data: Data, rounds: int) -> None:
    """Print the time of the bare COPY and of the indexes behind it."""
    print("\nbinary COPY into a new table, then its indexes: us wall a fill, and ratio to text")
    chosen = [layout for layout in LAYOUTS if layout.name in TIMED]
    for engine in engines:
        copies: dict[str, list[float]] = {name: [] for name in TIMED}
        indexes: dict[str, list[dict[str, float]]] = {name: [] for name in TIMED}
        for _ in range(rounds):
            for layout in chosen:
                copies[layout.name].append(engine.load(data, layout))
                indexes[layout.name].append(engine.index(layout))
        report(engine.name, "COPY", *INDEXES, "all", "of text")
        base = 0.0
        for name in TIMED:
            copied = statistics.median(copies[name])
            each = [statistics.median(run[index] for run in indexes[name]) for index in INDEXES]
            everything = copied + sum(each)
            base = base or everything
            figures = [copied, *each, everything]
            report(
                f"  {name}",
                *(f"{seconds / data.rows * 1e6:.2f}" for seconds in figures),
                f"{everything / base:.2f}",
            )


def query_table(engines: list[Engine], data: Data, rounds: int) -> None:
    """Print what questions take: all contestants in turns, each on one core."""
    chosen = [layout for layout in LAYOUTS if layout.name in TIMED]
    contestants: list[tuple[str, Engine, Layout]] = []
    for engine in engines:
        for layout in chosen:
            engine.load(data, layout)
            engine.index(layout)
            contestants.append((f"{engine.name} rows, {layout.name}", engine, layout))
        if isinstance(engine, Timescale):
            columns = [(layout, AS_IS) for layout in chosen]
            columns += [(LAYOUTS[0], order) for order in (ORDERS[1], ORDERS[3])]
            for number, (layout, order) in enumerate(columns):
                copy = replace(layout, name=f"{layout.name} {number}")
                engine.load(data, copy)
                engine.index(copy)
                engine.convert(copy, order)
                by = "" if order == AS_IS else f", {order[0] or '-'} / {order[1].split(', oid')[0]}"
                contestants.append((f"columns, {layout.name}{by}", engine, copy))
    times: dict[str, dict[str, list[float]]] = {name: {} for name, _, _ in contestants}
    for number in range(rounds + 1):
        for name, engine, layout in contestants:
            for question, ms in _questions(engine, data, layout).items():
                # The first round warms up.
                if number:
                    times[name].setdefault(question, []).append(ms)
    base = times[contestants[0][0]]
    print(f"\nquestions: ms, median of {rounds}, and ratio to {contestants[0][0]}")
    print(f"  {'':44}" + "".join(f"{question:>20}" for question in base))
    for name, found in times.items():
        cells = []
        for question, runs in found.items():
            ms = statistics.median(runs)
            cells.append(f"{ms:10.1f} ({ms / statistics.median(base[question]):6.2f})")
        print(f"  {name:44}" + "".join(f"{cell:>20}" for cell in cells), flush=True)


def _questions(engine: Engine, data: Data, layout: Layout) -> dict[str, float]:
    start = day_start_ms(data.days[-1])
    within = f"time >= {start} AND time < {start + DAY_MS}"
    coin, trader = f"'{data.coin}'", f"'{data.trader}'"
    match layout.changed.get("user_address", ("text",))[0]:
        case "bytea":
            trader = f"decode('{data.trader[2:]}', 'hex')"
        case "integer":
            trader = f"(SELECT id FROM public.wallets WHERE address = '{data.trader}')"
    source = "stored"
    if "coin" in layout.changed:
        coin = f"(SELECT id FROM public.coins WHERE coin = '{data.coin}')"
        kept = "time, user_address, px, sz, side, dir, closed_pnl, fee, fee_token, crossed, twap_id"
        kept += ", builder::text, builder_fee, liquidation"
        source = f"(SELECT {kept}, c.coin FROM stored AS s JOIN public.coins AS c ON c.id = s.coin)"
    fills = f"(SELECT * FROM {source} AS stored WHERE {within}) AS fills"
    if layout.changed.get("builder", ("text",))[0] == "bytea":
        builder = "coalesce(encode(builder, 'hex'), 'direct')"
    else:
        builder = "coalesce(builder, 'direct')"
    statements = {
        name: model.text.replace("coalesce(builder, 'direct')", builder).replace(
            "FROM fills\n", f"FROM {fills}\n"
        )
        for name, model in models().items()
        if name in ("trader_daily", "coin_daily", "builder_daily")
    }
    statements["trader's history"] = (
        f"SELECT * FROM stored WHERE user_address = {trader} ORDER BY time"
    )
    statements["coin's day"] = f"SELECT time, px, sz FROM stored WHERE coin = {coin} AND {within}"
    with engine.session(layout) as connection:
        run(connection, "SET work_mem = '64MB'; SET max_parallel_workers_per_gather = 0")
        return {name: _server_ms(connection, text) for name, text in statements.items()}


def _server_ms(connection: psycopg.Connection, statement: str) -> float:
    """By the server's own clock; values are turned into text but not sent."""
    explain = "EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, SERIALIZE TEXT, FORMAT JSON) "
    (((plan,),),) = rows_of(connection, explain + statement)
    return float(plan["Execution Time"])


def dictionary_table(data: Data) -> None:
    """Print what a million traders take."""
    print(f"\na dictionary of {TRADERS:,} traders, its primary key and unique index counted: MB")
    with data.warehouse.connect() as connection:
        for kind, value in (
            ("text", "'0x' || substr(encode(sha256(n::text::bytea), 'hex'), 1, 40)"),
            ("bytea", "substr(sha256(n::text::bytea), 1, 20)"),
        ):
            run(
                connection,
                f"""CREATE TABLE many (id integer PRIMARY KEY, address {kind} UNIQUE);
                INSERT INTO many SELECT n, {value} FROM generate_series(1, {TRADERS}) AS n""",
            )
            ((size,),) = rows_of(connection, "SELECT pg_total_relation_size('many')")
            report(kind, f"{size / 1e6:.0f}")
            run(connection, "DROP TABLE many")


def derived_table(folder: Path) -> None:
    """Print rows and bytes of what is derived from fills, on the simulated week."""
    root = folder / "week"
    fills = write_world(DEMO, root / "raw").fill_count
    raw, lake = RawFills(Store(str(root / "raw"))), Lake(Store(str(root / "lake")), root)
    days = list(days_between(DEMO.first_day, DEMO.first_day + timedelta(days=DEMO.day_count - 1)))
    for day in days:
        lake.take_in_stale(raw.store, raw.manifest(day), lambda _: None)
    with EmbeddedPostgres(root).session() as server:
        server.ensure_database("bench")
        warehouse = Warehouse(server.url("bench"))
        warehouse.install()
        for day in days:
            warehouse.load_day(lake, lake.day(day), source="bench", missing_hours=[])
        for relation in DERIVED:
            for day in days:
                warehouse.build_day(relation, day)
        warehouse.publish_profiles()
        print(f"\nthe simulated week, {fills:,} fills: a relation's bytes, indexes counted")
        report("", "rows", "rows/fill", "bytes/row", "bytes/fill")
        for relation, rows, size in warehouse.relations():
            per_row = size / rows if rows else 0.0
            report(
                relation,
                f"{rows:,}",
                f"{rows / fills:.4f}",
                f"{per_row:.0f}",
                f"{size / fills:.1f}",
            )


# --- many days -----------------------------------------------------------------------------


def partitions_table(engines: list[Engine], data: Data, counts: list[int]) -> None:
    """Print planning time and locks over tables of many days with a few rows each."""
    print("\nplanning over many days of 10 rows: ms, the first in a connection and the median of 9")
    questions = {
        "one day": "SELECT sum(px * sz) FROM stored WHERE time >= {0} AND time < {1}",
        "trader, a week": "SELECT * FROM stored WHERE user_address = 'a3' AND time >= {0}"
        " AND time < {2} ORDER BY time",
        "trader, all days": "SELECT * FROM stored WHERE user_address = 'a3' ORDER BY time",
        "all fills": "SELECT sum(px * sz) FROM stored",
    }
    report("", "days", *questions, "locks", width=18)
    layout = Layout("days")
    for engine in engines:
        for count in counts:
            days = [DAY + timedelta(days=n) for n in range(count)]
            _make_days(engine, data, layout, days)
            start = day_start_ms(DAY)
            bounds = [start + DAY_MS * n for n in (count // 2, count // 2 + 1, count // 2 + 7)]
            cells = []
            for text in questions.values():
                statement = f"EXPLAIN (SUMMARY, FORMAT JSON) {text.format(*bounds)}"
                with engine.session(layout) as connection:
                    plans = [rows_of(connection, statement) for _ in range(10)]
                found = [float(plan["Planning Time"]) for (((plan,),),) in plans]
                cells.append(f"{found[0]:.1f} / {statistics.median(found[1:]):.2f}")
            with engine.session(layout) as connection:
                run(connection, questions["trader, all days"])
                ((locks,),) = rows_of(
                    connection, "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
                )
            report(engine.name, str(count), *cells, str(locks), width=18)
            if not isinstance(engine, Timescale):
                _print_readers(engine, layout, questions["trader, all days"])
            with engine.session(layout) as connection:
                # One by one: together they would need more locks than a server has.
                for part in engine.parts(connection):
                    run(connection, f"DROP TABLE {part}")
                    connection.commit()
                run(connection, f"DROP SCHEMA {layout.schema} CASCADE")


def _make_days(engine: Engine, data: Data, layout: Layout, days: list[date]) -> None:
    with data.warehouse.connect() as connection:
        columns = _columns(connection, layout)
    with engine.session(layout) as connection:
        run(connection, f"DROP SCHEMA IF EXISTS {layout.schema} CASCADE")
        run(connection, f"CREATE SCHEMA {layout.schema}")
        engine.create(connection, ", ".join(f"{n} {kind}" for n, kind, _ in columns), days)
        connection.commit()
        for statement in INDEXES.values():
            run(connection, statement)
            connection.commit()
        # One transaction a day: each chunk of TimescaleDB takes locks for its indexes.
        for day in days:
            run(
                connection,
                f"""INSERT INTO stored (time, user_address, coin, side, px, sz, oid, tid)
                SELECT {day_start_ms(day)} + n, 'a' || n, 'BTC', 'B', 1, 1, n, n
                FROM generate_series(1, 10) AS n""",
            )
            connection.commit()
        for part in engine.parts(connection):
            run(connection, f"ANALYZE {part}")
            connection.commit()


def _print_readers(engine: Engine, layout: Layout, statement: str) -> None:
    """How many transactions may hold such a question's locks at a time. For a private server."""
    opened: list[psycopg.Connection] = []
    limit = 90
    try:
        while len(opened) < limit:
            connection = engine.connect()
            opened.append(connection)
            run(connection, f"SET search_path = {layout.schema}")
            run(connection, statement)
        print(f"    {limit} such readers at a time: no end of locks")
    except psycopg.errors.OutOfMemory as error:
        print(f"    reader {len(opened)} at a time fails: {str(error).splitlines()[0]}")
    finally:
        for connection in opened:
            connection.close()
        time.sleep(3)  # Until their servers are gone, so are not their locks.


def wal_table(data: Data) -> None:
    """Print the write-ahead log of a COPY into a table that is older than its transaction."""
    print("\nwrite-ahead log of a logged COPY, key and (user_address, time) in place: bytes a fill")
    engine = Engine(data.warehouse.connect)
    for layout in (LAYOUTS[0], LAYOUTS[2]):
        columns, path = _binary(data, layout)
        for with_indexes in (False, True):
            with engine.session(layout) as connection:
                run(connection, f"DROP SCHEMA IF EXISTS {layout.schema} CASCADE")
                run(connection, f"CREATE SCHEMA {layout.schema}")
                described = ", ".join(f"{name} {kind}" for name, kind, _ in columns)
                engine.create(connection, described, data.days)
                if with_indexes:
                    for statement in INDEXES.values():
                        run(connection, statement)
                connection.commit()
                run(connection, "CHECKPOINT")
                ((before,),) = rows_of(connection, "SELECT pg_current_wal_insert_lsn()::text")
                names = ", ".join(name for name, _, _ in columns)
                begun = time.perf_counter()
                copy_in = f"COPY stored ({names}) FROM STDIN (FORMAT binary)"
                with connection.cursor() as cursor, cursor.copy(copy_in.encode()) as copy:
                    for piece in read_chunks(path):
                        copy.write(piece)
                connection.commit()
                seconds = time.perf_counter() - begun
                ((size,),) = rows_of(
                    connection, f"SELECT pg_current_wal_insert_lsn() - '{before}'::pg_lsn"
                )
            what = "indexes in place" if with_indexes else "no index"
            report(
                f"{layout.name}, {what}",
                f"{float(size) / data.rows:.0f}",
                f"{seconds / data.rows * 1e6:.2f} us",
            )


def _prepared(url: str, data: Data) -> Timescale:
    engine = Timescale(lambda: psycopg.connect(url))
    with engine.connect() as connection:
        run(connection, "CREATE EXTENSION IF NOT EXISTS timescaledb")
        run(connection, "SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS compat")
        ((version,),) = rows_of(
            connection, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"
        )
        print(f"\nTimescaleDB {version}")
        for item in manifest():
            if item.relation in FUNCTIONS:
                run(connection, item.text)
        run(connection, "DROP TABLE IF EXISTS public.wallets, public.coins")
        for table in ("wallets", "coins"):
            key = "address text UNIQUE" if table == "wallets" else "coin text UNIQUE"
            run(connection, f"CREATE TABLE public.{table} (id integer PRIMARY KEY, {key})")
            with data.warehouse.connect() as source:
                rows = rows_of(source, f"SELECT * FROM {table}")
            copy_in = f"COPY public.{table} FROM STDIN".encode()
            with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
                for row in rows:
                    copy.write_row(row)
    return engine


def main() -> None:
    """Measure what is asked for."""
    parts = ("sizes", "times", "questions", "days", "derived")
    parser = argparse.ArgumentParser(prog="bench.sizes", description="Bytes of a fill, measured")
    parser.add_argument("--folder", type=Path, help="raw objects, below node_fills_by_block/hourly")
    parser.add_argument("--timescale", metavar="URL", help="an empty database with TimescaleDB")
    parser.add_argument("--fills", type=int, default=1_000_000, help="of each made-up day")
    parser.add_argument("--days", type=int, default=3, help="made up")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=parts, action="append")
    given = parser.parse_args()
    asked = given.only or parts
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        root = given.folder or folder / "raw"
        if given.folder is None:
            print(f"writing {given.days} days of {given.fills:,} fills …", file=sys.stderr)
            for number in range(given.days):
                # Of one seed: the same traders on all days.
                write_hours(root, given.fills, day=DAY + timedelta(days=number))
        with loaded(root) as data:
            engines = [Engine(data.warehouse.connect)]
            if given.timescale:
                engines.append(_prepared(given.timescale, data))
            if "sizes" in asked:
                for engine in engines:
                    size_table(engine, data)
                    if isinstance(engine, Timescale):
                        columns_table(engine, data)
                dictionary_table(data)
                wal_table(data)
            if "times" in asked:
                copy_table(engines, data, given.rounds)
            if "questions" in asked:
                query_table(engines, data, given.rounds)
            if "days" in asked:
                partitions_table(engines, data, [365, 730])
        if "derived" in asked:
            derived_table(folder)


if __name__ == "__main__":
    main()
