"""A leader followed in the middle of a simulated world, against a slow account of the same rows."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Installation, installed
from tests.reference import paper_account
from tests.reference.slow_reader import read_object
from tests.resources.desk import add_trader
from vigil_cli.backfill import backfill
from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms
from vigil_core.desk.copying import Terms
from vigil_core.metrics.catalogue import FAMILIES, WINDOWS
from vigil_resources.desk.paper import RELATIONS, PaperTrading
from vigil_resources.metrics.trader_report import FoundFamily, FoundFigure, families
from vigil_resources.wiring import open_paper_trading
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

Row = dict[str, Any]

WORLD = replace(TINY, day_count=3)
FIRST = WORLD.first_day
LAST = FIRST + timedelta(days=WORLD.day_count - 1)
SINCE = day_start_ms(FIRST) + DAY_MS
END = day_start_ms(LAST) + DAY_MS
NEEDED = " or ".join(
    f"key:{name}"
    for name in (
        *("raw_fills", "fills_parquet", "fills", "trader_daily", "coin_daily", "round_trips"),
        *("trader_metrics", "candles", "raw_perp_balances", "perp_balances_parquet", "oi_history"),
        *RELATIONS,
    )
)
DESK = ("signals", "copies", "copy_fills", "trader_performance", "trader_risk", "paper_accounts")
LEADERS = (
    "SELECT r.user_address, count(*) AS trades FROM round_trips AS r"
    " WHERE r.hold_ms IS NOT NULL AND r.net_pnl <> 0"
    " AND EXISTS (SELECT FROM account_balances AS b WHERE b.address = r.user_address)"
    " GROUP BY r.user_address HAVING count(*) >= 10 ORDER BY trades DESC, 1 LIMIT 12"
)


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """The first day is loaded, twelve leaders are followed, and the rest comes."""
    folder = tmp_path_factory.mktemp("desk")
    write_world(WORLD, folder / "raw")
    module_patch.setenv("VIGIL_ARTEMIS_DATA", str(folder / "raw/artemis/raw"))
    with installed(folder, folder / "raw", module_patch) as installation:
        backfill(installation.settings, FIRST, FIRST, select=NEEDED)
        assert installation.records("SELECT * FROM desk_state") == []
        leaders = installation.records(LEADERS)
        with installation.warehouse.connect() as connection:
            for number, leader in enumerate(leaders, 1):
                add_trader(
                    connection, SINCE, number=number, user_address=leader["user_address"],
                    min_confidence=Decimal("0.05"), max_leverage=20, base_size_usd=Decimal("150"),
                    position_multiplier=Decimal("1.5"), paper_capital_usd=1_000_000,
                )  # fmt: skip
        backfill(installation.settings, FIRST, LAST, select=NEEDED)
        yield installation


@pytest.fixture(scope="module")
def tape(vigil: Installation) -> list[Row]:
    paths = Path(vigil.settings.node_data).glob("node_fills_by_block/hourly/*/*.lz4")
    rows = [row for path in paths for row in read_object(path).rows]
    return sorted(rows, key=lambda row: (row["block_number"], row["event_index"]))


@pytest.fixture(scope="module")
def traders(vigil: Installation) -> list[Row]:
    return vigil.records("SELECT trader_id, user_address FROM traders ORDER BY trader_id")


def test_signals_are_the_leaders_intents(
    vigil: Installation, tape: list[Row], traders: list[Row]
) -> None:
    total = 0
    for trader in traders:
        openings, _ = paper_account.intents(tape, trader["user_address"], SINCE)
        found = vigil.records(
            "SELECT leader_time, coin, side, leader_px FROM signals WHERE action = 'open'"
            f" AND trader_id = {trader['trader_id']} ORDER BY leader_time, coin, side"
        )
        expected = [(o.time, o.coin, "buy" if o.side == "B" else "sell", o.px) for o in openings]
        assert [tuple(row.values()) for row in found] == sorted(expected)
        total += len(expected)
    assert total > 50


def test_equity_is_exactly_that_of_a_slow_account(
    vigil: Installation, tape: list[Row], traders: list[Row]
) -> None:
    """With an hour's patience: a small world's tape is thin."""
    patience = Terms(wait_ms=HOUR_MS)
    paper = PaperTrading(vigil.warehouse, terms=patience)
    for n in (1, 2):
        paper.build(FIRST + timedelta(days=n))
    by_coin = paper_account.tapes(tape)
    copied = 0
    for trader in traders:
        own = f"trader_id = {trader['trader_id']}"
        accepted = {
            (row["leader_time"], row["coin"], row["side"])
            for row in vigil.records(
                "SELECT leader_time, coin, side FROM signals WHERE action = 'open'"
                f" AND outcome IN ('paper', 'no_liquidity') AND {own}"
            )
        }
        openings, exits = paper_account.intents(tape, trader["user_address"], SINCE)
        lives = [
            paper_account.live(
                o, exits, by_coin[o.coin], Decimal(225), wait=patience.wait_ms, data_end=END
            )
            for o in openings
            if (o.time, o.coin, "buy" if o.side == "B" else "sell") in accepted
        ]
        copies = [life for life in lives if life is not None]
        copied += len(copies)
        closed = {
            (row["leader_entry_at"], row["coin"]): row["closed_at"]
            for row in vigil.records(
                f"SELECT leader_entry_at, coin, closed_at FROM copies WHERE {own}"
            )
        }
        assert closed == {(c.opening.time, c.opening.coin): c.closed_at for c in copies}
        pieces = [
            tuple(row.values())
            for row in vigil.records(
                "SELECT leader_entry_at, c.coin, time, f.quantity, px FROM copies AS c"
                f" JOIN copy_fills AS f USING (copy_id) WHERE {own} ORDER BY 1, 2, n"
            )
        ]
        assert pieces == [
            (copy.opening.time, copy.opening.coin, piece.time, piece.quantity, piece.px)
            for copy in sorted(copies, key=lambda c: (c.opening.time, c.opening.coin))
            for piece in copy.pieces
        ]
        ends = [SINCE + DAY_MS, SINCE + 2 * DAY_MS]
        days = vigil.records(f"SELECT * FROM trader_performance WHERE {own} ORDER BY date")
        assert [day["equity_usd"] for day in days] == paper_account.equity(
            copies, tape, Decimal(1_000_000), ends
        )
    assert copied > 10
    for n in (1, 2):
        open_paper_trading(vigil.settings).build(FIRST + timedelta(days=n))


def test_costs_of_every_copy_add_up(vigil: Installation) -> None:
    [row] = vigil.records(
        "SELECT count(*) AS closed, count(*) FILTER (WHERE net_pnl_usd = gross_at_leader_usd"
        " - lag_usd - slippage_usd - fees_usd + coalesce(funding_usd, 0)) AS equal"
        " FROM copies WHERE closed_at IS NOT NULL"
    )
    assert row["closed"] > 0
    assert row["closed"] == row["equal"]


def test_confidence_is_of_trades_closed_before(vigil: Installation) -> None:
    rows = vigil.records(
        "SELECT s.confidence, k.won, k.lost, i.win_rate_lower FROM signals AS s"
        " JOIN traders AS t USING (trader_id) CROSS JOIN LATERAL (SELECT"
        " count(*) FILTER (WHERE net_pnl > 0) AS won, count(*) FILTER (WHERE net_pnl < 0) AS lost"
        " FROM round_trips AS r WHERE r.user_address = t.user_address AND hold_ms IS NOT NULL"
        " AND closed_at < s.leader_time) AS k"
        " CROSS JOIN LATERAL wilson_interval(k.won, k.lost) AS i WHERE s.action = 'open'"
    )
    assert rows
    for row in rows:
        assert row["won"] + row["lost"] >= 10
        assert row["confidence"] == row["win_rate_lower"]


def contents(vigil: Installation) -> dict[str, str]:
    return {
        name: json.dumps(vigil.records(f"SELECT to_jsonb(t) AS row FROM {name} AS t ORDER BY 1"))
        for name in DESK
    }


def test_built_again_in_one_go_all_is_the_same(vigil: Installation) -> None:
    before = contents(vigil)
    select = " or ".join(f"key:{name}" for name in RELATIONS)
    assert backfill(vigil.settings, FIRST, LAST, select=select) == 0
    assert backfill(vigil.settings, FIRST, LAST, select=select, force=True) == 2
    assert contents(vigil) == before
    paper = open_paper_trading(vigil.settings)
    assert all(paper.is_current(FIRST + timedelta(days=n)) for n in range(3))


# --- the figures of a trader by family -------------------------------------------------------


@pytest.fixture(scope="module")
def leader(traders: list[Row]) -> Row:
    return traders[0]


def report(
    vigil: Installation, address: str, window: str, trader_id: int | None = None
) -> list[FoundFamily]:
    with vigil.warehouse.connect(read_only=True) as connection:
        return families(connection, address, END, window, trader_id)


def by_key(found: list[FoundFamily]) -> dict[str, FoundFigure]:
    return {one.figure.key: one for family in found for one in family.figures}


def test_keys_are_unique_and_have_labels_and_formulas() -> None:
    keys = [one.key for family in FAMILIES for one in family.figures]
    assert len(keys) == len(set(keys))
    assert all(one.label and one.formula for family in FAMILIES for one in family.figures)


@pytest.mark.parametrize("window", WINDOWS)
def test_each_figure_has_a_value_or_a_reason(window: str, vigil: Installation, leader: Row) -> None:
    found = report(vigil, leader["user_address"], window, leader["trader_id"])

    assert [one.family for one in found] == list(FAMILIES)
    for family in found:
        assert family.window.name == window
        assert family.window.start is not None
        for one in family.figures:
            assert (one.value is None) == (one.reason is not None), one.figure.key
            assert not (one.publishable and one.value is None), one.figure.key
    figures = by_key(found)
    assert figures["win_rate"].n_obs > 0
    assert figures["max_drawdown"].value <= 0
    assert figures["leverage_win_rate"].value is not None
    assert figures["concentration_index"].value > 0
    assert figures["signal_frequency"].value > 0
    # Three days are too few to be shown without a warning.
    assert not figures["sharpe_ratio"].publishable
    assert not figures["calmar_ratio"].publishable


def test_figures_are_those_of_the_functions(vigil: Installation, leader: Row) -> None:
    address = leader["user_address"]
    figures = by_key(report(vigil, address, "all", leader["trader_id"]))
    [row] = vigil.records(
        f"SELECT * FROM trader_metrics WHERE as_of = '{LAST + timedelta(days=1)}'"
        f" AND user_address = '{address}'"
    )
    for key in ("sharpe_ratio", "win_rate", "profit_factor", "sortino_ratio"):
        assert figures[key].value == row[key], key
        assert figures[key].reason == row[f"{key}_reason"], key
    [track] = vigil.records(f"SELECT * FROM trader_track('{address}', {END})")
    roi, drawdown = track["roi"], track["max_drawdown"]
    if drawdown:
        assert figures["return_over_max_drawdown"].value == pytest.approx(roi / abs(drawdown))
        grown = (1 + roi) ** (365 / track["n_days"]) - 1
        assert figures["calmar_ratio"].value == pytest.approx(grown / abs(drawdown))
    else:
        assert figures["calmar_ratio"].reason == "no_drawdown"
    [net] = vigil.records(
        f"SELECT sum(net_pnl_usd) AS net FROM copies WHERE trader_id = {leader['trader_id']}"
    )
    assert figures["pnl_contribution_usd"].value == (net["net"] or 0)


def test_who_was_never_seen_or_is_not_followed_has_reasons(vigil: Installation) -> None:
    for family in report(vigil, "0x" + "0" * 40, "30d"):
        assert family.window.start is None
        assert all(one.value is None and one.reason for one in family.figures)
    for family in report(vigil, "0x" + "0" * 40, "30d"):
        if family.family.key == "signal_quality":
            assert {one.reason for one in family.figures} == {"not_applicable"}


def test_planted_behaviours_have_reasons_for_what_they_lack(vigil: Installation) -> None:
    truth = json.loads((Path(vigil.settings.node_data) / "truth.json").read_text())
    for planted in truth["planted"]:
        figures = by_key(report(vigil, planted["address"], "all"))
        assert all((f.value is None) == (f.reason is not None) for f in figures.values())
