"""The worked fills of metrics, put into the warehouse and read from the view `trader_metrics`."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from psycopg import sql

from tests.conftest import Installation, installed
from tests.reference.shared_files import metric_vectors
from vigil_core.calendar import DAY_MS, day_of
from vigil_resources.database.warehouse import DERIVED
from vigil_resources.metrics.trader_metrics import TraderMetrics

CASES = metric_vectors("trades_from_fills")
DAY = 1_757_289_600_000

NAMES = {
    "perp_fill_count": "fills",
    "perp_volume_usd": "volume_usd",
    "gross_realized_pnl_usd": "gross_realized_pnl_usd",
    "total_fees_usd": "total_fees_usd",
    "unpriced_component_count": "unpriced_component_count",
    "net_pnl_ex_funding_usd": "net_pnl_ex_funding_usd",
    "perp_net_pnl_ex_funding_usd": "net_pnl",
    "maker_pct": "maker_pct",
    "maker_volume_pct": "maker_volume_pct",
    "win_rate_fills": "win_rate_fills",
    "realized_edge": "realized_edge",
    "net_edge": "net_edge",
    "liquidated_fill_pct": "liquidated_fill_pct",
    "liquidator_fill_pct": "liquidator_fill_pct",
    "closed_trades": "closed_trades",
    "left_censored_trades": "left_censored_trades",
    "continuity_breaks": "continuity_breaks",
    "win_rate": "win_rate",
    "gross_profit_usd": "gross_profit_usd",
    "gross_loss_usd": "gross_loss_usd",
    "profit_factor": "profit_factor",
    "avg_holding_hours": "mean_hold_hours",
}
"""In the vectors, and in the view."""

OF_ONE = {
    "unique_perp_coins": "unique_coins",
    "open_trades": "open_trades",
    "winning_trades": "winning_trades",
    "losing_trades": "losing_trades",
    "median_holding_hours": "median_hold_hours",
}
"""Likewise, and in `trader_trades`, which is asked of one trader."""

MONEY = {"perp_volume_usd", *(name for name in NAMES if name.endswith("_usd"))} - {"gross_loss_usd"}

PRICED_OTHERWISE = "spot_fees_in_base_token"
"""Gives the price of a token that was bought; no source of ours does, and what was paid stands."""

WITH_SPOT_FEES = {"total_fees_usd", "net_pnl_ex_funding_usd"}


def address(number: int) -> str:
    """Each case has a trader of its own, so that one day holds them all."""
    return f"0x{0xCA5E0000 + number:040x}"


@pytest.fixture(scope="module")
def figures(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[dict[str, dict[str, Any]]]:
    if not CASES:
        pytest.skip("no shared folder beside the repository")
    folder = tmp_path_factory.mktemp("metrics")
    with installed(folder, folder / "raw", module_patch) as vigil:
        _put(vigil)
        for relation in DERIVED:
            vigil.warehouse.build_day(relation, day_of(DAY))
        TraderMetrics(vigil.warehouse).build(day_of(DAY))
        as_of = f"'{day_of(DAY + DAY_MS)}'"
        rows = vigil.records(f"SELECT * FROM trader_metrics WHERE as_of = {as_of}")
        for row in rows:
            [more] = vigil.records(
                f"SELECT * FROM trader_trades('{row['user_address']}', {DAY + DAY_MS})"
            )
            row |= {f"of_one_{name}": more[name] for name in OF_ONE.values()}
        by_trader = {row["user_address"]: row for row in rows}
        yield {
            case.values[0]["id"]: by_trader[address(number)]  # type: ignore[index]
            for number, case in enumerate(CASES)
        }


def _put(vigil: Installation) -> None:
    bounds = {"start": sql.Literal(DAY), "end": sql.Literal(DAY + DAY_MS)}
    with vigil.warehouse.connect() as connection:
        connection.execute(
            sql.SQL(
                "CREATE TABLE fill_days.d20250908 PARTITION OF fills "
                "FOR VALUES FROM ({start}) TO ({end})"
            ).format(**bounds)
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO fills (user_address, coin, px, sz, side, time, block_number, "
                "event_index, start_position, dir, closed_pnl, crossed, fee, fee_token, "
                "builder_fee, liquidation, oid, tid) VALUES (%(user)s, %(coin)s, %(px)s, %(sz)s, "
                "%(side)s, %(time)s, 1, %(event_index)s, %(startPosition)s, %(dir)s, "
                "%(closedPnl)s, %(crossed)s, %(fee)s, %(feeToken)s, %(builderFee)s, "
                "%(liquidation)s, %(tid)s, %(tid)s)",
                [
                    _row(fill, number)
                    for number, case in enumerate(CASES)
                    for fill in case.values[0]["inputs"]["fills"]  # type: ignore[index]
                ],
            )
        connection.execute(
            "INSERT INTO day_state (day, source, content_version, generation, row_count, "
            "repeated_count, missing_hours, loaded_at) "
            "VALUES (%s, 'vectors', '', nextval('generation'), 0, 0, '{}', now())",
            [DAY],
        )


def _row(fill: dict[str, Any], number: int) -> dict[str, Any]:
    liquidation = fill.get("liquidation")
    if liquidation and liquidation["liquidatedUser"] == fill["user"]:
        liquidation = liquidation | {"liquidatedUser": address(number)}
    return fill | {
        "user": address(number),
        "builderFee": fill.get("builderFee"),
        "liquidation": json.dumps(liquidation) if liquidation else None,
    }


@pytest.mark.parametrize("case", CASES)
def test_view_holds_the_figures_of_the_vector(
    case: dict[str, Any], figures: dict[str, dict[str, Any]]
) -> None:
    row = figures[case["id"]]
    compared = 0
    for name, wanted in case["expected"].items():
        if name not in NAMES:
            continue
        found = row[NAMES[name]]
        reason = case.get("null_reasons", {}).get(name)
        if wanted is None:
            assert found is None, name
            assert row[f"{NAMES[name]}_reason"] == reason, name
        elif case["id"] == PRICED_OTHERWISE and name in {
            "total_fees_usd",
            "net_pnl_ex_funding_usd",
        }:
            paid = Decimal("0.007") * (31 - 30)
            more = paid if name == "total_fees_usd" else -paid
            assert found == Decimal(wanted) + more, name
        elif name == "gross_loss_usd":
            assert -found == Decimal(wanted), name
        elif name in MONEY:
            assert found == Decimal(wanted), name
        else:
            assert float(found) == pytest.approx(float(wanted), rel=1e-9, abs=1e-12), name
        compared += 1
    assert compared >= 4


@pytest.mark.parametrize("case", CASES)
def test_figures_of_one_trader_are_those_of_the_vector(
    case: dict[str, Any], figures: dict[str, dict[str, Any]]
) -> None:
    for name, published in OF_ONE.items():
        if name in case["expected"]:
            found = figures[case["id"]][f"of_one_{published}"]
            assert found == pytest.approx(case["expected"][name], rel=1e-9), name


def test_interval_of_the_win_rate_is_the_vectors(figures: dict[str, dict[str, Any]]) -> None:
    for case in (case.values[0] for case in CASES):
        interval = case["expected"].get("win_rate_ci95")  # type: ignore[index]
        if interval is not None:
            row = figures[case["id"]]  # type: ignore[index]
            found = [row["win_rate_lower"], row["win_rate_upper"]]
            assert found == pytest.approx(interval, rel=1e-9)
