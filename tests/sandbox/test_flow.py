"""Flow that foretells prices is in one world and absent from its twin."""

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from vigil_sandbox.prices import MINUTE_MS, PricePath, price_paths
from vigil_sandbox.spec import FORMAT_VERSION
from vigil_sandbox.world import DEMO, FLOW_NOISE, FLOW_SIGNAL, TINY, World, write_world

from . import test_books as books
from .oracle import Fill, WorldFiles
from .test_truth import mismatches, sums_of

COINS = ("BTC", "ETH")
BUCKET_MS = 5 * MINUTE_MS
HORIZON_MS = 30 * MINUTE_MS
INDEPENDENT_ROWS = FLOW_SIGNAL.day_count * 48
"""Half hours of one coin: neighbouring buckets share most of what follows them."""

Worlds = dict[str, World]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Worlds:
    specs = {"signal": FLOW_SIGNAL, "noise": FLOW_NOISE}
    return {name: write_world(spec, tmp_path_factory.mktemp(name)) for name, spec in specs.items()}


@pytest.fixture(scope="module")
def flow_files(worlds: Worlds) -> dict[str, WorldFiles]:
    return {name: WorldFiles(world.root) for name, world in worlds.items()}


def path_of(coin: str) -> PricePath:
    spec = FLOW_SIGNAL
    paths = price_paths(
        seed=spec.seed,
        start_ms=spec.start_ms,
        day_count=spec.day_count,
        crash_minute=0,
        has_drift=False,
    )
    return paths[coin]


def takers(files: WorldFiles, coin: str) -> list[Fill]:
    return [
        leg for trade in files.trades for leg in trade if leg["crossed"] and leg["coin"] == coin
    ]


def flow_and_what_followed(files: WorldFiles, coin: str) -> tuple[list[float], list[float]]:
    """Per bucket with trades: signed over total notional, and the path's return from its end on."""
    signed: dict[int, float] = defaultdict(float)
    total: dict[int, float] = defaultdict(float)
    for fill in takers(files, coin):
        bucket = fill["time"] // BUCKET_MS
        usd = float(fill.signed_size) * float(fill["px"])
        signed[bucket] += usd
        total[bucket] += abs(usd)
    path, flow, returns = path_of(coin), [], []
    for bucket in signed:
        end_ms = (bucket + 1) * BUCKET_MS
        if end_ms + HORIZON_MS <= FLOW_SIGNAL.end_ms:
            flow.append(signed[bucket] / total[bucket])
            returns.append(path.mid(end_ms + HORIZON_MS) / path.mid(end_ms) - 1)
    return flow, returns


@pytest.mark.slow
@pytest.mark.parametrize("coin", COINS)
def test_flow_foretells_the_next_half_hour_only_in_the_signal_world(
    flow_files: dict[str, WorldFiles], coin: str
) -> None:
    found = {
        name: np.corrcoef(*flow_and_what_followed(files, coin))[0, 1]
        for name, files in flow_files.items()
    }

    assert 0.4 < found["signal"] < 0.7
    # Three standard errors of a correlation between independent rows.
    assert abs(found["noise"]) < 3 / INDEPENDENT_ROWS**0.5


