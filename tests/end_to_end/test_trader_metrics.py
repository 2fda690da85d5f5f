"""Corrected figures, labels, their explanation and the seeds' audit, in a simulated world."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import lz4.frame
import pytest

from tests.conftest import Installation, installed
from vigil_cli import database
from vigil_cli.backfill import backfill
from vigil_cli.ready import dagster_ready
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

WORLD = replace(TINY, day_count=3)
FIRST = WORLD.first_day
LAST = FIRST + timedelta(days=WORLD.day_count - 1)
END = day_start_ms(LAST) + DAY_MS
NEEDED = " or ".join(
    f"key:{name}"
    for name in (
        *("raw_fills", "fills_parquet", "fills", "trader_daily", "coin_daily", "round_trips"),
        *("trader_profiles", "trader_metrics", "trader_labels", "seed_audit"),
        *("candles", "raw_perp_balances", "perp_balances_parquet", "oi_history"),
    )
)


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("metrics")
    write_world(WORLD, folder / "raw")
    module_patch.setenv("VIGIL_ARTEMIS_DATA", str(folder / "raw/artemis/raw"))
    with installed(folder, folder / "raw", module_patch) as installation:
        backfill(installation.settings, FIRST, LAST, select=NEEDED)
        yield installation


def planted(vigil: Installation, behaviour: str) -> list[str]:
    truth = json.loads((Path(vigil.settings.node_data) / "truth.json").read_text())
    return [t["address"] for t in truth["planted"] if t["behaviour"] == behaviour]


def label(vigil: Installation, address: str, rule_set: str) -> str:
    [row] = vigil.records(
        f"SELECT trader_type FROM trader_labels WHERE user_address = '{address}'"
        f" AND rule_set = '{rule_set}' AND valid_to IS NULL"
    )
    return str(row["trader_type"])


def test_every_trader_has_figures_as_of_every_day(vigil: Installation) -> None:
    rows = vigil.records(
        "SELECT as_of, count(*) AS traders, count(sharpe_ratio) AS judged,"
        " count(*) FILTER (WHERE (sharpe_ratio IS NULL) <> (sharpe_ratio_reason IS NOT NULL))"
        " AS unexplained FROM trader_metrics GROUP BY as_of ORDER BY as_of"
    )
    days = [FIRST + timedelta(days=n) for n in range(1, WORLD.day_count + 1)]
    assert [row["as_of"] for row in rows] == days
    assert all(row["unexplained"] == 0 for row in rows)
    assert rows[0]["judged"] == 0
    assert rows[-1]["judged"] > 20


def test_net_results_of_perps_are_what_the_profiles_say_less_spot(vigil: Installation) -> None:
    [row] = vigil.records(
        "SELECT count(*) AS traders, count(*) FILTER (WHERE m.gross_realized_pnl_usd"
        " = p.realized_pnl AND m.total_fees_usd = p.fees_paid) AS equal"
        " FROM trader_metrics AS m JOIN trader_profiles AS p USING (user_address)"
        f" WHERE as_of = '{LAST + timedelta(days=1)}' AND m.unpriced_component_count = 0"
    )
    assert row["traders"] > 20
    assert row["equal"] == row["traders"]


def test_victims_are_no_liquidators_any_more(vigil: Installation) -> None:
    victims = planted(vigil, "liquidated gambler") or [
        row["liquidated_user"] for row in vigil.records("SELECT * FROM recent_liquidations")
    ]
    by_seed = {label(vigil, address, "seed_100k") for address in victims}
    by_ours = {label(vigil, address, "vigil_v1") for address in victims}

    assert "LIQUIDATOR" in by_seed
    assert "LIQUIDATED" in by_ours
    assert "LIQUIDATOR" not in by_ours


def test_labels_of_the_seeds_end_as_the_profiles(vigil: Installation) -> None:
    rows = vigil.records(
        "SELECT p.trader_type, p.trader_type_rule, l.trader_type AS label, l.rule"
        " FROM trader_profiles AS p JOIN trader_labels AS l USING (user_address)"
        " WHERE l.rule_set = 'seed_100k' AND l.valid_to IS NULL"
    )
    assert len(rows) > 20
    for row in rows:
        assert (row["label"], row["rule"]) == (row["trader_type"], row["trader_type_rule"])


def test_labels_follow_one_another_without_gap_or_overlap(vigil: Installation) -> None:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in vigil.records("SELECT * FROM trader_labels ORDER BY valid_from"):
        found.setdefault((row["user_address"], row["rule_set"]), []).append(row)
    for rows in found.values():
        assert [row["valid_to"] for row in rows] == [*(r["valid_from"] for r in rows[1:]), None]
    assert any(len(rows) > 1 for rows in found.values())


def test_a_label_of_ours_is_left_at_the_second_failure(vigil: Installation) -> None:
    ends = [day_start_ms(FIRST) + n * DAY_MS for n in range(1, WORLD.day_count + 1)]
    said = [
        {
            row["user_address"]: (row["trader_type"], row["rule"])
            for row in vigil.records(f"SELECT * FROM evaluated_traders({at}, 'vigil_v1')")
        }
        for at in ends
    ]
    kept_once = 0
    for address in said[-1]:
        published, before = None, None
        for number, at in enumerate(ends):
            now = said[number].get(address)
            if now is None:
                continue
            fails = published is not None and now != published
            if published is None or (fails and before != published):
                published = now
            elif fails:
                kept_once += 1
            before = now
            [row] = vigil.records(
                f"SELECT trader_type, rule FROM trader_labels WHERE user_address = '{address}'"
                f" AND rule_set = 'vigil_v1' AND valid_from <= {at}"
                f" AND (valid_to IS NULL OR valid_to > {at})"
            )
            assert (row["trader_type"], row["rule"]) == published
    assert kept_once > 0


def test_explanation_names_the_lines_that_hold_the_fills(vigil: Installation) -> None:
    address = planted(vigil, json.loads(_truth(vigil))["planted"][0]["behaviour"])[0]
    day = day_start_ms(FIRST)
    rows = vigil.records(f"SELECT * FROM explain_trader_day('{address}', {day})")
    [totals] = vigil.records(
        f"SELECT * FROM trader_totals WHERE user_address = '{address}' AND day = {day}"
    )
    values = {row["figure"]: row["value"] for row in rows}
    assert values["net_pnl"] == totals["net_pnl"]
    assert values["mark_to_market_pnl"] == totals["mark_to_market_pnl"]
    assert values["exposure_usd"] == totals["exposure_usd"]

    objects = rows[0]["objects"]
    assert objects
    found = 0
    for item in objects:
        folder, hour = item["file_id"].split("/")
        path = (
            Path(vigil.settings.node_data) / f"node_fills_by_block/hourly/{folder}/{int(hour)}.lz4"
        )
        lines = lz4.frame.decompress(path.read_bytes()).splitlines()
        first, end = (int(number) for number in item["lines"].strip("[)").split(","))
        held = [_fills_of(line, address, day) for line in lines]
        assert sum(held[first - 1 : end - 1]) == sum(held) == item["fills"]
        assert held[first - 1]
        assert held[end - 2]
        found += item["fills"]
    [counted] = vigil.records(
        f"SELECT count(*) AS fills FROM fills WHERE user_address = '{address}'"
        f" AND time >= {day} AND time < {day + DAY_MS}"
    )
    assert found == counted["fills"]


def _truth(vigil: Installation) -> str:
    return (Path(vigil.settings.node_data) / "truth.json").read_text()


def _fills_of(line: bytes, address: str, day: int) -> int:
    events = json.loads(line)["events"]
    return sum(
        user.lower() == address and day <= fill["time"] < day + DAY_MS for user, fill in events
    )


def test_audit_shows_what_the_seeds_added_wrongly(vigil: Installation) -> None:
    rows = vigil.records("SELECT * FROM seed_audit WHERE metric = 'net_pnl'")
    [raw] = vigil.records(
        "SELECT sum(closed_pnl) - sum(fee) - coalesce(sum(builder_fee), 0) AS net FROM fills"
    )
    assert sum(row["seed_value"] for row in rows) == raw["net"]
    assert any(row["difference"] for row in rows)
    hold = vigil.records(
        "SELECT DISTINCT difference FROM seed_audit WHERE metric = 'avg_hold_hours'"
    )
    assert {row["difference"] for row in hold} <= {0, None}


def test_track_of_a_trader_agrees_with_his_figures(vigil: Installation) -> None:
    rows = vigil.records(
        "SELECT m.user_address, m.mark_to_market_pnl_usd, t.pnl_usd, t.roi, t.peak_exposure_usd,"
        " t.max_drawdown, t.n_days, m.n_obs FROM trader_metrics AS m"
        f" CROSS JOIN LATERAL trader_track(m.user_address, {END}) AS t"
        f" WHERE m.as_of = '{LAST + timedelta(days=1)}' AND m.pnl_basis = 'mark_to_market'"
        " AND t.peak_exposure_usd > 0"
    )
    assert len(rows) > 20
    for row in rows:
        assert row["pnl_usd"] == row["mark_to_market_pnl_usd"]
        assert row["roi"] == pytest.approx(float(row["pnl_usd"] / row["peak_exposure_usd"]))
        assert row["n_days"] == row["n_obs"]
        assert -1.0001 <= row["max_drawdown"] <= 0 or row["pnl_usd"] < 0


def test_tokens_of_a_trader_add_up_to_his_figures(vigil: Installation) -> None:
    rows = vigil.records(
        "SELECT m.user_address, m.volume_usd, m.closed_trades, m.fills,"
        " m.gross_profit_usd + m.gross_loss_usd AS net, t.*, c.concentration_index,"
        " c.share_basis, c.unique_tokens_traded FROM trader_metrics AS m"
        " CROSS JOIN LATERAL (SELECT sum(k.volume_usd) AS volume, sum(k.closed_trades) AS trades,"
        " sum(k.fills) AS token_fills, sum(k.net_pnl) AS token_net, sum(k.share) AS shares,"
        " sum(k.share ^ 2) AS squares, count(*) FILTER (WHERE k.fills > 0) AS tokens,"
        " sum(k.exposure_usd) * m.calendar_days AS exposure, (SELECT sum(abs(h.position * h.mark))"
        " FROM held_positions AS h WHERE h.user_address = m.user_address) AS held"
        f" FROM trader_tokens(m.user_address, {END}) AS k) AS t"
        f" CROSS JOIN LATERAL trader_concentration(m.user_address, {END}) AS c"
        f" WHERE m.as_of = '{LAST + timedelta(days=1)}' AND m.fills > 0"
        " AND m.win_rate_reason IS DISTINCT FROM 'unpriced_component'"
    )
    assert len(rows) > 20
    for row in rows:
        assert (row["volume"], row["trades"]) == (row["volume_usd"], row["closed_trades"])
        assert (row["token_fills"], row["token_net"]) == (row["fills"], row["net"])
        assert row["shares"] == pytest.approx(1)
        assert row["concentration_index"] == pytest.approx(row["squares"])
        assert row["unique_tokens_traded"] == row["tokens"]
        assert float(row["exposure"]) == pytest.approx(float(row["held"] or 0))
    assert {row["share_basis"] for row in rows} == {"exposure", "volume"}


def test_leverage_is_that_of_the_balances_until_then(vigil: Installation) -> None:
    found: dict[str, list[float]] = {}
    for row in vigil.records(
        "SELECT * FROM account_equity WHERE total_ntl_pos > 0 AND account_value > 0"
        f" AND recorded_at < {END - DAY_MS}"
    ):
        ratio = float(row["total_ntl_pos"] / row["account_value"])
        found.setdefault(row["address"], []).append(ratio)
    assert len(found) > 5
    for address, ratios in found.items():
        [row] = vigil.records(f"SELECT * FROM trader_leverage('{address}', {END - DAY_MS})")
        assert row["exposed_snapshots"] == len(ratios)
        assert row["avg_leverage"] == pytest.approx(sum(ratios) / len(ratios))
        assert row["max_leverage"] == pytest.approx(max(ratios))


def test_nothing_is_stale_afterwards(
    vigil: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backfill(vigil.settings, FIRST, LAST, select=NEEDED) == 0

    database.refresh(vigil.settings)

    assert "trader_metrics" not in capsys.readouterr().err


def test_report_is_kept_with_the_day(vigil: Installation) -> None:
    with dagster_ready(vigil.settings) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("seed_audit"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert metadata["traders_in_another_class"].value > 0
    assert "| net_pnl |" in str(metadata["figures"].value)
    assert "data:image/png" in str(metadata["classes"].value)
