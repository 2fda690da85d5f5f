"""Wallet profiles against the vectors, and longer windows against all pieces at once."""

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.core.artemis.test_fifo import (
    ANN,
    BOB,
    DAY,
    buy,
    by_days,
    frame,
    market,
    sell,
    vectors,
)
from tests.reference.shared_files import shared_file
from vigil_core.artemis import fifo
from vigil_core.artemis import wallet_profiles as wp
from vigil_core.calendar import DAY_MS

ANY_VOLUME = wp.ProfileLimits(min_volume_usd=0)
FIGURES = (
    "win_rate",
    "profit_factor",
    "avg_hold_hours",
    "avg_pnl_pct",
    "trade_curve_max_drawdown_usd",
    "trades_per_day",
)


class Days:
    """Days matched one after the other, and what profiles need of them."""

    def __init__(self, days: list[pl.DataFrame]) -> None:
        matched = fifo.match_days(days)
        held, summaries = None, []
        for fills, result in zip(days, matched, strict=True):
            exposure = wp.peak_exposure(fills, held)
            held = exposure.held
            summaries.append(wp.fills_summary(fills, result.positions, exposure.peaks))
        self.summary = pl.concat(summaries)
        self.pieces = pl.concat([result.pieces for result in matched])
        self.piece_days = pl.concat([wp.piece_days(result.pieces) for result in matched])

    def profiles(
        self, as_of: int, window: str = "all", limits: wp.ProfileLimits = ANY_VOLUME
    ) -> pl.DataFrame:
        return wp.wallet_profiles(self.pieces, self.summary, as_of, window, limits)


