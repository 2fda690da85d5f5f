"""Artemis' copy of the fills as a second source: compared with the lake's, row by row."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from tests.conftest import Installation, installed
from vigil_assets.definitions import ASSETS, defs
from vigil_cli.ready import dagster_ready
from vigil_core.calendar import HOUR_MS, day_start_ms
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.artemis_format import artemis_rows
from vigil_resources.artemis.fills_of_day import ArtemisCopy, LakeFills
from vigil_resources.artemis.market_history import MarketHistory
from vigil_resources.database.day_tables import DayTables
from vigil_resources.files.artemis_fills import (
    ArtemisFills,
    ArtemisLayout,
    ImpossibleTimes,
    compare_day,
)
from vigil_resources.files.store import Store
from vigil_resources.wiring import open_artemis_fills
from vigil_sandbox.artemis_fills_writer import parquet_path, write_artemis_fills
from vigil_sandbox.older_writers import written_hours
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

DAY = TINY.first_day


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("artemis")
    write_world(TINY, folder / "raw")
    module_patch.setenv("VIGIL_ARTEMIS_DATA", str(folder / "artemis"))
    with installed(folder, folder / "raw", module_patch) as installation:
        yield installation


def write_copy(vigil: Installation, *, times_in_ms: bool = False, has_dir: bool = True) -> Path:
    world, target = Path(vigil.settings.node_data), Path(vigil.settings.artemis_data)
    write_artemis_fills(
        world, target, written_hours(world), times_in_ms=times_in_ms, has_dir=has_dir
    )
    return target


def checked(vigil: Installation) -> dg.AssetCheckEvaluation:
    """The check's verdict in a run of the day."""
    with dagster_ready(vigil.settings) as instance:
        result = dg.materialize(
            [*ASSETS, *(defs().asset_checks or [])],
            selection=["raw_fills", "fills_parquet"],
            partition_key=str(DAY),
            resources=dict(defs().resources or {}),
            instance=instance,
        )
    (found,) = [
        e for e in result.get_asset_check_evaluations() if e.check_name == "agrees_with_artemis"
    ]
    return found


@pytest.mark.parametrize("times_in_ms", [False, True])
@pytest.mark.parametrize("has_dir", [False, True])
def test_a_true_copy_agrees(vigil: Installation, times_in_ms: bool, has_dir: bool) -> None:
    write_copy(vigil, times_in_ms=times_in_ms, has_dir=has_dir)

    found = checked(vigil)

    assert found.passed
    counts = compare_day(vigil.lake, open_artemis_fills(vigil.settings), DAY)
    assert counts == {
        "rows_in_both": vigil.lake.day(DAY).rows,
        "rows_only_ours": 0,
        "rows_only_theirs": 0,
        "rows_that_differ": 0,
    }


def test_what_a_copy_lacks_adds_or_alters_is_counted(vigil: Installation) -> None:
    target = write_copy(vigil)
    hour = next(h for h in written_hours(Path(vigil.settings.node_data)) if h.hour == 12)
    path = parquet_path(target, hour)
    copy = pl.read_parquet(path)
    assert copy.height > 8
    altered = copy[2:].with_columns(
        px=pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("77.5")).otherwise("px")
    )
    added = copy[:1].with_columns(oid=pl.lit(1, pl.Int64))
    pl.concat([altered, added]).write_parquet(path)

    found = checked(vigil)

    assert not found.passed
    counts = compare_day(vigil.lake, open_artemis_fills(vigil.settings), DAY)
    assert counts is not None
    assert (counts["rows_only_ours"], counts["rows_only_theirs"]) == (2, 1)
    assert counts["rows_that_differ"] == 3


def test_a_day_without_a_copy_is_not_called_equal(vigil: Installation) -> None:
    artemis = open_artemis_fills(vigil.settings)
    assert compare_day(vigil.lake, artemis, DAY + timedelta(days=300)) is None


