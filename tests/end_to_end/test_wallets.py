"""Wallet profiles, co-occurrences and funding of a small world, from its files to the tables."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import lz4.frame
import polars as pl
import pytest

from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_core.artemis.fifo import match_days
from vigil_core.artemis.wallet_profiles import fills_summary, peak_exposure, wallet_profiles
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_resources.artemis.wallets import FILLS, RELATIONS
from vigil_resources.database.day_tables import DayTables
from vigil_sandbox.info_server import Answers, InfoServer
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)
SELECT = "+key:wallet_profiles or key:funding_history"


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[tuple[Installation, InfoServer]]:
    folder = tmp_path_factory.mktemp("world")
    write_world(TINY, folder / "raw")
    with InfoServer(Answers.of_world(folder / "raw")) as server:
        module_patch.setenv("VIGIL_COINS", "BTC,ETH")
        module_patch.setenv("HYPERLIQUID_API_URL", server.url)
        with installed(folder, folder / "raw", module_patch) as vigil:
            backfill(vigil.settings, FIRST, LAST, select=SELECT)
            yield vigil, server


def _digests(vigil: Installation) -> dict[str, object]:
    return {
        name: vigil.records(
            f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) AS digest FROM {name} AS t"
        )[0]["digest"]
        for name in RELATIONS
    }


def test_profiles_by_the_day_equal_those_of_all_fills_at_once(
    world: tuple[Installation, InfoServer],
) -> None:
    vigil, _ = world
    tables = DayTables(vigil.warehouse)
    days = [FIRST + timedelta(days=n) for n in range(TINY.day_count)]
    fills = [tables.read("artemis/perp_fills", FILLS, start=day_start_ms(day)) for day in days]
    matched = match_days(fills)
    held, summaries = None, []
    for day, found in zip(fills, matched, strict=True):
        exposure = peak_exposure(day, held)
        held = exposure.held
        summaries.append(fills_summary(day, found.positions, exposure.peaks))
    expected = wallet_profiles(
        pl.concat(found.pieces for found in matched),
        pl.concat(summaries),
        day_start_ms(LAST) + DAY_MS,
        "all",
    )
    names = ["trade_count", "net_pnl_usd", "win_rate", "style", "continuity_breaks"]
    found_rows = vigil.records(
        f"SELECT address, {', '.join(names)} FROM wallet_profiles WHERE \"window\" = 'all' "
        f"AND as_of = {day_start_ms(LAST) + DAY_MS} ORDER BY address"
    )
    assert found_rows
    assert found_rows == expected.select("address", *names).to_dicts()


def test_pairs_are_in_order_and_more_than_once_together(
    world: tuple[Installation, InfoServer],
) -> None:
    rows = world[0].records("SELECT * FROM co_occurrences")
    assert all(row["address_a"] < row["address_b"] and row["n_together"] >= 2 for row in rows)


def test_funding_is_hourly_and_asked_for_once(world: tuple[Installation, InfoServer]) -> None:
    vigil, server = world
    rows = vigil.records(
        "SELECT coin, count(*) AS rates FROM funding_history GROUP BY 1 ORDER BY 1"
    )
    assert [row["coin"] for row in rows] == ["BTC", "ETH"]
    assert all(row["rates"] >= 24 * TINY.day_count - 1 for row in rows)
    asked = server.requests

    backfill(vigil.settings, FIRST, LAST, select="key:funding_history", force=True)

    assert server.requests == asked


def test_a_second_run_does_nothing_and_a_forced_one_changes_nothing(
    world: tuple[Installation, InfoServer],
) -> None:
    vigil, _ = world
    before = _digests(vigil)
    assert backfill(vigil.settings, FIRST, LAST, select=SELECT) == 0
    backfill(vigil.settings, FIRST, LAST, select="key:wallet_profiles", force=True)
    assert _digests(vigil) == before


def test_a_changed_hour_of_an_old_day_reaches_later_profiles_and_back(
    world: tuple[Installation, InfoServer],
) -> None:
    vigil, _ = world
    found = Path(vigil.settings.node_data).glob(f"node_fills_by_block/hourly/{FIRST:%Y%m%d}/*.lz4")
    path = sorted(found, key=lambda one: int(one.stem))[12]
    original, before = path.read_bytes(), _digests(vigil)
    of_last = 'SELECT * FROM wallet_profiles WHERE day = {} ORDER BY address, "window"'
    last_before = vigil.records(of_last.format(day_start_ms(LAST)))
    lines = lz4.frame.decompress(original).splitlines(keepends=True)
    full = next(i for i, line in enumerate(lines) if b'"Open Long"' in line)
    path.write_bytes(lz4.frame.compress(b"".join(lines[:full] + lines[full + 1 :])))

    backfill(vigil.settings, FIRST, LAST, select=SELECT)

    assert vigil.records(of_last.format(day_start_ms(LAST))) != last_before
    path.write_bytes(original)
    backfill(vigil.settings, FIRST, LAST, select=SELECT)
    assert _digests(vigil) == before
