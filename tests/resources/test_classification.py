"""The classifier in SQL: the recorded vectors, and every threshold from both sides."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.conftest import Installation
from tests.reference.shared_files import shared_file
from vigil_core.calendar import day_start_ms
from vigil_resources.database.warehouse import FOREVER

VECTORS = "data/vectors/metrics/profile_classification.json"
DAY = date(2025, 9, 1)
DAY_MS = 86_400_000


FIGURES = [
    "fill_count", "volume", "realized_pnl", "fees_paid", "builder_fees_paid", "maker_fills",
    "winning_fills", "closing_fills", "open_long_count", "open_short_count", "liquidation_fills",
    "liquidation_volume", "twap_fills", "twap_volume",
]  # fmt: skip


def write_days(vigil: Installation, trader: str, days: list[dict[str, Any]]) -> None:
    """Rows as the models would make them; what is not given is 0."""
    zeros = dict.fromkeys(FIGURES, 0)
    with vigil.warehouse.connect() as connection:
        for row in days:
            values = zeros | row | {"user_address": trader}
            names = ", ".join(values)
            marks = ", ".join(f"%({name})s" for name in values)
            connection.execute(f"INSERT INTO trader_daily ({names}) VALUES ({marks})", values)  # type: ignore[arg-type]
            connection.execute(
                "INSERT INTO trader_coin_daily (day, user_address, coin, fill_count, first_time, "
                "last_time, closed_trades, hold_ms, left_censored_trades, continuity_breaks) "
                "VALUES (%(day)s, %(user_address)s, 'BTC', 1, %(day)s, %(day)s, 0, 0, 0, 0)",
                values,
            )


def classified(vigil: Installation, rule_set: str) -> dict[str, dict[str, Any]]:
    rows = vigil.records(f"SELECT * FROM classified_profiles_before({FOREVER}, '{rule_set}')")
    return {row["user_address"]: row for row in rows}


def test_vectors(vigil: Installation) -> None:
    cases = json.loads(shared_file(VECTORS).read_text())["cases"]
    for case in cases:
        days = [
            {
                "day": day_start_ms(date.fromisoformat(day["day"])),
                "fill_count": day["fill_count"],
                "volume": Decimal(day["volume_usd"]),
                "realized_pnl": Decimal(day["realized_pnl_usd"]),
                "fees_paid": Decimal(day["fees_usd"]),
                "maker_fills": day["maker_fills"],
                "liquidation_fills": day["liquidation_fills"],
            }
            for day in case["inputs"]["trader_daily"]
        ]
        write_days(vigil, case["id"], days)
    found = {name: classified(vigil, name) for name in ("seed_100k", "seed_10k")}
    for case in cases:
        expected = case["expected"]
        if not case["inputs"]["trader_daily"]:
            # A trader without fills has no profile: nothing is said of him.
            assert case["id"] not in found["seed_100k"]
            continue
        row = found["seed_100k"][case["id"]]
        assert row["trader_type"] == expected["trader_type_seed_100k"], case["id"]
        other = found["seed_10k"][case["id"]]["trader_type"]
        assert other == expected["trader_type_seed_10k"], case["id"]
        assert row["net_pnl"] == Decimal(expected["net_pnl_usd"])
        assert row["total_volume"] == Decimal(expected["total_volume_usd"])
        ratios = {"maker_pct": "maker_pct", "mtm_tv": "mtm_tv", "sharpe_ratio": "sharpe_seed"}
        for ours, theirs in ratios.items():
            wanted = expected[theirs]
            assert (row[ours] is None) == (wanted is None), (case["id"], ours)
            if wanted is not None:
                assert float(row[ours]) == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def smart(pnl: list[str], volume: str = "10000") -> list[dict[str, Any]]:
    start = day_start_ms(DAY)
    return [
        {"day": start + n * DAY_MS, "fill_count": 10, "volume": Decimal(volume), "realized_pnl": p}
        for n, p in enumerate(map(Decimal, pnl))
    ]


EDGES = {
    "liquidator at": ([{"fill_count": 10, "volume": 1, "liquidation_fills": 2}], "liquidator"),
    "liquidator below": ([{"fill_count": 1_001, "volume": 1, "liquidation_fills": 200}], "retail"),
    "hft at": ([{"fill_count": 10, "volume": 1_000, "maker_fills": 7, "realized_pnl": -1}], "hft"),
    "hft few makers": ([{"fill_count": 1_000, "volume": 1_000, "maker_fills": 699}], "retail"),
    "hft too good": (
        [{"fill_count": 10, "volume": 1_000, "maker_fills": 7, "realized_pnl": Decimal("1.0001")}],
        "retail",
    ),
    "smart at": (smart(["60000", "40000"]), "smart_directional"),
    "smart a cent below": (smart(["60000", "39999.99"]), "retail"),
    "smart at ten bps": (smart(["60000", "40000"], "50000000"), "smart_directional"),
    "smart below ten bps": (smart(["60000", "40000"], "50000000.01"), "retail"),
    "smart one day": (smart(["100000"]), "retail"),
    "smart equal days": (smart(["50000", "50000"]), "retail"),
    "smart and liquidated": (
        [row | {"liquidation_fills": 2} for row in smart(["60000", "40000"])],
        "liquidator",
    ),
    "pnl unknown": ([{"fill_count": 10, "volume": 5, "realized_pnl": None}], "retail"),
}


def test_every_threshold_from_both_sides(vigil: Installation) -> None:
    for name, (days, _) in EDGES.items():
        start = day_start_ms(DAY)
        write_days(vigil, name, [{"day": start + n * DAY_MS} | d for n, d in enumerate(days)])
    found = classified(vigil, "seed_100k")
    assert {name: found[name]["trader_type_rule"] for name in EDGES} == {
        name: rule for name, (_, rule) in EDGES.items()
    }
    assert found["smart equal days"]["sharpe_ratio"] is None
    assert found["pnl unknown"]["net_pnl"] is None


V1_INPUTS = {
    "maker_volume_pct": "0.1", "net_edge": "0.001", "liquidator_fill_pct": "0",
    "liquidated_fill_pct": "0", "calendar_days": "30", "closed_trades": "20",
    "net_pnl": "100000", "sharpe_ratio": "1", "deflated_sharpe": "0.95",
    "mean_hold_hours": "1", "turnover_per_day": "3",
}  # fmt: skip
"""Inputs of `vigil_v1` that are just enough for SMART_DIRECTIONAL."""

V1_EDGES: list[tuple[dict[str, str | None], str]] = [
    ({}, "SMART_DIRECTIONAL"),
    ({"calendar_days": "29"}, "RETAIL"),
    ({"closed_trades": "19"}, "RETAIL"),
    ({"net_pnl": "99999.99"}, "RETAIL"),
    ({"net_edge": "0.000999"}, "RETAIL"),
    ({"sharpe_ratio": "0.9999"}, "RETAIL"),
    ({"sharpe_ratio": None}, "RETAIL"),
    ({"deflated_sharpe": "0.9499"}, "RETAIL"),
    ({"maker_volume_pct": "0.7"}, "MARKET_MAKER"),
    ({"maker_volume_pct": "0.6999"}, "SMART_DIRECTIONAL"),
    ({"maker_volume_pct": "0.7", "net_edge": "0.0011"}, "SMART_DIRECTIONAL"),
    ({"maker_volume_pct": "0.7", "net_edge": "-0.001"}, "MARKET_MAKER"),
    ({"maker_volume_pct": "0.7", "net_edge": "-0.0011"}, "RETAIL"),
    ({"liquidator_fill_pct": "0.2"}, "LIQUIDATOR"),
    ({"liquidated_fill_pct": "0.2"}, "LIQUIDATED"),
    ({"liquidator_fill_pct": "0.1999", "liquidated_fill_pct": "0.1999"}, "SMART_DIRECTIONAL"),
    ({"net_pnl": "0", "mean_hold_hours": "24", "turnover_per_day": "0.5"}, "BASIS"),
    ({"net_pnl": "0", "mean_hold_hours": "23.99", "turnover_per_day": "0.5"}, "RETAIL"),
    ({"net_pnl": "0", "mean_hold_hours": "24", "turnover_per_day": "0.51"}, "RETAIL"),
    ({"net_pnl": "0", "mean_hold_hours": "24", "turnover_per_day": None}, "RETAIL"),
]


def test_vigil_v1_from_both_sides_of_each_threshold(vigil: Installation) -> None:
    columns = sql.SQL(", ").join(
        sql.SQL("%({})s::numeric AS {}").format(sql.SQL(name), sql.Identifier(name))
        for name in V1_INPUTS
    )
    with vigil.warehouse.connect() as connection:
        case = connection.execute("SELECT rule_case('vigil_v1', 'trader_type')").fetchone()
        assert case is not None
        statement = sql.SQL("SELECT {} FROM (SELECT {}) AS m").format(sql.SQL(case[0]), columns)
        found = [
            connection.execute(statement, V1_INPUTS | changes).fetchone() for changes, _ in V1_EDGES
        ]
    assert found == [(expected,) for _, expected in V1_EDGES]


def test_a_rule_set_that_is_not_there_is_refused(vigil: Installation) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="no rule set seed_1k"):
        classified(vigil, "seed_1k")
