"""Episodes, profiles and the seed rules against figures worked out by hand and the vectors."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from .aggregates import DAY_MS
from .profiles import (
    HOUR_MS,
    avg_hold_hours,
    episodes,
    lifetime,
    round8,
    seed_100k,
    sharpe,
    trader_profiles,
)
from .shared_files import shared_file
from .test_aggregates import ANN, BOB, DAY, LIQUIDATION, make_row, small_day

Step = tuple[str, str, str]  # side, size, start position


def walk(*steps: Step, coin: str = "BTC", user: str = ANN) -> list[dict[str, Any]]:
    """Rows of one user and coin, one an hour."""
    return [
        make_row(
            user_address=user,
            coin=coin,
            side=side,
            sz=size,
            start_position=start,
            time=DAY + hour * HOUR_MS,
            block_number=hour,
        )
        for hour, (side, size, start) in enumerate(steps)
    ]


def spans(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Opening and closing hour of the closed episodes."""
    return [
        ((e.open_time - DAY) // HOUR_MS, (e.close_time - DAY) // HOUR_MS)
        for e in episodes(rows).closed
    ]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], []),
        ([("B", "1", "0")], []),
        ([("B", "1", "0"), ("A", "1", "1")], [(0, 1)]),
        ([("A", "1", "0"), ("B", "1", "-1")], [(0, 1)]),
        # adds and partial closes belong to it
        (
            [("B", "1", "0"), ("B", "2", "1"), ("A", "1", "3"), ("A", "2", "2")],
            [(0, 3)],
        ),
        # a flip closes one and opens the next
        ([("B", "1", "0"), ("A", "3", "1"), ("B", "2", "-2")], [(0, 1), (1, 2)]),
        ([("B", "1", "0"), ("A", "3", "1")], [(0, 1)]),
        # open before the data: the close is not counted, what follows is
        (
            [("A", "1", "2"), ("A", "1", "1"), ("B", "1", "0"), ("A", "1", "1")],
            [(2, 3)],
        ),
        # a flip out of the unknown opens a known one
        ([("A", "3", "1"), ("B", "2", "-2")], [(0, 1)]),
        # a break drops the running one; what goes on from there is censored
        ([("B", "1", "0"), ("A", "0.4", "0.4")], []),
        ([("B", "1", "0"), ("B", "1", "5"), ("A", "6", "6")], []),
        ([("B", "1", "0"), ("A", "7", "5"), ("B", "2", "-2")], [(1, 2)]),
        # a break that starts at 0 opens normally
        ([("B", "1", "0"), ("B", "1", "0"), ("A", "1", "1")], [(1, 2)]),
        # a break away from flat is a break as well
        (
            [("B", "1", "0"), ("A", "1", "1"), ("A", "2", "2"), ("B", "1", "0")],
            [(0, 1)],
        ),
        # a row that moves nothing
        (
            [("B", "0", "0"), ("B", "1", "0"), ("B", "0", "1"), ("A", "1", "1")],
            [(1, 3)],
        ),
        # float noise of 1e-10 on either side is no break and no position
        ([("B", "0.3", "0"), ("A", "0.3", "0.3000000001")], [(0, 1)]),
        ([("B", "0.3", "0"), ("A", "0.3", "0.2999999999")], [(0, 1)]),
        ([("B", "1", "-0.0000000001"), ("A", "1", "1")], [(0, 1)]),
        # one unit of the eighth decimal is a position
        ([("B", "0.3", "0"), ("A", "0.29999999", "0.3")], []),
        ([("B", "0.00000001", "0"), ("A", "0.00000001", "0.00000001")], [(0, 1)]),
    ],
)
def test_episodes_of_one_coin(steps: list[Step], expected: list[tuple[int, int]]) -> None:
    assert spans(walk(*steps)) == expected


def test_what_is_not_counted_is_reported() -> None:
    rows = walk(
        ("A", "1", "1"),
        ("B", "1", "0"),
        ("B", "1", "7"),
        ("A", "8", "8"),
        ("A", "1", "0"),
    )
    report = episodes(rows)
    assert (len(report.closed), report.censored_closes) == (0, 2)
    assert (report.breaks, report.still_open) == (1, 1)


def test_execution_order_is_block_then_event_not_input_order() -> None:
    rows = [
        make_row(
            block_number=5,
            event_index=1,
            side="A",
            start_position="2",
            time=DAY + HOUR_MS,
        ),
        make_row(
            block_number=5,
            event_index=0,
            time=DAY + HOUR_MS,
            sz="1",
            start_position="1",
        ),
        make_row(block_number=4, event_index=9, time=DAY, sz="1"),
    ]
    assert spans(rows) == [(0, 1)]


def test_users_and_coins_do_not_mix() -> None:
    rows = walk(("B", "1", "0"), ("A", "1", "1"))
    rows += walk(("A", "1", "0"), user=BOB) + walk(("A", "1", "0"), coin="ETH")
    report = episodes(rows)
    assert (len(report.closed), report.still_open, report.breaks) == (1, 2, 0)