@pytest.mark.parametrize("coin", COINS)
def test_nearly_every_bucket_has_trades(flow_files: dict[str, WorldFiles], coin: str) -> None:
    for files in flow_files.values():
        buckets = {fill["time"] // BUCKET_MS for fill in takers(files, coin)}

        assert len(buckets) > 0.99 * FLOW_SIGNAL.day_count * 288


def test_the_two_worlds_differ_in_directions_alone(flow_files: dict[str, WorldFiles]) -> None:
    orders = {}
    for name, files in flow_files.items():
        flow = {one["address"] for one in files.truth["planted"] if is_flow(one)}
        fills = [leg for trade in files.trades for leg in trade if leg.trader in flow]
        assert len(flow) == 3
        assert all(fill["crossed"] for fill in fills)
        orders[name] = [
            ((fill.trader, fill["coin"], fill["time"], fill["sz"]), fill["side"]) for fill in fills
        ]

    assert [what for what, _ in orders["signal"]] == [what for what, _ in orders["noise"]]
    equal = np.mean([a == b for a, b in zip(orders["signal"], orders["noise"], strict=True)])
    assert 0.4 < equal < 0.9
    marks = {name: files.truth["hourly_marks"] for name, files in flow_files.items()}
    assert marks["signal"] == marks["noise"]


def test_prices_have_no_drift_that_anything_else_could_foretell() -> None:
    for coin in COINS:
        path = path_of(coin)
        returns = np.diff(np.log(path.minute_prices))
        hours = returns[: len(returns) // 60 * 60].reshape(-1, 2, 30).sum(axis=2)

        assert set(path.hour_drifts) == {0.0}
        assert abs(np.corrcoef(hours[:, 0], hours[:, 1])[0, 1]) < 3 / len(hours) ** 0.5
        assert np.std(returns) * 1440**0.5 == pytest.approx(path.coin.day_volatility, rel=0.05)


def test_the_truth_says_what_the_flow_knows(flow_files: dict[str, WorldFiles]) -> None:
    told = {name: files.truth["flow"] for name, files in flow_files.items()}

    shared = {"coins": ["BTC", "ETH"], "horizon_s": 1800}
    assert told["signal"] == {**shared, "insight": 0.5, "predicts_returns": True}
    assert told["noise"] == {**shared, "insight": 0.0, "predicts_returns": False}


def test_flow_traders_are_classed_as_planted(flow_files: dict[str, WorldFiles]) -> None:
    for files in flow_files.values():
        assert mismatches(files) == []
    wins = sums_of(flow_files["signal"].fills)
    for one in flow_files["signal"].truth["planted"]:
        if is_flow(one):
            assert min(wins[one["address"]].days.values()) > 0


def test_positions_do_not_run_away(flow_files: dict[str, WorldFiles]) -> None:
    for files in flow_files.values():
        flow = {one["address"] for one in files.truth["planted"] if is_flow(one)}
        crossings: dict[tuple[str, str], int] = defaultdict(int)
        for fill in files.fills:
            if fill.trader in flow:
                before = Decimal(fill["startPosition"])
                after = before + fill.signed_size
                assert abs(after) * Decimal(fill["px"]) < 100_000
                crossings[fill.trader, fill["coin"]] += before * after < 0

        assert len(crossings) == 6
        assert min(crossings.values()) > 10 * FLOW_SIGNAL.day_count


@pytest.mark.parametrize(
    "check",
    [
        books.test_signed_sizes_cancel_in_every_perp,
        books.test_each_perp_fill_starts_where_the_last_one_ended,
        books.test_closed_pnl_is_measured_against_the_average_entry,
        books.test_equity_is_deposits_profits_funding_and_what_is_open,
        books.test_nobody_ends_in_debt,
        books.test_final_positions_are_those_of_the_fills,
    ],
)
@pytest.mark.parametrize("name", ["signal", "noise"])
def test_the_books_balance(
    flow_files: dict[str, WorldFiles], name: str, check: Callable[[WorldFiles], None]
) -> None:
    check(flow_files[name])


def test_worlds_without_flow_traders_are_what_they_were(files: WorldFiles) -> None:
    assert FORMAT_VERSION == 2
    assert "flow_insight" not in TINY.as_json()
    assert TINY.fingerprint().startswith("05286c67615b")
    assert DEMO.fingerprint().startswith("33b7c3f9b8bb")
    assert "flow" not in files.truth


def test_insight_belongs_to_the_spec() -> None:
    assert FLOW_SIGNAL.fingerprint() != FLOW_NOISE.fingerprint()
    assert FLOW_NOISE.as_json()["flow_insight"] == 0.0
    assert FLOW_SIGNAL.first_day == date(2025, 9, 1)


def is_flow(planted: dict[str, str]) -> bool:
    return planted["behaviour"] == "flow_trader"
