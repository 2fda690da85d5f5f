"""Artemis' copy of the fills as a second source: compared with the lake's, row by row."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from tests.conftest import Installation, installed
from vigil_assets.definitions import ASSETS, defs
from vigil_cli.ready import dagster_ready
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.artemis_format import artemis_rows
from vigil_resources.artemis_fills import compare_day
from vigil_resources.wiring import open_artemis_fills
from vigil_sandbox.artemis_fills_writer import parquet_path, write_artemis_fills
from vigil_sandbox.older_writers import written_hours
from vigil_sandbox.world import TINY, write_world

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