@pytest.mark.parametrize(
    ("coin", "counts"),
    [("BTC", 1), ("xyz:TSLA", 1), ("@107", 0), ("PURR/USDC", 0), ("#1890", 0)],
)
def test_episodes_are_of_perps_only(coin: str, counts: int) -> None:
    assert len(spans(walk(("B", "1", "0"), ("A", "1", "1"), coin=coin))) == counts


@pytest.mark.parametrize(
    ("position", "rounded"),
    [
        ("0.000000005", "0.00000001"),
        ("-0.000000005", "-0.00000001"),
        ("0.0000000049", "0"),
        ("99999999999999999999999999.999999999999", "100000000000000000000000000"),
    ],
)
def test_rounding_to_eight_places(position: str, rounded: str) -> None:
    assert round8(Decimal(position)) == Decimal(rounded)


def test_mean_holding_time() -> None:
    rows = walk(
        ("B", "1", "0"),
        ("A", "1", "1"),
        ("A", "1", "0"),
        ("A", "1", "-1"),
        ("B", "2", "-2"),
    )
    assert avg_hold_hours(episodes(rows).closed) == 1.5  # 1 h and 2 h
    assert avg_hold_hours([]) is None


@pytest.mark.parametrize(
    ("pnl", "expected"),
    [
        ([], None),
        (["5"], None),
        (["5", "5.0"], None),
        (["0.1", "0.1", "0.1"], None),
        (["1", "-1"], 0.0),
        (["1", "3"], 27.018512172212592),  # 2 / sqrt 2 x sqrt 365 = sqrt 730
        (["-1", "-3"], -27.018512172212592),
    ],
)
def test_sharpe(pnl: list[str], expected: float | None) -> None:
    value = sharpe([Decimal(text) for text in pnl])
    assert (None if value is None else float(value)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "RETAIL"),
        ({"liquidation_pct": Fraction(1, 5)}, "LIQUIDATOR"),
        ({"liquidation_pct": Fraction(1, 5) - Fraction(1, 10**12)}, "RETAIL"),
        ({"maker_pct": Fraction(7, 10), "mtm_tv": Fraction(-1, 1000)}, "HFT"),
        ({"maker_pct": Fraction(7, 10), "mtm_tv": Fraction(1001, 1_000_000)}, "RETAIL"),
        (
            {"maker_pct": Fraction(7, 10), "mtm_tv": Fraction(-1001, 1_000_000)},
            "RETAIL",
        ),
        ({"maker_pct": Fraction(1), "mtm_tv": None}, "RETAIL"),
        (
            {"net_pnl": Decimal(100_000), "sharpe_ratio": Decimal(1)},
            "SMART_DIRECTIONAL",
        ),
        ({"net_pnl": Decimal("99999.99"), "sharpe_ratio": Decimal(9)}, "RETAIL"),
        ({"net_pnl": Decimal(100_000), "sharpe_ratio": None}, "RETAIL"),
        ({"net_pnl": Decimal(100_000), "sharpe_ratio": Decimal("0.999")}, "RETAIL"),
        (
            {
                "liquidation_pct": Fraction(1),
                "maker_pct": Fraction(1),
                "mtm_tv": Fraction(0),
            },
            "LIQUIDATOR",
        ),
        (
            {
                "maker_pct": Fraction(1),
                "mtm_tv": Fraction(1, 1000),
                "net_pnl": Decimal(10**6),
                "sharpe_ratio": Decimal(5),
            },
            "HFT",
        ),
    ],
)
def test_seed_rules_at_their_edges(changes: dict[str, Any], expected: str) -> None:
    inputs: dict[str, Any] = {
        "total_fills": 100,
        "liquidation_pct": Fraction(0),
        "maker_pct": Fraction(0),
        "mtm_tv": Fraction(1, 100),
        "net_pnl": Decimal(0),
        "sharpe_ratio": Decimal(0),
    }
    assert seed_100k(**inputs | changes) == (expected, expected.lower())


def test_profile_by_hand() -> None:
    ann, bob = trader_profiles(small_day())
    assert ann == {
        "user_address": ANN,
        "first_trade_time": DAY - 1,
        "last_trade_time": DAY + 5 + HOUR_MS // 2,
        "trading_days": 2,
        "total_fills": 5,
        "total_volume": 99 + 824,
        "unique_coins": 2,
        "realized_pnl": 20,
        "fees_paid": Decimal("1.4"),
        "builder_fees_paid": Decimal("0.2"),
        "net_pnl": Decimal("18.6"),
        "maker_pct": 0.2,
        "win_rate": 1.0,
        "mtm_tv": 20 / 923,
        "long_ratio": 1.0,
        "liquidation_fills": 1,
        "liquidation_volume": 220,
        "liquidation_pct": 0.2,
        "twap_fills": 0,
        "twap_volume": 0,
        "twap_pct": 0.0,
        "avg_hold_hours": 0.5,  # from the second opening; the first ended in a break
        "sharpe_ratio": pytest.approx(13.509256086106296, rel=1e-15),  # days 0 and 20: sqrt 182.5
        "trader_type": "LIQUIDATOR",
        "trader_type_rule": "liquidator",
    }
    assert (bob["win_rate"], bob["long_ratio"], bob["sharpe_ratio"]) == (0.5, 0.0, None)
    assert (bob["twap_pct"], bob["net_pnl"]) == (200 / 820, Decimal("-15.9"))


