"""The daily relations and the profiles on Spark: what Postgres has, to the digit."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bench.spark_cluster import LOOPBACK, Cluster, cluster
from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_core.calendar import day_start_ms, days_between
from vigil_core.errors import SparkFailed
from vigil_core.fills.arrow import frame_table, joined
from vigil_core.fills.schema import LAKE_SCHEMA
from vigil_core.fills.source_keys import SourceHour
from vigil_resources import spark_lake
from vigil_resources.database.warehouse import DERIVED
from vigil_resources.files.decoding import part_writer
from vigil_resources.files.lake import Lake
from vigil_resources.files.raw_fills import Manifest
from vigil_resources.files.store import Store
from vigil_sandbox.world import TINY, write_world

FIRST = TINY.first_day
# Seconds of compiling for minutes of work that these jobs do not have.
HASTE = {
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.executor.memory": "768m",
    "spark.sql.shuffle.partitions": "8",
}
HOSTILE = FIRST + timedelta(days=TINY.day_count)
DAYS = list(days_between(FIRST, HOSTILE))

KEYS = {
    "trader_daily": ("day", "user_address"),
    "coin_daily": ("day", "coin"),
    "builder_daily": ("day", "builder"),
    "trader_profiles": ("user_address",),
}
RATIOS = {"maker_pct", "win_rate", "mtm_tv", "long_ratio", "liquidation_pct", "twap_pct"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        shutil.which("java") is None, reason="no java here (Debian: openjdk-17-jre-headless)"
    ),
]

Row = dict[str, Any]

_A, _B, _C = (f"0x{digit * 40}" for digit in "abc")
_PLAIN: Row = {
    "user_address": _A,
    "coin": "BTC",
    "px": "100000",
    "sz": "0.001",
    "side": "B",
    "dir": "Open Long",
    "start_position": "0",
    "closed_pnl": "0",
    "fee": "0.01",
    "fee_token": "USDC",
    "crossed": True,
    "hash": "0x" + "0" * 64,
    "oid": 1,
    "tid": 1,
    "block_number": 1,
    "event_index": 0,
}
_LEAST = "0.000000000001"


def _hostile_rows() -> list[Row]:
    """Fills with all the digits a column can carry, undefined figures, and repeats."""
    noted = [
        # 24 decimals in the product; 8 would round it, 6 would make it nothing.
        {"px": "0.123456789012", "sz": "0.987654321098"},
        {"px": _LEAST, "sz": _LEAST, "coin": "@7"},
        # The cheapest coins and the largest sizes, and a sum with 38 digits.
        {"px": "0.000012345678", "sz": "90000000000.123456789012", "coin": "@8"},
        {"px": "99999.999999999999", "sz": "899999999.999999999999", "user_address": _B},
        {"closed_pnl": "-12345678.000000000001", "crossed": False, "dir": "Close Long"},
        {"closed_pnl": "12345678.000000000002", "side": "A", "dir": "Close Short"},
        # A fee in the token bought, priced by px: 24 decimals again.
        {"fee": "0.000000000003", "fee_token": "HYPE", "coin": "@9", "px": "33.333333333333"},
        {"fee": "-0.000000000001", "fee_token": "HYPE", "user_address": _B},
        {"builder": _C, "builder_fee": "0.000000000001", "fee": "0.000000000002"},
        {"liquidation": '{"liquidatedUser": "x"}', "twap_id": 5},
        # Nothing told of PnL and fees, as before May 2025; no trade id either.
        {"user_address": _C, "coin": "ETH", "closed_pnl": None, "fee": None, "fee_token": None},
        {"user_address": _C, "coin": "ETH", "closed_pnl": None, "fee": None, "tid": None},
        {"user_address": _C, "coin": "ETH", "closed_pnl": None, "fee": None, "tid": None},
        {"dir": "Spot Dust Conversion", "coin": "@9", "tid": 0, "sz": "0.0000000004"},
        {"side": "A", "dir": None},
    ]
    start = day_start_ms(HOSTILE)
    rows = []
    for number, row in enumerate(noted):
        own = {"time": start + number * 3_600_000, "oid": number, "event_index": number}
        rows.append(_PLAIN | own | {"tid": number + 1} | row)
    # Delivered three times: once is kept.
    rows += [rows[0] | {"event_index": number} for number in (98, 99)]
    return rows


def _put(lake: Lake, folder: Path, rows: list[Row]) -> None:
    """Rows of the hostile day as an object of it; its hour 0 has fills of the day before."""
    money = [name for name, kind in LAKE_SCHEMA.items() if isinstance(kind, pl.Decimal)]
    given = {n: pl.String() if n in money else kind for n, kind in LAKE_SCHEMA.items()}
    texts = pl.DataFrame([{n: row.get(n) for n in LAKE_SCHEMA} for row in rows], schema=given)
    frame = texts.with_columns(pl.col(name).cast(LAKE_SCHEMA[name]) for name in money)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "hostile.parquet"
    with part_writer(path) as writer:
        writer.write_table(joined([frame_table(frame)]))
    lake.put_part(SourceHour(HOSTILE, 12), "sandbox", HOSTILE, path)


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """Two simulated days and a hostile one, all built in Postgres."""
    folder = tmp_path_factory.mktemp("spark")
    write_world(TINY, folder / "raw")
    with installed(folder, folder / "raw", module_patch) as vigil:
        names = ("raw_fills", "fills_parquet", "fills", *DERIVED)
        select = " or ".join(f"key:{name}" for name in names if name != "trader_coin_daily")
        backfill(vigil.settings, FIRST, HOSTILE - timedelta(days=1), select=select)
        _put(vigil.lake, folder / "put", _hostile_rows())
        lake = vigil.lake
        lake.write_manifest(Manifest(day=HOSTILE, source="sandbox", objects={}))
        warehouse = vigil.warehouse
        loaded = warehouse.load_day(lake, lake.day(HOSTILE), source="sandbox", missing_hours=[])
        assert loaded.repeated == 2
        for relation in DERIVED:
            warehouse.build_day(relation, HOSTILE)
        warehouse.publish_profiles()
        yield vigil


def _read(folder: Path, relation: str) -> dict[tuple[Any, ...], Row]:
    rows = pl.read_parquet(folder / relation / "*.parquet").to_dicts()
    return {tuple(row[name] for name in KEYS[relation]): row for row in rows}


def _differences(vigil: Installation, folder: Path, relation: str) -> list[str]:
    found = _read(folder, relation)
    wanted = vigil.records(f"SELECT * FROM {relation}")
    assert wanted
    assert len(found) == len(wanted)
    columns = set(wanted[0]) - {"updated_at"}
    assert columns == set(next(iter(found.values())))
    different = []
    for row in wanted:
        key = tuple(row[name] for name in KEYS[relation])
        for column in columns:
            if not _is_same(column, found[key][column], row[column]):
                different.append(f"{key} {column}: {found[key][column]} for {row[column]}")
    return different


def _is_same(column: str, found: Any, wanted: Any) -> bool:
    """Exact, but for what neither can write down: quotients, and a deviation's root."""
    if found is None or wanted is None:
        return found is wanted
    if column in RATIOS | {"avg_hold_hours"}:
        return bool(abs(found - wanted) <= max(Decimal("1e-18"), abs(wanted) * Decimal("1e-15")))
    if column == "sharpe_ratio":
        return bool(abs(found - wanted) <= abs(wanted) * Decimal("1e-12"))
    return bool(found == wanted)