def of_fills(fills: pl.DataFrame) -> Days:
    return Days(fills.with_columns(day=pl.col("time") // DAY_MS).partition_by("day"))


def same_profile(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for name in ("fill_count", "trade_count", "style", "is_bot", "equity"):
        assert found[name] == expected[name], name
    for name in FIGURES:
        if expected[name] is None:
            assert found[name] is None, name
        else:
            value = float(expected[name])
            assert float(found[name]) == pytest.approx(value, rel=1e-9, abs=1e-9), name
    for name in wp.FIGURES:
        assert (found[name] is None) == (found[f"{name}_reason"] is not None), name


def test_profiles_of_the_vectors() -> None:
    cases = vectors("wallet_profile")
    for case in cases:
        given, expected = case["inputs"], case["expected"]
        fills = frame(given["fills"]).filter(pl.col("time") < given["as_of"])
        start = given["window_start"]
        assert start in (None, given["as_of"] - DAY_MS)
        found = of_fills(fills).profiles(given["as_of"], "all" if start is None else "1d")
        profile = found.row(0, named=True)
        same_profile(profile, expected)
        assert profile["reason"] == expected["reason"]
        assert profile["censored_qty"] == Decimal(expected["censored_qty"])
        assert profile["continuity_breaks"] == expected["continuity_breaks"]
        assert profile["max_drawdown"] is None
    assert len(cases) > 15


def test_profiles_of_the_metrics_vectors() -> None:
    path = shared_file("data/vectors/metrics/fifo_profile.json")
    cases = json.loads(path.read_text("utf-8"))["cases"]
    for case in cases:
        fills = frame((case.get("input") or case["inputs"])["fills"])
        found = of_fills(fills).profiles(2_000_000_000_000).row(0, named=True)
        same_profile(found, case["expected"])
        assert found["start_unknown"]
        for figure, reason in case.get("null_reasons", {}).items():
            assert found[f"{figure}_reason"] == reason
    assert len(cases) >= 5


def test_drawdown_on_peak_exposure_of_the_vectors() -> None:
    (case,) = vectors("peak_exposure")
    fills, expected = frame(case["inputs"]["fills"]), case["expected"]
    exposure = wp.peak_exposure(fills)
    assert exposure.peaks["peak_exposure_usd"].to_list() == [Decimal(expected["peak_exposure_usd"])]
    found = of_fills(fills).profiles(2_000_000_000_000).row(0, named=True)
    assert float(found["trade_curve_max_drawdown_usd"]) == pytest.approx(
        float(case["inputs"]["trade_curve_max_drawdown_usd"])
    )
    ratio = found["max_drawdown_on_peak_exposure"]
    assert ratio == pytest.approx(expected["max_drawdown"], rel=1e-9)
    assert found["capital_basis"] == expected["capital_basis"]


# --- windows -------------------------------------------------------------------------------


def slow_drawdown(pieces: pl.DataFrame) -> Decimal:
    level = high = fall = Decimal(0)
    for net in pieces.sort("exit_at", "exit_block", "exit_index", "piece")["net"]:
        level += net
        high = max(high, level)
        fall = max(fall, high - level)
    return fall


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("window", ["1d", "30d", "all"])
def test_days_make_the_same_profile_as_their_pieces(seed: int, window: str) -> None:
    days = Days(by_days(market(seed)))
    as_of = DAY + 3 * DAY_MS
    found = days.profiles(as_of, window)
    from_days = wp.profiles_of_days(days.piece_days, days.summary, as_of, window, ANY_VOLUME)
    assert_frame_equal(found, from_days, check_exact=True)
    start = wp.window_start(as_of, window) or 0
    for row in found.to_dicts():
        own = days.pieces.filter(
            (pl.col("address") == row["address"]) & (pl.col("exit_at") >= start)
        )
        assert row["trade_count"] == len(own)
        assert row["net_pnl_usd"] == own["net"].sum()
        if row["reason"] is None:
            assert row["trade_curve_max_drawdown_usd"] == slow_drawdown(own)


@pytest.mark.parametrize("seed", range(4))
def test_stored_lots_make_the_same_profile_as_all_fills(seed: int) -> None:
    fills = market(seed)
    as_of = DAY + 3 * DAY_MS
    by_day = Days(by_days(fills))
    matched = fifo.match(fills, fifo.no_lots())
    exposure = wp.peak_exposure(fills)
    at_once = wp.fills_summary(fills, matched.positions, exposure.peaks)
    one = wp.wallet_profiles(matched.pieces, at_once, as_of, "all", ANY_VOLUME)
    assert_frame_equal(one, by_day.profiles(as_of), check_exact=True)


def test_only_what_ends_in_the_window_counts() -> None:
    rows = []
    for number in range(6):
        rows.append(buy("1", str(number), time=DAY + number))
    for number in range(6):
        rows.append(sell("1", str(6 - number), time=DAY + DAY_MS + number, px="101"))
    days = of_fills(frame(rows))
    second = days.profiles(DAY + 2 * DAY_MS, "1d").row(0, named=True)
    assert (second["fill_count"], second["trade_count"]) == (6, 6)
    assert second["reason"] == "too_few_fills"
    assert days.profiles(DAY + DAY_MS, "1d").row(0, named=True)["trade_count"] == 0
    whole = days.profiles(DAY + 2 * DAY_MS, "30d").row(0, named=True)
    assert (whole["trade_count"], whole["avg_hold_hours"]) == (6, 24.0)
    assert days.profiles(DAY + 3 * DAY_MS, "1d").is_empty()


def test_wallets_with_little_volume_have_no_row() -> None:
    rows = [
        buy("500", "0", user_address=ANN),
        buy("499.99999", "0", user_address=BOB),
    ]
    found = of_fills(frame(rows)).profiles(DAY + DAY_MS, "1d", wp.DEFAULT_LIMITS)
    assert found["address"].to_list() == [ANN]
    assert found["volume_usd"].to_list() == [50_000]


def test_nothing_gives_no_rows() -> None:
    days = Days([frame([])])
    found = days.profiles(DAY + DAY_MS)
    assert found.is_empty()
    assert found.schema == wp.PROFILES


# --- reasons -------------------------------------------------------------------------------


def round_trips(exits: list[str], **more: Any) -> pl.DataFrame:
    rows = []
    for number, px in enumerate(exits):
        at = DAY + number * 7_200_000
        rows.append(buy("1", "0", time=at, **more))
        rows.append(sell("1", "1", time=at + 3_600_000, px=px, **more))
    return frame(rows)


def test_a_fee_without_a_price_hides_the_figures_of_net_only() -> None:
    fills = round_trips(["101"] * 6)
    fills = fills.with_columns(fee=pl.when(pl.col("event_index") > 0).then("fee"))
    found = of_fills(fills).profiles(DAY + DAY_MS).row(0, named=True)
    assert found["unpriced_pieces"] == 1
    assert found["avg_pnl_pct"] == pytest.approx(1.0)
    for figure in (
        "win_rate",
        "profit_factor",
        "trade_curve_max_drawdown_usd",
        "max_drawdown_on_peak_exposure",
    ):
        assert found[figure] is None
        assert found[f"{figure}_reason"] == "unpriced_component"


def test_reasons_of_single_figures() -> None:
    even = of_fills(round_trips(["100"] * 5)).profiles(DAY + DAY_MS).row(0, named=True)
    assert even["win_rate_reason"] == "zero_denominator"
    assert even["profit_factor_reason"] == "no_losses"
    assert even["equity_reason"] == "not_available_from_fills"
    assert even["max_drawdown_reason"] == "no_capital_base"
    assert even["reason"] is None
    fall = even["max_drawdown_on_peak_exposure"]
    assert str(fall) == "0.0"


def test_without_exposures_there_is_no_capital() -> None:
    fills = round_trips(["100"] * 5)
    matched = fifo.match(fills, fifo.no_lots())
    summary = wp.fills_summary(fills, matched.positions)
    found = wp.wallet_profiles(matched.pieces, summary, DAY + DAY_MS, "1d", ANY_VOLUME)
    row = found.row(0, named=True)
    assert row["capital_basis"] == "none"
    assert row["max_drawdown_on_peak_exposure_reason"] == "no_capital_base"


# --- exposure ------------------------------------------------------------------------------


def slow_peaks(fills: pl.DataFrame) -> dict[str, Decimal]:
    worth: dict[str, dict[str, Decimal]] = defaultdict(dict)
    peaks: dict[str, Decimal] = {}
    for row in fills.sort("time", "block_number", "event_index").iter_rows(named=True):
        signed = row["sz"] if row["side"] == "B" else -row["sz"]
        own = worth[row["user_address"]]
        own[row["coin"]] = abs(row["start_position"] + signed) * row["px"]
        total = sum(own.values(), Decimal(0))
        peaks[row["user_address"]] = max(total, peaks.get(row["user_address"], Decimal(0)))
    return peaks


@pytest.mark.parametrize("seed", range(6))
def test_peak_exposure_agrees_with_a_slow_walk(seed: int) -> None:
    fills = market(seed)
    found = dict(wp.peak_exposure(fills).peaks.iter_rows())
    slow = slow_peaks(fills)
    assert found.keys() == slow.keys()
    for user, peak in slow.items():
        # Prices and noisy positions together have more than twelve decimals: cut.
        assert 0 <= peak - found[user] < Decimal("1e-12")
    held, peaks = None, dict[str, Decimal]()
    for day in by_days(fills):
        exposure = wp.peak_exposure(day, held)
        held = exposure.held
        for user, peak in exposure.peaks.iter_rows():
            peaks[user] = max(peak, peaks.get(user, Decimal(0)))
    assert peaks == found
    assert held is not None
    assert_frame_equal(held, wp.peak_exposure(fills).held)


def test_exposure_without_start_positions_moves_on() -> None:
    fills = frame([buy("2", None), sell("1", None), buy("5", "7"), buy("1", None)])
    exposure = wp.peak_exposure(fills)
    assert exposure.peaks["peak_exposure_usd"].to_list() == [1_300]
    assert exposure.held["position"].to_list() == [13]


def test_an_exposure_beyond_measure_is_refused() -> None:
    with pytest.raises(wp.ExposureTooLarge):
        wp.peak_exposure(frame([buy("1000000000000", "0")]))