def test_floats_mean_the_text_they_were_written_as() -> None:
    table = pl.DataFrame(
        {
            "user": ["0xAB"],
            "coin": ["BTC"],
            "px": [0.1],
            "sz": [115541.0],
            "side": ["B"],
            "time": [1_761_584_399_797],
            "close_pnl": [-1e-05],
        }
    )
    (row,) = artemis_rows(table).to_dicts()
    assert str(row["px"]) == "0.100000000000"
    assert row["closed_pnl"] == Decimal("-0.00001")
    assert (row["user_address"], row["time"]) == ("0xab", 1_761_584_399_797)


def test_a_file_without_an_obligatory_column_says_which() -> None:
    with pytest.raises(UnexpectedColumns, match="expected columns .*'time'.*'side'"):
        artemis_rows(pl.DataFrame({"user": ["a"], "coin": ["b"], "px": ["1"], "sz": ["1"]}))


def test_times_out_of_any_range_are_unknown() -> None:
    table = pl.DataFrame(
        {"user": ["a"] * 2, "coin": "b", "px": "1", "sz": "1", "side": "B", "time": [5, 10**18]}
    )
    assert artemis_rows(table)["time"].to_list() == [None, None]
    assert date(2025, 9, 1) == DAY


# --- as the source of the feature line ----------------------------------------------------------


def tables_of(vigil: Installation) -> dict[str, list[dict[str, object]]]:
    """What both sources know: of a ms, the copy does not tell which trade came first."""
    candles = "coin, interval, open_time, high, low, volume, trades, filled"
    statements = {
        "volume_history": "SELECT * FROM volume_history ORDER BY coin, recorded_at",
        "trade_flow_history": "SELECT * FROM trade_flow_history ORDER BY coin, recorded_at",
        "candles": f"SELECT {candles} FROM candles ORDER BY coin, interval, open_time",
    }
    return {name: vigil.records(statement) for name, statement in statements.items()}


def test_the_copy_gives_the_history_of_the_lake_and_leaves_unknown_what_it_lacks(
    vigil: Installation,
) -> None:
    write_copy(vigil)
    checked(vigil)
    tables = DayTables(vigil.warehouse)
    MarketHistory(LakeFills(vigil.lake), tables).build(DAY)
    ours = tables_of(vigil)
    assert vigil.records("SELECT * FROM liquidation_events")

    copy = MarketHistory(ArtemisCopy(open_artemis_fills(vigil.settings)), tables)
    assert not copy.is_current(DAY)
    copy.build(DAY)

    assert copy.is_current(DAY)
    assert tables_of(vigil) == ours
    assert vigil.records("SELECT * FROM liquidation_events") == []
    [state] = vigil.records("SELECT details FROM artemis_state WHERE relation = 'candles'")
    assert len(state["details"]["covered"]) == 24
    assert state["details"]["covered_liquidations"] == []


def test_without_an_hour_s_files_it_and_the_one_before_are_not_covered(vigil: Installation) -> None:
    target = write_copy(vigil)
    parquet_path(target, datetime(DAY.year, DAY.month, DAY.day, 7, tzinfo=UTC)).unlink()
    covered = ArtemisCopy(open_artemis_fills(vigil.settings)).day(DAY).covered
    hours = [(start - day_start_ms(DAY)) // HOUR_MS for start, _ in covered]
    assert hours == [hour for hour in range(24) if hour not in {6, 7}]


def test_the_documented_layout_is_told_apart_and_refused(tmp_path: Path) -> None:
    (tmp_path / f"node_fills/{DAY}").mkdir(parents=True)
    (tmp_path / f"node_fills/{DAY}/0.json.gz").write_bytes(b"")
    copy = ArtemisFills(Store(str(tmp_path), {}), tmp_path / "scratch")
    with pytest.raises(ArtemisLayout, match="a line per trade"):
        copy.listing(DAY)


def test_a_day_of_impossible_times_is_refused(vigil: Installation) -> None:
    target = write_copy(vigil)
    path = parquet_path(target, datetime(DAY.year, DAY.month, DAY.day, 3, tzinfo=UTC))
    table = pl.read_parquet(path).with_columns(
        pl.lit(datetime(2150, 1, 1, tzinfo=UTC)).alias("time")
    )
    table.with_columns(pl.col("time").cast(pl.Datetime("ns"))).write_parquet(path)
    with pytest.raises(ImpossibleTimes, match=str(DAY)):
        open_artemis_fills(vigil.settings).day(DAY)
