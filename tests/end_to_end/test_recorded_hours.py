"""Blocks that the exchange's node really wrote."""

import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import lz4.frame
import pytest

from tests.conftest import Installation, installed
from tests.end_to_end.comparison import assert_equal_everywhere
from tests.reference.shared_files import shared_file
from tests.reference.slow_reader import read_object
from vigil_cli.backfill import backfill

pytestmark = pytest.mark.slow

MARCH = "data/real/node_fills_by_block/s3_layout/node_fills_by_block/hourly/20260315/0.lz4"
OCTOBER = "data/real/node_fills_by_block/20251027_17_blocks_0000-0759.jsonl"


@pytest.fixture(scope="module")
def march(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("march")
    target = folder / "raw/node_fills_by_block/hourly/20260315"
    target.mkdir(parents=True)
    shutil.copy(shared_file(MARCH), target / "0.lz4")
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, date(2026, 3, 14), date(2026, 3, 15))
        yield vigil


@pytest.fixture(scope="module")
def october(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("october")
    target = folder / "raw/node_fills_by_block/hourly/20251027"
    target.mkdir(parents=True)
    frame = lz4.frame.compress(
        shared_file(OCTOBER).read_bytes(),
        block_linked=False,
        content_checksum=True,
        store_size=False,
    )
    (target / "17.lz4").write_bytes(frame)
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, date(2025, 10, 27), date(2025, 10, 27))
        yield vigil


def test_a_fill_lies_on_the_day_of_its_own_time(march: Installation) -> None:
    days = march.records("SELECT day, fills, hours_present FROM data_health ORDER BY day")

    assert days == [
        {"day": "2026-03-14", "fills": 18, "hours_present": 0},
        {"day": "2026-03-15", "fills": 1370, "hours_present": 1},
    ]


def test_an_object_of_two_days_is_one_row_of_load_progress(march: Installation) -> None:
    rows = march.records("SELECT file_id, rows_loaded, rows_rejected FROM load_progress")

    assert rows == [{"file_id": "20260315/00", "rows_loaded": 1388, "rows_rejected": 0}]


def test_march_equals_the_slow_reader_in_every_column(march: Installation) -> None:
    assert_equal_everywhere(march, read_object(shared_file(MARCH)).rows)


def test_october_equals_the_slow_reader_in_every_column(october: Installation) -> None:
    assert_equal_everywhere(october, read_object(shared_file(OCTOBER)).rows)


@pytest.mark.parametrize(
    ("coin", "first", "high", "low", "last", "volume", "trades"),
    [
        ("BTC", "115541.0", "115570.0", "115541.0", "115568.0", "17.40647", 225),
        ("ETH", None, None, None, None, "239.9031", 151),
        ("@142", None, None, None, None, "0.59079", 22),
    ],
)
def test_the_recorded_minute_comes_out_of_sql(
    october: Installation,
    coin: str,
    first: str | None,
    high: str | None,
    low: str | None,
    last: str | None,
    volume: str,
    trades: int,
) -> None:
    [minute] = october.records(
        f"""
        SELECT
            (array_agg(px ORDER BY block_number, event_index))[1] AS first,
            max(px) AS high,
            min(px) AS low,
            (array_agg(px ORDER BY block_number DESC, event_index DESC))[1] AS last,
            sum(sz) AS volume,
            count(*) AS trades
        FROM fills
        WHERE coin = '{coin}' AND side = 'B'
          AND time >= 1761584400000 AND time < 1761584460000
        """
    )

    assert (minute["volume"], minute["trades"]) == (Decimal(volume), trades)
    if first is not None:
        figures = [minute[name] for name in ("first", "high", "low", "last")]
        assert figures == [Decimal(text or "") for text in (first, high, low, last)]


def test_loading_again_by_force_changes_nothing(march: Installation) -> None:
    before = march.digests()
    moved = before.keys() - {"load_progress", "day_state"}

    backfill(march.settings, date(2026, 3, 14), date(2026, 3, 15), force=True)

    after = march.digests()
    assert {name: after[name] for name in moved} == {name: before[name] for name in moved}


def test_the_recorded_tape_holds_but_for_fees_in_tokens_without_a_price(
    october: Installation, march: Installation
) -> None:
    for vigil in (october, march):
        failed = vigil.records(
            "SELECT DISTINCT invariant FROM reconciliation WHERE status = 'failed' ORDER BY 1"
        )
        # One hour of the day was recorded, of another a piece.
        assert [row["invariant"] for row in failed] == ["fees_priced", "source_hours_present"]


def test_dust_is_the_only_one_sided_trade_of_the_recorded_hours(
    october: Installation, march: Installation
) -> None:
    statement = (
        "SELECT sum((counts->>'paired')::int) AS paired, sum(checked) AS trades, "
        "sum((counts->'explained'->>'dust')::int) AS dust "
        "FROM reconciliation WHERE invariant = 'one_buyer_one_seller'"
    )
    [first], [second] = october.records(statement), march.records(statement)

    assert first["paired"] == first["trades"]
    assert first["dust"] is None
    assert second["paired"] == second["trades"]
    assert second["dust"] > 0
