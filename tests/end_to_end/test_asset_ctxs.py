"""Market contexts through Dagster: recorded lines, a simulated world, and missing days."""

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import dagster as dg
import lz4.frame
import pytest

from tests.conftest import Installation, installed
from tests.core.test_asset_ctxs import assert_equal_cells, slowly
from tests.reference.shared_files import shared_file
from vigil_assets.definitions import ASSETS
from vigil_cli.backfill import backfill
from vigil_cli.ready import dagster_ready
from vigil_core.calendar import FIRST_DAY
from vigil_core.errors import InvalidSetting, PartitionsFailed
from vigil_resources.files.asset_ctxs import AssetCtxs
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_asset_ctxs
from vigil_sandbox.asset_ctxs_writer import write_asset_ctxs
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

NAME = "asset_ctxs"
RECORDED = "data/real/asset_ctxs/20250101_head.csv"
NEW_YEAR = date(2025, 1, 1)
FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """A simulated world with its archive, and a recorded day of the real one beside it."""
    folder = tmp_path_factory.mktemp("contexts")
    write_world(TINY, folder / "raw")
    write_asset_ctxs(folder / "raw")
    with installed(folder, folder / "raw", module_patch):
        module_patch.setenv("VIGIL_ARCHIVE_DATA", str(folder / "raw"))
        yield Installation(Settings.from_environment())


@pytest.fixture
def ctxs(vigil: Installation) -> AssetCtxs:
    return open_asset_ctxs(vigil.settings)


def _metadata(vigil: Installation, day: date) -> dict[str, object]:
    with dagster_ready(vigil.settings) as instance:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(NAME), asset_partitions=[str(day)]), limit=1
        ).records
    materialization = records[0].asset_materialization
    assert materialization is not None
    return {name: value.value for name, value in materialization.metadata.items()}


def _check(vigil: Installation) -> tuple[bool, dg.AssetCheckSeverity, dict[str, object]]:
    with dagster_ready(vigil.settings) as instance:
        [record] = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey(NAME), "minutes_complete"), limit=1
        )
    assert record.event is not None
    evaluation = record.event.asset_check_evaluation
    assert evaluation is not None
    values = {name: value.value for name, value in evaluation.metadata.items()}
    return evaluation.passed, evaluation.severity, values


@pytest.mark.slow
def test_a_whole_simulated_week_is_built_with_its_contexts(
    vigil: Installation, ctxs: AssetCtxs
) -> None:
    assert backfill(vigil.settings, FIRST, LAST) == 2
    assert backfill(vigil.settings, FIRST, LAST) == 0

    for day in (FIRST, LAST):
        path = Path(vigil.settings.archive_data) / f"asset_ctxs/{day:%Y%m%d}.csv.lz4"
        lines = lz4.frame.decompress(path.read_bytes()).splitlines()
        assert_equal_cells(ctxs.read(day), slowly(lines))
        entry = ctxs.finished(day)
        assert (entry.source, entry.rejected) == ("sandbox", 0)
    assert ctxs.finished(LAST).minutes_present == 1440


def test_the_page_sees_rows_minutes_coins_and_hours(vigil: Installation) -> None:
    backfill(vigil.settings, LAST, LAST, select=NAME)
    metadata = _metadata(vigil, LAST)
    assert metadata["dagster/partition_row_count"] == 24 * 1440
    assert (metadata["minutes_present"], metadata["coins"]) == (1440, 24)
    assert metadata["rejected_lines"] == 0
    assert str(metadata["hourly_rows"]).startswith("![Rows per hour")


def test_simulated_contexts_agree_with_the_worlds_own_funding(
    vigil: Installation, ctxs: AssetCtxs
) -> None:
    backfill(vigil.settings, FIRST, LAST, select=NAME)
    rows = ctxs.read(LAST)
    assert rows["open_interest"].min() >= 0  # type: ignore[operator]
    assert rows["open_interest"].max() > 0  # type: ignore[operator]
    gap = (rows["mark_px"].cast(float) / rows["oracle_px"].cast(float) - 1).abs().max()
    assert gap is not None
    assert gap < 0.01  # type: ignore[operator]
    assert rows["mid_px"].null_count() == rows["premium"].null_count() > 0


def test_a_recorded_day_cut_short_is_built_and_warned_of(
    vigil: Installation, ctxs: AssetCtxs
) -> None:
    shutil.copy(
        shared_file(f"{RECORDED}.lz4"),
        Path(vigil.settings.archive_data) / "asset_ctxs/20250101.csv.lz4",
    )

    backfill(vigil.settings, NEW_YEAR, NEW_YEAR, select=NAME)

    rows = ctxs.read(NEW_YEAR)
    assert_equal_cells(rows, slowly(shared_file(RECORDED).read_bytes().splitlines()))
    assert rows["day_ntl_vlm"][0] == Decimal("1534891576.0827198")
    passed, severity, found = _check(vigil)
    assert (passed, severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found == {
        "minutes_missing": 1436,
        "missing_minutes": {"2025-01-01": [["00:04", "23:59"]]},
    }


def test_a_day_without_an_object_fails_and_no_other(
    vigil: Installation, ctxs: AssetCtxs, capfd: pytest.CaptureFixture[str]
) -> None:
    archive = Path(vigil.settings.archive_data) / "asset_ctxs"
    shutil.copy(archive / f"{FIRST:%Y%m%d}.csv.lz4", archive / "20240103.csv.lz4")

    with pytest.raises(PartitionsFailed) as caught:
        backfill(vigil.settings, date(2024, 1, 2), date(2024, 1, 3), select=NAME)

    assert caught.value.failed == [(NAME, "2024-01-02")]
    assert "expected an object at 'asset_ctxs/20240102.csv.lz4'" in capfd.readouterr().err
    # Another day's lines are all rejected: the file is not of its day.
    entry = ctxs.finished(date(2024, 1, 3))
    assert (entry.rows, entry.rejected) == (0, entry.lines - 1)


def test_contexts_reach_back_further_than_fills_and_not_further(vigil: Installation) -> None:
    before = date(2023, 5, 19)
    with pytest.raises(InvalidSetting, match="from 2023-05-20 on"):
        backfill(vigil.settings, before, before, select=NAME)
    with pytest.raises(InvalidSetting, match=f"from {FIRST_DAY} on"):
        backfill(vigil.settings, NEW_YEAR, NEW_YEAR)
    [asset] = [item for item in ASSETS if dg.AssetKey(NAME) in item.keys]
    assert asset.partitions_def is not None
    assert asset.partitions_def.get_first_partition_key() == "2023-05-20"


def test_without_an_archive_of_its_own_a_world_is_built_without_contexts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_world(TINY, tmp_path / "raw")
    monkeypatch.delenv("VIGIL_ARCHIVE_DATA", raising=False)
    with installed(tmp_path, tmp_path / "raw", monkeypatch) as vigil:
        assert backfill(vigil.settings, FIRST, FIRST) == 1
        assert open_asset_ctxs(vigil.settings).entry(FIRST) is None
    assert "asset_ctxs is left out" in capfd.readouterr().err
