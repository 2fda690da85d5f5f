"""Candles, flow and liquidations of a small world, from its files to the tables."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import lz4.frame
import polars as pl
import pytest

from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_resources.artemis.market_history import RELATIONS
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)
SELECT = "key:raw_fills or key:fills_parquet or key:fills or key:coin_daily or key:candles"
EVERYTHING = f"{SELECT} or key:volume_history or key:trade_flow_history or key:liquidation_events"


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("world")
    write_world(TINY, folder / "raw")
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, FIRST, LAST, select=EVERYTHING)
        yield vigil


def _digests(vigil: Installation) -> dict[str, object]:
    return {
        name: vigil.records(
            f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) AS digest FROM {name} AS t"
        )[0]["digest"]
        for name in RELATIONS
    }


def test_volume_on_and_off_the_book_is_what_the_coin_traded_on_the_day(
    world: Installation,
) -> None:
    """On the days of which every hour is covered."""
    rows = world.records(
        """
        SELECT d.day, d.coin, d.volume, sum(v.volume_usd + v.off_book_volume_usd) AS found,
            count(*) AS buckets
        FROM coin_daily AS d
        JOIN volume_history AS v ON v.day = d.day AND v.coin = d.coin
        JOIN day_state AS s ON s.day = d.day AND s.is_final
        GROUP BY d.day, d.coin, d.volume
        """
    )
    assert rows
    assert all(row["found"] == row["volume"] for row in rows)
    assert {row["buckets"] for row in rows} == {288}


def test_flow_and_what_is_unknown_make_the_volume(world: Installation) -> None:
    [row] = world.records(
        """
        SELECT count(*) AS rows,
            count(*) FILTER (
                WHERE volume_usd <> buy_volume_usd + sell_volume_usd + unknown_volume_usd
            ) AS wrong
        FROM volume_history
        JOIN trade_flow_history USING (day, coin, recorded_at)
        """
    )
    assert row["rows"] > 0
    assert row["wrong"] == 0


def test_candles_follow_one_another_and_five_hold_the_minutes(world: Installation) -> None:
    frame = pl.DataFrame(
        world.records(
            "SELECT coin, interval, open_time, open, high, low, close, trades, filled FROM candles"
        )
    )
    minutes = frame.filter(pl.col("interval") == "1m").with_columns(
        (pl.col("open_time") // 300_000 * 300_000).alias("bucket")
    )
    fives = frame.filter(pl.col("interval") == "5m")
    # A quiet minute is flat at a close that may be of the five minutes before.
    grouped = (
        minutes.filter(~pl.col("filled"))
        .group_by("coin", "bucket")
        .agg(pl.col("high").max(), pl.col("low").min(), pl.col("trades").sum())
    )
    both = fives.filter(~pl.col("filled")).join(
        grouped, left_on=["coin", "open_time"], right_on=["coin", "bucket"], suffix="_minutes"
    )
    assert both.height > 0
    for name in ("high", "low", "trades"):
        assert both[name].to_list() == both[f"{name}_minutes"].to_list()
    flat = minutes.filter(pl.col("filled"))
    assert flat.height > 0
    assert (
        flat.select((pl.col("open") == pl.col("close")) & (pl.col("trades") == 0)).to_series().all()
    )


def test_a_quiet_coin_goes_on_over_midnight(world: Installation) -> None:
    start = world.records("SELECT min(day) AS day FROM candles")[0]["day"] + 86_400_000
    rows = world.records(
        f"""
        SELECT c.open, p.close
        FROM candles AS c
        JOIN candles AS p
            ON p.coin = c.coin AND p.interval = c.interval AND p.open_time = c.open_time - 60000
        WHERE c.open_time = {start} AND c.interval = '1m' AND c.filled
        """
    )
    assert rows
    assert all(row["open"] == row["close"] for row in rows)


def test_liquidations_are_the_view_s_by_victim(world: Installation) -> None:
    events = world.records(
        "SELECT address, sum(size_usd) AS usd FROM liquidation_events GROUP BY 1"
    )
    views = world.records(
        "SELECT liquidated_user AS address, sum(notional) AS usd "
        "FROM recent_liquidations GROUP BY 1"
    )
    known = {row["address"]: row["usd"] for row in views}
    assert events
    assert all(Decimal(100) <= row["usd"] <= known[row["address"]] for row in events)


def test_a_second_run_does_nothing_and_a_forced_one_changes_nothing(world: Installation) -> None:
    before = _digests(world)
    assert backfill(world.settings, FIRST, LAST, select=EVERYTHING) == 0
    backfill(world.settings, FIRST, LAST, select="key:candles", force=True)
    assert _digests(world) == before


def test_a_changed_hour_reaches_the_tables_and_back(world: Installation) -> None:
    found = Path(world.settings.node_data).glob("node_fills_by_block/hourly/*/*.lz4")
    path = sorted(found, key=lambda one: (one.parent.name, int(one.stem)))[-3]
    original, before = path.read_bytes(), _digests(world)
    text = lz4.frame.decompress(original).splitlines(keepends=True)
    full = next(i for i, line in enumerate(text) if b'"crossed":true' in line)
    path.write_bytes(lz4.frame.compress(b"".join(text[:full] + text[full + 1 :])))

    backfill(world.settings, FIRST, LAST, select=EVERYTHING)

    assert _digests(world) != before
    path.write_bytes(original)
    backfill(world.settings, FIRST, LAST, select=EVERYTHING)
    assert _digests(world) == before