def _run_and_kill(
    work: Callable[[], None], on: Cluster, victim: str, begun: Callable[[], bool]
) -> None:
    """Have a worker die while the work goes on."""
    failed: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    working = threading.Thread(target=guarded)
    working.start()
    while not begun():
        assert working.is_alive(), failed
        time.sleep(0.005)
    on.kill(victim)
    assert working.is_alive(), "the job had ended before the worker died"
    working.join()
    if failed:
        raise failed[0]


def test_a_cluster_that_loses_a_worker_gives_what_postgres_has(
    vigil: Installation, tmp_path: Path
) -> None:
    to = tmp_path / "out"
    job = spark_lake.aggregates(vigil.lake, DAYS)
    job["stages"].append(spark_lake.profiles(vigil.warehouse, DAYS, to))
    settings = LOOPBACK | HASTE
    with cluster(tmp_path / "cluster") as spark:
        for name in ("one", "two"):
            spark.start_worker(name)
        spark.wait_for_workers(2)

        def is_writing() -> bool:
            both = spark.executor_of("one") and spark.executor_of("two")
            return both and (to / "trader_daily" / "_temporary").exists()

        _run_and_kill(
            lambda: spark_lake.run(job, to, master=spark.master, settings=settings),
            spark,
            "two",
            is_writing,
        )
        log = (spark.folder / "master.log").read_text()

    assert "Removing worker" in log or "disassociated" in log
    assert [line for name in KEYS for line in _differences(vigil, to, name)] == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        # 1e14 USD: Postgres would add it up, DECIMAL(38, 24) cannot hold it.
        ([{"px": "1000000", "sz": "100000000"}], "NUMERIC_VALUE_OUT_OF_RANGE"),
        ([{"px": "100000", "sz": "600000000", "oid": n} for n in (1, 2)], "ARITHMETIC_OVERFLOW"),
        ([{"px": "1"}, {"px": "1.000000000001"}], "differ in what happened"),
    ],
)
def test_what_it_cannot_give_exactly_is_an_error(
    tmp_path: Path, rows: list[Row], said: str
) -> None:
    lake = Lake(Store(str(tmp_path / "lake")), tmp_path / "scratch")
    start = day_start_ms(HOSTILE)
    _put(lake, tmp_path / "put", [_PLAIN | {"time": start} | row for row in rows])
    job = spark_lake.aggregates(lake, [HOSTILE])

    with pytest.raises(SparkFailed, match=said):
        spark_lake.run(job, tmp_path / "out", master="local[1]", settings=LOOPBACK | HASTE)

    assert not (tmp_path / "out" / "trader_daily" / "_SUCCESS").exists()
