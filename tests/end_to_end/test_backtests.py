"""Backtests over a simulated world: skill earns, luck does not, and the costs say the rest."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.conftest import Installation, installed
from vigil_assets.definitions import defs
from vigil_assets.desk.backtests import JOB, queued_backtests
from vigil_cli.__main__ import main
from vigil_cli.backfill import backfill
from vigil_cli.ready import dagster_ready
from vigil_core.calendar import day_start_ms
from vigil_resources.wiring import open_backtests
from vigil_sandbox.world import TINY, write_world

# The lucky one is picked by the first three days, as a list of past winners would.
WORLD = replace(
    TINY, seed=2, day_count=6, lucky_days=3, crowd_count=40, crowd_orders_per_day=1_500,
    planted_each=1, directional_notional_usd=2_000_000, orders_per_session=4,
)  # fmt: skip
FIRST = WORLD.first_day
MIDDLE = FIRST + timedelta(days=3)
END = FIRST + timedelta(days=6)
NEEDED = " or ".join(
    f"key:{name}"
    for name in (
        *("raw_fills", "fills_parquet", "fills", "round_trips", "trader_daily", "trader_metrics"),
        "trader_labels",
    )
)
REQUEST = {
    "start": str(MIDDLE), "end": str(END), "base_size_usd": 1_000, "wait_s": 600,
    "require_confidence": False, "require_leverage": False, "settings": {"min_confidence": 0},
}  # fmt: skip
CENT = Decimal("0.01")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("backtests")
    write_world(WORLD, folder / "raw")
    with installed(folder, folder / "raw", module_patch) as installation:
        backfill(installation.settings, FIRST, END - timedelta(days=1), select=NEEDED)
        yield installation


def planted(vigil: Installation, behaviour: str) -> str:
    truth = json.loads((Path(vigil.settings.node_data) / "truth.json").read_text())
    [address] = [t["address"] for t in truth["planted"] if t["behaviour"] == behaviour]
    return str(address)


def result_of(vigil: Installation, **asked: Any) -> dict[str, Any]:
    client = open_backtests(vigil.settings)
    number = client.submit(REQUEST | asked, "a test")
    client.run_queued([number])
    found = client.get(number)
    assert found.status == "done", found.error
    result: dict[str, Any] = json.loads(found.result or "")
    return result


def test_skill_earns_and_luck_does_not(vigil: Installation) -> None:
    skilled = result_of(vigil, traders=[planted(vigil, "directional_skilled")])
    lucky = result_of(vigil, traders=[planted(vigil, "directional_lucky")])

    assert skilled["is_simulated"]
    assert skilled["trade_count"] >= 8
    assert lucky["trade_count"] >= 8
    assert float(skilled["pnl_usd"]) > 100
    assert float(lucky["pnl_usd"]) < 0
    assert skilled["equity_curve"][-1]["btc_usd"] == lucky["equity_curve"][-1]["btc_usd"]


def test_before_the_window_both_looked_alike(vigil: Installation) -> None:
    both = {planted(vigil, f"directional_{kind}") for kind in ("skilled", "lucky")}
    past = {"start": str(FIRST), "end": str(MIDDLE)}
    for address in both:
        assert float(result_of(vigil, traders=[address], **past)["pnl_usd"]) > 100

    # So the label holds both, and it is the label as of the start.
    universe = {"label": "SMART_DIRECTIONAL", "rule_set": "seed_100k"}
    result = result_of(vigil, universe=universe)
    start = day_start_ms(MIDDLE)
    rows = vigil.records(
        "SELECT user_address FROM trader_labels WHERE rule_set = 'seed_100k'"
        f" AND trader_type = 'SMART_DIRECTIONAL' AND valid_from <= {start}"
        f" AND (valid_to IS NULL OR valid_to > {start}) ORDER BY 1"
    )
    assert result["universe"] == [row["user_address"] for row in rows]
    assert both <= set(result["universe"])


@pytest.mark.parametrize("behaviour", ["directional_skilled", "directional_lucky", "copy_leader"])
def test_costs_explain_the_difference_to_the_leader_to_the_cent(
    vigil: Installation, behaviour: str
) -> None:
    address = planted(vigil, behaviour)
    result = result_of(vigil, traders=[address], base_size_usd=500)
    [trader] = result["traders"]
    steps = {step["step"]: Decimal(step["usd"]) for step in trader["bridge"]}

    assert sum(steps.values()) == Decimal(trader["our_net_usd"])
    assert abs(sum(steps.values()) - Decimal(result["pnl_usd"])) < CENT
    # His result by another way: what he paid and got, and what he holds at the last price.
    start, end = day_start_ms(MIDDLE), day_start_ms(END)
    cash, held = Decimal(0), Decimal(0)
    for row in vigil.records(
        "WITH his AS (SELECT *, CASE side WHEN 'B' THEN sz ELSE -sz END AS signed FROM fills"
        f" WHERE user_address = '{address}' AND time >= {start} AND time < {end}"
        " AND is_perp(coin)), coins AS (SELECT coin, sum(-signed * px - fee) AS cash,"
        " (array_agg(start_position ORDER BY time, block_number, event_index))[1] AS before,"
        " (array_agg(px ORDER BY time, block_number, event_index))[1] AS first_px,"
        " sum(signed) AS change FROM his GROUP BY coin)"
        " SELECT c.*, (SELECT px FROM fills AS f WHERE f.coin = c.coin AND is_on_book(f.dir)"
        f" AND f.time < {end} ORDER BY time DESC, block_number DESC, event_index DESC LIMIT 1)"
        " AS mark FROM coins AS c"
    ):
        # A position of before counts from the price of his first fill on.
        before = round(row["before"], 8)
        cash += row["cash"] - before * row["first_px"]
        held += (before + row["change"]) * row["mark"]
    assert abs(steps["leader_net_ex_funding"] - cash - held) < CENT
    for trade in result["trades"]:
        if trade["closed_at"] is not None:
            parts = ("gross_at_leader_usd", "lag_usd", "slippage_usd", "fees_usd")
            gross, *costs = (Decimal(trade[name]) for name in parts)
            net = gross - sum(costs) + Decimal(trade["funding_usd"] or 0)
            assert abs(net - Decimal(trade["pnl_usd"])) < Decimal("1e-20")


def test_again_gives_the_same_bytes(vigil: Installation) -> None:
    client = open_backtests(vigil.settings)
    request = REQUEST | {"traders": [planted(vigil, "directional_skilled")], "fee_bps": 3}
    number = client.submit(request, "me")
    assert client.submit(request, "me") == number
    client.run_queued([number])
    text = client.get(number).result
    with vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM backtests WHERE backtest_id = %s", [number])
    again = client.submit(request, "me")
    client.run_queued([again])
    assert client.get(again).result == text


def test_dagster_runs_what_waits(vigil: Installation) -> None:
    client = open_backtests(vigil.settings)
    with vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM backtests")
    request = REQUEST | {"traders": [planted(vigil, "directional_lucky")]}
    number = client.submit(request, "me")
    with dagster_ready(vigil.settings) as instance:
        repository = defs().get_repository_def()
        given = {"backtesting": client}
        with dg.build_sensor_context(instance, resources=given) as context:
            asked = queued_backtests(context)
            assert isinstance(asked, dg.RunRequest)
            assert asked.tags["backtests"] == str(number)
            ran = repository.get_job(JOB).execute_in_process(instance=instance)
            assert ran.success
            found = client.get(number)
            assert (found.status, found.run_id, found.progress) == ("done", ran.run_id, 1)
            assert isinstance(queued_backtests(context), dg.SkipReason)


def test_recipe_prints_the_figures(
    vigil: Installation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(REQUEST | {"traders": [planted(vigil, "copy_leader")]}))
    monkeypatch.setattr("sys.argv", ["vigil", "backtest", str(file)])
    assert main() == 0
    told = capsys.readouterr()
    assert "SIMULATED" in told.out
    assert "leader_net_ex_funding" in told.out
    file.write_text("[]")
    assert main() == 1
    assert "expected a JSON object" in capsys.readouterr().err
