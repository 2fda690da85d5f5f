"""Balances of a small world, the open interest in them, and what snapshots make of it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.errors import InvalidSetting
from vigil_resources.wiring import open_funding_history
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)
SELECT = "+key:feature_snapshots or key:snapshot_labels"


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("world")
    write_world(TINY, folder / "raw")
    module_patch.setenv("VIGIL_COINS", "BTC,ETH")
    module_patch.setenv("VIGIL_ARTEMIS_DATA", str(folder / "raw" / "artemis" / "raw"))
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, FIRST, LAST, select=SELECT)
        yield vigil


def test_both_sides_of_the_core_perps_agree_and_are_carried_on(world: Installation) -> None:
    rows = world.records("SELECT * FROM oi_history WHERE kind = 'snapshot'")
    assert rows
    assert all(row["oi_usd"] > 0 and row["oi_imbalance"] < 0.01 for row in rows if row["usable"])
    days = world.records("SELECT count(DISTINCT day) AS days FROM oi_history")
    assert days[0]["days"] == TINY.day_count
    assert world.records("SELECT count(*) AS rows FROM oi_history WHERE kind = 'carried'")[0][
        "rows"
    ]


def test_what_was_carried_to_the_next_count_is_what_was_counted(world: Installation) -> None:
    drifts = world.records("SELECT coin, oi_drift FROM oi_history WHERE oi_drift IS NOT NULL")
    assert drifts
    assert max(abs(row["oi_drift"]) for row in drifts) < 0.001


def test_large_holders_are_addresses_and_all_accounts_have_balances(world: Installation) -> None:
    [row] = world.records("SELECT count(*) AS rows, min(tier) AS tier FROM addresses")
    assert row["rows"] > 0
    assert row["tier"] == 3
    [row] = world.records("SELECT count(DISTINCT day) AS days FROM account_balances")
    assert row["days"] == TINY.day_count


def test_snapshots_know_the_magnet_and_the_pressure_reasons(world: Installation) -> None:
    [row] = world.records(
        "SELECT sum(liq_magnet_avail) AS magnet, count(oi_kind) AS oi, count(*) AS rows "
        "FROM feature_snapshots"
    )
    assert row["rows"] == 2 * 288 * TINY.day_count
    assert row["oi"] > 0
    assert row["magnet"] > 0


def test_a_position_is_wiped_out_where_the_coin_offers_the_leverage(world: Installation) -> None:
    rows = world.records(
        "SELECT coin, wiped_at_4h_reason AS reason, count(*) AS rows FROM snapshot_labels "
        "WHERE status_4h = 'complete' GROUP BY 1, 2"
    )
    # Both coins offer more than 20 x.
    assert {(row["coin"], row["reason"]) for row in rows} == {("BTC", None), ("ETH", None)}


def test_a_day_s_results_are_the_tables_own(world: Installation) -> None:
    [first, last] = world.records("SELECT * FROM artemis_day_results")
    assert [first["date"], last["date"]] == [FIRST, LAST]
    start = day_start_ms(LAST)
    counts = {
        "liquidation_events": f"SELECT count(*) FROM liquidation_events WHERE day = {start}",
        "snapshots_reconstructed": f"SELECT count(*) FROM feature_snapshots WHERE day = {start}",
        "labels_computed": "SELECT count(*) FROM snapshot_labels "
        f"WHERE label_status = 'complete' AND day = {start}",
        "labels_pending": "SELECT count(*) FROM snapshot_labels "
        f"WHERE label_status = 'pending' AND day = {start}",
        "addresses_discovered": "SELECT count(DISTINCT address) FROM addresses "
        f"WHERE last_seen = {start}",
        "trades_processed": "SELECT count(DISTINCT (time, coin, tid)) FROM fills "
        f"WHERE is_perp(coin) AND time >= {start} AND time < {start + DAY_MS}",
        "profiles_computed": "SELECT count(DISTINCT address) FROM wallet_profiles "
        f"WHERE day = {start}",
    }
    for name, statement in counts.items():
        [[expected]] = [row.values() for row in world.records(statement)]
        assert last[name] == expected, name
    assert last["rows_rejected"] == 0
    assert last["elapsed_seconds"] > 0


def test_a_second_run_does_nothing(world: Installation) -> None:
    assert backfill(world.settings, FIRST, LAST, select=SELECT) == 0


def test_rates_of_another_source_are_neither_asked_for_nor_mixed_in(
    world: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.records("SELECT count(*) AS rates FROM funding_history") == [{"rates": 0}]
    with pytest.raises(InvalidSetting, match="HYPERLIQUID_API_URL"):
        backfill(world.settings, FIRST, LAST, select="key:funding_history")
    assert "funding_history is left out" in capsys.readouterr().err
    with pytest.raises(InvalidSetting, match="HYPERLIQUID_API_URL"):
        open_funding_history(world.settings)
