"""What lists show: the same as the functions say of one trader; and lists that go on."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import Installation, installed
from tests.reference.round_trips import Fill, random_fills
from tests.resources.test_round_trips import COINS, DAYS, USERS
from tests.resources.test_trader_metrics import build, load
from vigil_core.calendar import DAY_MS
from vigil_core.errors import NotLoaded
from vigil_resources.metrics.explorer import SORTS, CursorNotOurs, Explorer, Sort, TraderFilter
from vigil_resources.metrics.markets import Markets
from vigil_resources.metrics.published import Published, PublishedTraders

AT = DAYS[-1] + DAY_MS


USERS_HERE = [*USERS, "0x" + "e" * 40, "0x" + "f" * 40]


def published_fills(seed: int) -> list[Fill]:
    """Some traders' fees have no price and some results are not told; the others' all are."""
    fills = random_fills(random.Random(seed), USERS_HERE, COINS, DAYS, 8)
    return [
        fill
        if fill.user in USERS[:2]
        else replace(
            fill, closed_pnl=fill.closed_pnl or Decimal(0), fee=Decimal("0.01"), fee_token="USDC"
        )
        for fill in fills
    ]


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("published")
    with installed(folder, folder / "raw", module_patch) as installation:
        fills = published_fills(4)
        for day in DAYS:
            load(installation, fills, day)
        build(installation, DAYS)
        with installation.warehouse.connect() as connection:
            connection.execute(_BALANCES, {"at": AT, "day": DAY_MS})
        PublishedTraders(installation.warehouse).build()
        yield installation


_BALANCES = """
INSERT INTO account_balances (day, address, recorded_at, account_value, total_ntl_pos)
SELECT day, user_address, day + 1000, 1000, exposure_usd
FROM trader_totals
WHERE exposure_usd IS NOT NULL AND day < %(at)s - %(day)s
"""


@pytest.fixture
def explorer(vigil: Installation) -> Explorer:
    return Explorer(lambda: vigil.warehouse.connect(read_only=True))


def rows(vigil: Installation) -> dict[str, dict[str, Any]]:
    found = vigil.records("SELECT * FROM published_traders")
    return {row["user_address"]: row for row in found}


def one(vigil: Installation, statement: str) -> dict[str, Any]:
    [row] = vigil.records(statement)
    return row


def test_every_figure_is_what_the_functions_say_of_the_trader(vigil: Installation) -> None:
    found = rows(vigil)
    metrics = vigil.records(f"SELECT * FROM trader_metrics_between({AT}, NULL)")
    assert found.keys() == {row["user_address"] for row in metrics}
    for name in ("roi_all", "sharpe_ratio", "max_drawdown", "diversification_score"):
        assert len({row[name] for row in found.values()} - {None}) > 1, name
    assert any(row["roi_all"] is None for row in found.values())
    for wanted in metrics:
        address = wanted["user_address"]
        row = found[address]
        same = row.keys() & wanted.keys()
        assert len(same) > 15
        assert {name: row[name] for name in same} == {name: wanted[name] for name in same}
        for name, days in (("roi_30d", 30), ("roi_90d", 90), ("roi_all", "NULL")):
            track = one(vigil, f"SELECT * FROM trader_track('{address}', {AT}, {days})")
            assert row[name] == track["roi"], (address, name)
            assert row[f"{name}_reason"] == track["roi_reason"]
        assert close(row["max_drawdown"], track["max_drawdown"]), address
        assert row["max_drawdown_reason"] == track["max_drawdown_reason"]
        leverage = one(vigil, f"SELECT * FROM trader_leverage('{address}', {AT})")
        assert close(row["avg_leverage"], leverage["avg_leverage"])
        assert row["avg_leverage_reason"] == leverage["avg_leverage_reason"]
        book = one(vigil, f"SELECT * FROM trader_concentration('{address}', {AT})")
        if book["share_basis"] == "exposure":
            assert close(row["diversification_score"], book["diversification_score"])
        else:
            assert row["diversification_score"] is None
            assert row["diversification_score_reason"] == "not_applicable"
        if row["curve_days"] and track["pnl_usd"] is not None:
            assert row["curve_usd"][-1] == pytest.approx(float(track["pnl_usd"]), rel=1e-5)


def close(found: float | None, wanted: float | None) -> bool:
    if found is None or wanted is None:
        return found is wanted
    return math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-12)


def test_percentiles_are_the_share_that_is_worse(vigil: Installation) -> None:
    found = list(rows(vigil).values())
    # Six days: nobody has enough of them, so all are the universe.
    assert one(vigil, "SELECT universe FROM published_state")["universe"] == "all"
    for column, of, sign in (
        ("percentile_sharpe_ratio", "sharpe_ratio", 1),
        ("percentile_roi", "roi_all", 1),
        ("percentile_max_drawdown", "max_drawdown", 1),
        ("percentile_win_rate", "win_rate", 1),
        ("percentile_avg_leverage", "avg_leverage", -1),
    ):
        known = [row for row in found if row[of] is not None]
        assert len(known) > 1, of
        for row in found:
            if row[of] is None:
                assert row[column] is None
                continue
            worse = sum(sign * other[of] < sign * row[of] for other in known)
            assert row[column] == pytest.approx(worse / (len(known) - 1)), (of, row["user_address"])


def test_what_is_published_is_current_until_something_changes(vigil: Installation) -> None:
    published = PublishedTraders(vigil.warehouse)
    before = vigil._digest("published_traders", "t::text")
    assert published.is_current()
    assert published.build() == Published(len(rows(vigil)), AT, is_kept=False)
    assert vigil._digest("published_traders", "t::text") == before
    with vigil.warehouse.connect() as connection:
        connection.execute("UPDATE metric_state SET built_from = 'else' WHERE day = %s", [DAYS[-1]])
    assert not published.is_current()
    published.build()
    assert published.is_current()


def test_while_days_are_built_again_lists_stay_and_figures_end_before_them(
    vigil: Installation, explorer: Explorer
) -> None:
    published = PublishedTraders(vigil.warehouse)
    published.build()
    before = vigil._digest("published_traders", "t::text")
    with vigil.warehouse.connect() as connection:
        connection.execute(
            "UPDATE trader_totals SET net_below_2 = 1e12, marked_below_2 = 1e12 WHERE day = %s",
            [DAYS[2]],
        )
        connection.execute("UPDATE metric_state SET built_from = 'else' WHERE day = %s", [DAYS[2]])
    try:
        assert explorer.age()["figures_until"] == DAYS[2] + DAY_MS
        with vigil.warehouse.connect(read_only=True) as connection:
            assert Markets(connection).known_until() == DAYS[2] + DAY_MS
        assert published.build() == Published(len(rows(vigil)), AT, is_kept=True)
        assert not published.is_current()
        assert vigil._digest("published_traders", "t::text") == before
    finally:
        build(vigil, DAYS)
    assert explorer.age()["figures_until"] == AT
    published.build()
    assert published.is_current()
    assert vigil._digest("published_traders", "t::text") == before


@pytest.mark.parametrize("column", SORTS)
@pytest.mark.parametrize("is_down", [True, False])
def test_pages_hold_every_trader_once_in_order(
    vigil: Installation, explorer: Explorer, column: str, is_down: bool
) -> None:
    sort = Sort(column, is_down)
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = explorer.traders(TraderFilter(), sort, limit=3, cursor=cursor)
        seen += page.rows
        cursor = page.next
        if cursor is None:
            break

    assert sorted(row["user_address"] for row in seen) == sorted(rows(vigil))
    values = [row[column] for row in seen]
    known = [value for value in values if value is not None]
    assert known == sorted(known, reverse=is_down)
    assert values[len(known) :] == [None] * (len(values) - len(known))


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        (TraderFilter(trader_type="RETAIL"), lambda row: row["trader_type"] == "RETAIL"),
        (TraderFilter(coin=COINS[0]), lambda row: COINS[0] in row["coins"]),
        (TraderFilter(q=USERS[0].upper()), lambda row: row["user_address"] == USERS[0]),
        (TraderFilter(publishable=True), lambda row: row["publishable"]),
        (TraderFilter(state="followed"), lambda row: False),  # noqa: ARG005
        (TraderFilter(min_volume=10_000), lambda row: row["volume_usd"] >= 10_000),  # type: ignore[arg-type]
    ],
    ids=["class", "coin", "address", "publishable", "followed", "volume"],
)
def test_filters_leave_what_is_asked(
    vigil: Installation,
    explorer: Explorer,
    asked: TraderFilter,
    holds: Callable[[dict[str, Any]], bool],
) -> None:
    page = explorer.traders(asked, Sort("volume_usd", is_down=True), limit=500)
    wanted = {address for address, row in rows(vigil).items() if holds(row)}
    assert {row["user_address"] for row in page.rows} == wanted


def test_a_cursor_of_another_list_is_refused(explorer: Explorer) -> None:
    first = explorer.traders(TraderFilter(), Sort("net_pnl", is_down=True), limit=1)
    assert first.next is not None
    for cursor in (first.next, first.next[:-3], "x", "", "bm90IGpzb24"):
        with pytest.raises(CursorNotOurs):
            explorer.traders(TraderFilter(), Sort("roi_all", is_down=True), limit=1, cursor=cursor)


def test_nothing_is_published_before_figures_are_built(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("empty")
    with installed(folder, folder / "raw", monkeypatch) as empty:
        published = PublishedTraders(empty.warehouse)
        assert not published.is_possible()
        with pytest.raises(NotLoaded):
            published.build()
