"""A small world with every kind of event, from its files to the classes."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import lz4.frame
import polars as pl
import pytest

from tests.conftest import Installation, installed
from tests.end_to_end.comparison import assert_equal_everywhere
from tests.reference.slow_reader import read_object
from vigil_cli.analyze import TIERS, analyze
from vigil_cli.backfill import backfill
from vigil_cli.ready import dagster_ready
from vigil_core.errors import NothingToAnalyze, PartitionsFailed
from vigil_resources.statements import SQL_ROOT, query
from vigil_sandbox.world import TINY, write_world

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("world")
    write_world(TINY, folder / "raw")
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, FIRST, LAST)
        yield vigil


def _objects(vigil: Installation) -> list[Path]:
    found = Path(vigil.settings.node_data).glob("node_fills_by_block/hourly/*/*.lz4")
    return sorted(found, key=lambda path: (path.parent.name, int(path.stem)))


def test_every_relation_equals_the_slow_reader_in_every_column(
    world: Installation,
) -> None:
    rows = [row for path in _objects(world) for row in read_object(path).rows]

    assert_equal_everywhere(world, rows)


def test_planted_traders_get_the_classes_that_were_foretold(
    world: Installation,
) -> None:
    truth = json.loads((Path(world.settings.node_data) / "truth.json").read_text())
    found = dict(world.warehouse.rows("profiles/types"))

    expected = {t["address"]: t["expected_type"] for t in truth["planted"]}

    assert {address: found[address] for address in expected} == expected


def test_a_second_backfill_does_nothing(world: Installation) -> None:
    before = world.digests()

    worked = backfill(world.settings, FIRST, LAST)

    assert worked == 0
    assert world.digests() == before


def test_a_load_asks_nothing_of_the_raw_source(world: Installation) -> None:
    settings = replace(world.settings, node_data="s3://not-a-bucket-of-ours")

    assert backfill(settings, FIRST, LAST, select="key:fills") == 0


def test_a_liquidation_names_its_victim_and_the_other_side_once(
    world: Installation,
) -> None:
    found = world.records("SELECT * FROM recent_liquidations")
    trades = world.records(
        "SELECT DISTINCT time, coin, tid, lower(liquidation ->> 'liquidatedUser') AS victim"
        " FROM fills WHERE liquidation IS NOT NULL"
    )

    assert found
    assert len(found) == len(trades)
    assert all(row["liquidated_user"] != row["liquidator"] for row in found)
    assert all(row["liquidator"] is not None for row in found)


def test_dagster_knows_every_partition_and_its_rows(world: Installation) -> None:
    with dagster_ready(world.settings) as instance:
        days = instance.get_materialized_partitions(dg.AssetKey("trader_daily"))
        event = instance.get_latest_materialization_event(dg.AssetKey("fills"))
        checks = instance.get_latest_materialization_event(dg.AssetKey("raw_fills"))

    assert days == {str(FIRST), str(LAST)}
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["dagster/partition_row_count"].value > 1000
    assert checks is not None


@pytest.mark.slow
def test_a_changed_hour_reaches_fills_aggregates_and_profiles(
    world: Installation,
) -> None:
    path = _objects(world)[5]
    original = path.read_bytes()
    text = lz4.frame.decompress(original).splitlines(keepends=True)
    full = next(i for i, line in enumerate(text) if b'"events":[[' in line)
    path.write_bytes(lz4.frame.compress(b"".join(text[:full] + text[full + 1 :])))
    before = world.digests()

    backfill(world.settings, FIRST, LAST)

    rows = [row for item in _objects(world) for row in read_object(item).rows]
    assert_equal_everywhere(world, rows)
    changed = world.digests()
    assert changed["fills"] != before["fills"]
    path.write_bytes(original)
    backfill(world.settings, FIRST, LAST)
    restored = world.digests()
    same = ("fills", "trader_daily", "coin_daily", "builder_daily", "trader_coin_daily")
    assert {name: restored[name] for name in same} == {name: before[name] for name in same}


def test_bad_lines_are_kept_with_their_places_and_the_rest_is_loaded(
    world: Installation, vigil: Installation
) -> None:
    source = _objects(world)[3]
    target = Path(vigil.settings.node_data) / "node_fills_by_block/hourly/20250901"
    target.mkdir(parents=True)
    good = lz4.frame.decompress(source.read_bytes())
    (target / "3.lz4").write_bytes(lz4.frame.compress(b'{"broken\n' + good))

    backfill(vigil.settings, FIRST, FIRST)

    [line] = vigil.records("SELECT * FROM quarantined_lines")
    assert (line["file_id"], line["line_number"], line["byte_offset"]) == (
        "20250901/03",
        1,
        0,
    )
    assert line["raw"] == '{"broken'
    [progress] = vigil.records("SELECT rows_loaded, rows_rejected FROM load_progress")
    assert progress == {
        "rows_loaded": len(read_object(source).rows),
        "rows_rejected": 1,
    }
    [health] = vigil.records("SELECT rejected_lines, hours_present FROM data_health")
    assert health == {"rejected_lines": 1, "hours_present": 1}


@pytest.mark.slow
def test_a_truncated_object_fails_its_day_and_no_other(
    world: Installation, vigil: Installation
) -> None:
    raw = Path(vigil.settings.node_data)
    shutil.copytree(
        Path(world.settings.node_data) / "node_fills_by_block",
        raw / "node_fills_by_block",
    )
    broken = raw / f"node_fills_by_block/hourly/{LAST:%Y%m%d}/7.lz4"
    broken.write_bytes(broken.read_bytes()[:-20])

    with pytest.raises(PartitionsFailed, match=r"fills_parquet 2025-09-02"):
        backfill(vigil.settings, FIRST, LAST)

    assert [row["day"] for row in vigil.records("SELECT day FROM data_health")] == [str(FIRST)]


@pytest.mark.slow
def test_a_row_of_another_day_is_loaded_on_its_own_day(
    world: Installation, vigil: Installation
) -> None:
    source = _objects(world)[10]
    target = Path(vigil.settings.node_data) / "node_fills_by_block/hourly/20250903"
    target.mkdir(parents=True)
    shutil.copy(source, target / "5.lz4")

    backfill(vigil.settings, date(2025, 9, 1), date(2025, 9, 3))
    backfill(vigil.settings, date(2025, 9, 1), date(2025, 9, 3))

    days = vigil.records("SELECT day, fills FROM data_health ORDER BY day")
    count = len(read_object(source).rows)
    assert [(row["day"], row["fills"]) for row in days] == [
        ("2025-09-01", count),
        ("2025-09-02", 0),
        ("2025-09-03", 0),
    ]


def test_the_report_shows_every_tier_and_brings_the_profiles(world: Installation) -> None:
    page = analyze(world.settings)

    text = page.read_text("utf-8")
    for heading, sections in TIERS:
        assert f"<h2>{heading}</h2>" in text
        assert all(f"<h3>{section.heading}</h3>" in text for section in sections)
    assert "SIMULATED: 2 of 2 days" in text
    assert text.count("<img ") == 7
    profiles = pl.read_parquet(page.parent / "trader_profiles.parquet")
    rows = world.records("SELECT * FROM trader_profiles ORDER BY user_address")
    assert profiles["user_address"].to_list() == [row["user_address"] for row in rows]
    assert profiles["net_pnl"].to_list() == [row["net_pnl"] for row in rows]
    (volume,) = world.records("SELECT sum(volume) AS usd FROM coin_daily")
    assert volume["usd"] == world.warehouse.table("analysis/days")["volume_usd"].sum()


def test_a_report_of_nothing_says_what_to_do(vigil: Installation) -> None:
    with pytest.raises(NothingToAnalyze, match="backfill START END"):
        analyze(vigil.settings)


ALL_FILLS = "fills_now"
"""A view of every fill: whoever asks for all of it reads all of them."""

READ_BY_RECIPES = [
    *sorted(
        f"SELECT * FROM {path.stem}"
        for path in (SQL_ROOT / "views").glob("*.sql")
        if path.stem != ALL_FILLS
    ),
    f"SELECT * FROM {ALL_FILLS} WHERE user_address = '0x51b0' ORDER BY time DESC LIMIT 100",
    *(query(f"analysis/{path.stem}") for path in (SQL_ROOT / "queries/analysis").glob("*.sql")),
    "SELECT * FROM fills WHERE user_address = '0x51b0' ORDER BY time DESC LIMIT 100",
    "SELECT * FROM smart_money_positions WHERE coin = 'BTC' AND hour >= 1756684800000",
    "SELECT * FROM trader_profiles WHERE trader_type = 'HFT' ORDER BY net_pnl DESC NULLS LAST "
    "LIMIT 10",
]


def scans_of_fills(vigil: Installation, statement: str) -> list[str]:
    """With scans priced out of all proportion, what is left of them has no index to use."""
    with vigil.warehouse.connect(read_only=True) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(f"EXPLAIN (COSTS off) {statement}").fetchall()  # type: ignore[arg-type]
    return [line for (line,) in plan if "Seq Scan on d2" in line or "Seq Scan on fills" in line]


@pytest.mark.parametrize("statement", READ_BY_RECIPES)
def test_no_reader_needs_a_scan_of_all_fills(world: Installation, statement: str) -> None:
    assert scans_of_fills(world, statement) == []


def test_a_scan_of_all_fills_would_be_noticed(world: Installation) -> None:
    assert len(scans_of_fills(world, "SELECT count(*) FROM fills WHERE px = 7")) == TINY.day_count


def test_the_best_of_a_class_are_read_from_the_index(world: Installation) -> None:
    with world.warehouse.connect(read_only=True) as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute("EXPLAIN SELECT * FROM top_traders_by_type").fetchall()
    assert any("trader_profiles_type" in line for (line,) in plan)