def test_undefined_ratios_are_none() -> None:
    (profile,) = trader_profiles([make_row(sz="0", dir="Buy", coin="@1")])
    undefined = (
        "win_rate",
        "mtm_tv",
        "long_ratio",
        "twap_pct",
        "avg_hold_hours",
        "sharpe_ratio",
    )
    assert [profile[name] for name in undefined] == [None] * 6
    assert (profile["maker_pct"], profile["liquidation_pct"]) == (0.0, 0.0)
    assert profile["trader_type_rule"] == "retail"
    assert trader_profiles([]) == []


def test_unique_coins_are_counted_over_the_lifetime() -> None:
    rows = [make_row(coin=c, time=DAY + n * DAY_MS) for n, c in enumerate(["BTC", "ETH", "BTC"])]
    (profile,) = trader_profiles(rows)
    assert (profile["unique_coins"], profile["trading_days"]) == (2, 3)


def test_smart_directional_from_rows() -> None:
    rows = [
        make_row(time=DAY + n * DAY_MS, px="1000000", sz="1", closed_pnl=pnl, fee="0")
        for n, pnl in enumerate(["60000", "50000", "40000"])
    ]
    (profile,) = trader_profiles(rows)
    assert profile["trader_type_rule"] == "smart_directional"
    rows.append(make_row(time=DAY, px="1", sz="1", liquidation=LIQUIDATION))
    assert trader_profiles(rows)[0]["trader_type_rule"] == "liquidator"


def test_profile_vectors() -> None:
    path = shared_file("data/vectors/metrics/profile_classification.json")
    cases = json.loads(path.read_text())["cases"]
    assert len(cases) >= 8
    for case in cases:
        days = [
            {
                "fill_count": day["fill_count"],
                "volume": Decimal(day["volume_usd"]),
                "realized_pnl": Decimal(day["realized_pnl_usd"]),
                "fees_paid": Decimal(day["fees_usd"]),
                "maker_fills": day["maker_fills"],
                "liquidation_fills": day["liquidation_fills"],
            }
            | dict.fromkeys(["winning_fills", "closing_fills", "twap_fills"], 0)
            | dict.fromkeys(["open_long_count", "open_short_count"], 0)
            | dict.fromkeys(["builder_fees_paid", "liquidation_volume", "twap_volume"], Decimal(0))
            for day in case["inputs"]["trader_daily"]
        ]
        profile = lifetime(days)
        expected = case["expected"]
        assert profile["trading_days"] == expected["trading_days"], case["id"]
        assert profile["total_fills"] == expected["total_fills"], case["id"]
        assert profile["total_volume"] == Decimal(expected["total_volume_usd"]), case["id"]
        assert profile["net_pnl"] == Decimal(expected["net_pnl_usd"]), case["id"]
        assert profile["trader_type"] == expected["trader_type_seed_100k"], case["id"]
        for ours, theirs in {
            "maker_pct": "maker_pct",
            "mtm_tv": "mtm_tv",
            "liquidation_pct": "liquidation_pct",
            "sharpe_ratio": "sharpe_seed",
        }.items():
            if expected[theirs] is None:
                assert profile[ours] is None, case["id"]
            else:
                close = pytest.approx(expected[theirs], rel=1e-9, abs=1e-12)
                assert profile[ours] == close, (case["id"], ours)


def test_episode_vectors() -> None:
    cases = json.loads(shared_file("data/vectors/metrics/trades_from_fills.json").read_text())[
        "cases"
    ]
    checked = 0
    for case in cases:
        expected = case["expected"]
        if "closed_trades" not in expected:
            continue
        rows = [
            make_row(
                time=fill["time"],
                user_address=fill["user"],
                coin=fill["coin"],
                side=fill["side"],
                sz=fill["sz"],
                px=fill["px"],
                start_position=fill["startPosition"],
                block_number=fill["time"],
                event_index=fill["event_index"],
            )
            for fill in case["inputs"]["fills"]
        ]
        report = episodes(rows)
        assert len(report.closed) == expected["closed_trades"], case["id"]
        assert report.breaks == expected["continuity_breaks"], case["id"]
        assert report.censored_closes == expected["left_censored_trades"], case["id"]
        assert report.still_open == expected["open_trades"], case["id"]
        held = sorted((e.coin, e.open_time, e.close_time) for e in report.closed)
        assert held == sorted(
            (t["coin"], t["entry_time"], t["exit_time"]) for t in expected["trades"]
        ), case["id"]
        mean = expected["avg_holding_hours"]
        assert avg_hold_hours(report.closed) == (
            None if mean is None else pytest.approx(mean, 1e-9)
        )
        checked += 1
    assert checked >= 5
