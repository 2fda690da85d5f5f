"""The corrected figures: against plain walks over all history, whatever the order of days."""

import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

import pytest

from tests.conftest import Installation
from tests.reference.round_trips import Fill, random_fills
from tests.reference.trader_metrics import trader_days, window_figures
from tests.resources.test_round_trips import COINS, DAYS, USERS, assert_as_followed, of_day, put
from vigil_core.calendar import DAY_MS, day_of
from vigil_core.errors import NotLoaded
from vigil_resources.database.warehouse import DERIVED
from vigil_resources.metrics.trader_metrics import TraderLabels, TraderMetrics

OF_A_DAY = ("net_pnl", "mark_to_market_pnl", "exposure_usd", "peak_exposure_usd")
WINDOWS = {"30d": 30, "90d": 90, "all": None}


def load(vigil: Installation, fills: Sequence[Fill], day: int) -> None:
    """A day's fills and all that is derived from them alone."""
    mine = of_day(fills, day)
    put(vigil, day, mine)
    with vigil.warehouse.connect() as connection:
        connection.execute(
            "UPDATE day_state SET content_version = %s WHERE day = %s", [repr(mine), day]
        )
    for relation in DERIVED:
        vigil.warehouse.build_day(relation, day_of(day))


def build(vigil: Installation, days: Sequence[int]) -> None:
    """As `backfill` does: in the order of time, and on until nothing is stale."""
    metrics, labels = TraderMetrics(vigil.warehouse), TraderLabels(vigil.warehouse)
    for day in map(day_of, sorted(days)):
        for client in (metrics, labels):
            if not client.is_current(day):
                client.build(day)


def digests(vigil: Installation) -> dict[str, str]:
    names = ("held_positions", "trader_totals", "metric_state", "trader_labels", "label_state")
    return {name: vigil._digest(name, "t::text") for name in names}


def assert_close(found: Any, wanted: Any, what: object) -> None:
    if wanted is None or isinstance(wanted, str | int):
        assert found == wanted, what
    else:
        assert found is not None, what
        assert float(found) == pytest.approx(float(wanted), rel=1e-9, abs=1e-12), what


@pytest.mark.parametrize("seed", range(3))
def test_every_day_and_window_is_as_a_plain_walk_finds_it(vigil: Installation, seed: int) -> None:
    fills = random_fills(random.Random(seed), USERS, COINS, DAYS, 8)
    for day in DAYS:
        load(vigil, fills, day)
    build(vigil, DAYS)

    wanted = trader_days(fills, DAYS)
    found = {
        (row["day"], row["user_address"]): row
        for row in vigil.records("SELECT * FROM trader_totals")
    }
    assert found.keys() == wanted.keys()
    for key, row in found.items():
        for column in OF_A_DAY:
            assert row[column] == getattr(wanted[key], column), (key, column)
    known = [day.mark_to_market_pnl for day in wanted.values()]
    assert None in known
    assert any(value for value in known)
    for as_of in (DAYS[0] + DAY_MS, DAYS[3], DAYS[-1] + DAY_MS, DAYS[-1] + 40 * DAY_MS):
        _assert_windows(vigil, fills, as_of)


def test_the_longest_numbers_of_a_fill_add_up(vigil: Installation) -> None:
    longest = Decimal("9" * 26 + "." + "9" * 12)
    fills = [
        Fill(
            user=USERS[0],
            coin=coin,
            px=longest,
            sz=longest,
            side=side,
            time=DAYS[day] + number,
            block_number=number,
            event_index=0,
            start_position=start,
            closed_pnl=longest,
            fee=longest if token == "HYPE" else longest.copy_negate(),
            fee_token=token,
        )
        for day in (0, 1)
        for number, (coin, side, start, token) in enumerate(
            [
                # Through zero, and twice as far as a position can be told.
                ("BTC", "B", -Decimal(10**25), "USDC"),
                ("kPEPE", "A", longest.copy_negate(), "USDC"),
                ("kPEPE", "B", longest, "USDC"),
                # Paid in what was bought: worth the price, with twice as many decimals.
                ("@107", "B", Decimal(0), "HYPE"),
            ]
        )
    ]
    for day in DAYS[:2]:
        load(vigil, fills, day)
    build(vigil, DAYS[:2])

    assert_as_followed(vigil, fills)
    with localcontext(prec=200):
        wanted = trader_days(fills, DAYS[:2])
        volume = sum((one.volume for one in wanted.values()), start=Decimal(0))
    rows = vigil.records("SELECT * FROM trader_totals ORDER BY day")
    assert len(rows) == 2
    for row in rows:
        for column in OF_A_DAY:
            found = getattr(wanted[row["day"], USERS[0]], column)
            assert row[column] == found, (row["day"], column)
    assert rows[1]["volume"] == volume


def _assert_windows(vigil: Installation, fills: Sequence[Fill], as_of: int) -> None:
    for name, days in WINDOWS.items():
        length = "NULL" if days is None else str(days)
        rows = vigil.records(f"SELECT * FROM trader_metrics_between({as_of}, {length})")
        assert {row["user_address"] for row in rows} <= set(USERS)
        for row in rows:
            # The days after the last one that is loaded are not known to be quiet.
            until = min(as_of, DAYS[-1] + DAY_MS)
            if until < as_of:
                assert row["sharpe_ratio"] is None
                assert row["sharpe_ratio_reason"] == "insufficient_coverage"
                continue
            wanted = window_figures(fills, DAYS, row["user_address"], as_of, days)
            assert wanted is not None
            for column, value in wanted.items():
                assert_close(row[column], value, (as_of, name, row["user_address"], column))


def test_two_days_make_a_window_of_less_than_all(vigil: Installation) -> None:
    fills = random_fills(random.Random(9), USERS, COINS, DAYS, 8)
    for day in DAYS:
        load(vigil, fills, day)
    build(vigil, DAYS)
    as_of = DAYS[-1] + DAY_MS

    for row in vigil.records(f"SELECT * FROM trader_metrics_between({as_of}, 2)"):
        wanted = window_figures(fills, DAYS, row["user_address"], as_of, 2)
        assert wanted is not None
        assert row["window_start"] == as_of - 2 * DAY_MS
        for column, value in wanted.items():
            assert_close(row[column], value, (row["user_address"], column))


@pytest.mark.parametrize("seed", range(3))
def test_what_comes_later_changes_nothing_before_it(vigil: Installation, seed: int) -> None:
    rng = random.Random(seed)
    fills = random_fills(rng, USERS, COINS, DAYS, 8)
    known = rng.randint(1, 4)
    for day in DAYS[:known]:
        load(vigil, fills, day)
    build(vigil, DAYS[:known])
    at = day_of(DAYS[known])
    before = _until(vigil, at)

    for day in DAYS[known:]:
        load(vigil, fills, day)
    build(vigil, DAYS)

    assert before
    assert _until(vigil, at) == before


def _until(vigil: Installation, at: date) -> list[dict[str, Any]]:
    """All figures and labels as of days up to this one."""
    rows = vigil.records(
        f"SELECT * FROM trader_metrics_by_window WHERE as_of <= '{at}'"
        ' ORDER BY as_of, "window", user_address'
    )
    ms = (at - date(1970, 1, 1)) // timedelta(milliseconds=1)
    labels = vigil.records(
        "SELECT user_address, rule_set, valid_from, trader_type, rule, inputs FROM trader_labels"
        f" WHERE valid_from <= {ms} ORDER BY 1, 2, 3"
    )
    return rows + labels


@pytest.mark.slow
def test_any_order_of_arrival_ends_the_same(vigil: Installation) -> None:
    rng = random.Random(4)
    fills = random_fills(rng, USERS, COINS, DAYS, 8)
    for day in DAYS:
        load(vigil, fills, day)
    build(vigil, DAYS)
    orderly = digests(vigil)
    for day in rng.sample(DAYS, len(DAYS)):
        other = [fill for fill in fills if rng.random() < 0.7]
        load(vigil, other, day)
        build(vigil, DAYS)
    assert digests(vigil) != orderly

    for day in rng.sample(DAYS, len(DAYS)):
        load(vigil, fills, day)
        build(vigil, [day])
    build(vigil, DAYS)

    assert digests(vigil) == orderly


def test_an_old_day_that_is_restated_changes_its_traders_from_then_on_alone(
    vigil: Installation,
) -> None:
    fills = random_fills(random.Random(5), USERS, COINS, DAYS, 8)
    for day in DAYS:
        load(vigil, fills, day)
    build(vigil, DAYS)
    before = digests(vigil)
    rows = _totals(vigil)

    gone = next(fill for fill in of_day(fills, DAYS[2]) if fill.user == USERS[1] and fill.sz)
    load(vigil, [fill for fill in fills if fill is not gone], DAYS[2])
    build(vigil, DAYS)

    now = _totals(vigil)
    changed = {key for key, row in now.items() if rows.get(key) != row}
    assert (DAYS[2], USERS[1]) in changed
    # Of others, what the lost fill's price was the last mark of.
    assert {day for day, _ in changed} <= set(DAYS[2:])
    # What was said before can still be read, beside what is said now.
    assert _totals(vigil, "known_until IS NOT NULL") == {key: rows[key] for key in changed}
    assert _totals(vigil, "known_until IS NULL") == now

    load(vigil, fills, DAYS[2])
    build(vigil, DAYS)
    assert digests(vigil) == before


def test_while_days_are_built_again_the_views_show_only_those_that_fit_together(
    vigil: Installation,
) -> None:
    fills = random_fills(random.Random(5), USERS, COINS, DAYS, 8)
    for day in DAYS:
        load(vigil, fills, day)
    build(vigil, DAYS)

    load(vigil, [fill for fill in fills if fill.user != USERS[1]], DAYS[1])
    for rebuilt, day in enumerate(DAYS[1:], start=2):
        build(vigil, [day])
        shown = vigil.records("SELECT DISTINCT as_of FROM trader_metrics ORDER BY as_of")
        assert len(shown) == rebuilt
        assert len(vigil.records("SELECT DISTINCT as_of FROM trader_metrics_by_window")) == rebuilt


def _totals(
    vigil: Installation, versions: str = "known_until IS NULL"
) -> dict[tuple[int, str], dict[str, Any]]:
    rows = vigil.records(f"SELECT * FROM trader_day_versions WHERE {versions}")
    return {
        (row["day"], row["user_address"]): {n: v for n, v in row.items() if n != "known_until"}
        for row in rows
    }


def test_a_day_whose_aggregates_are_older_than_its_fills_is_refused(vigil: Installation) -> None:
    fills = random_fills(random.Random(6), USERS, COINS, DAYS[:1], 8)
    load(vigil, fills, DAYS[0])
    put(vigil, DAYS[0], fills)

    with pytest.raises(NotLoaded, match="trader_metrics"):
        TraderMetrics(vigil.warehouse).build(day_of(DAYS[0]))


def test_labels_of_days_without_figures_are_refused(vigil: Installation) -> None:
    with pytest.raises(NotLoaded, match="trader_labels"):
        TraderLabels(vigil.warehouse).build(day_of(DAYS[0]))


@pytest.mark.parametrize(
    "asked",
    [
        "trader_metrics WHERE as_of = '{as_of}' AND",
        "trader_metrics WHERE",
        "trader_metrics_as_known({before}, NULL, '2999-01-01') WHERE",
    ],
)
def test_one_trader_is_found_without_looking_at_the_others(vigil: Installation, asked: str) -> None:
    fills = random_fills(random.Random(5), USERS, COINS, DAYS, 8)
    for of in DAYS[:3]:
        load(vigil, fills, of)
    build(vigil, DAYS[:3])
    with vigil.warehouse.connect() as connection:
        connection.execute("INSERT INTO known_traders SELECT n FROM generate_series(1, 1000) AS n")
        connection.execute("ANALYZE known_traders")
    rows = asked.format(as_of=day_of(DAYS[2]), before=DAYS[2])

    plan = vigil.records(
        "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON)"
        f" SELECT * FROM {rows} user_address = '{USERS[0]}'"
    )[0]["QUERY PLAN"][0]["Plan"]

    assert plan["Actual Rows"] > 0
    assert _rows_read(plan, "known_traders") <= len(DAYS)


def _rows_read(plan: dict[str, Any], table: str) -> float:
    """Rows that a plan's scans of a table gave or left out."""
    here = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    below = sum(_rows_read(child, table) for child in plan.get("Plans", []))
    return below + (here if plan.get("Relation Name") == table else 0)


AS_OF = [day + DAY_MS for day in DAYS]
LENGTHS = ("NULL", "2", "30")


def figures(vigil: Installation, known_at: datetime | None = None) -> dict[tuple[Any, ...], Any]:
    """Every window's figures to the last digit, by day, length and trader."""
    name = "trader_metrics_between" if known_at is None else "trader_metrics_as_known"
    moment = "" if known_at is None else f", '{known_at.isoformat()}'"
    windows = ", ".join(f"({at}, {days}::bigint)" for at in AS_OF for days in LENGTHS)
    rows = vigil.records(
        "SELECT as_of, days, user_address, to_jsonb(m) AS figures"
        f" FROM (VALUES {windows}) AS w (as_of, days)"
        f" CROSS JOIN LATERAL {name}(w.as_of, w.days{moment}) AS m"
    )
    return {(row["as_of"], row["days"], row["user_address"]): row["figures"] for row in rows}


def moment(vigil: Installation) -> datetime:
    [row] = vigil.records("SELECT clock_timestamp() AS now")
    return row["now"]  # type: ignore[no-any-return]


def differences(one: dict[tuple[Any, ...], Any], other: dict[tuple[Any, ...], Any]) -> set[Any]:
    """Day, length, trader and column of each value that is not the same in both."""
    return {
        (*key, column)
        for key in one.keys() | other.keys()
        for column in {**one.get(key, {}), **other.get(key, {})}
        if one.get(key, {}).get(column) != other.get(key, {}).get(column)
    }


def test_windows_can_be_read_as_before_a_day_was_restated(vigil: Installation) -> None:
    fills = random_fills(random.Random(5), USERS, COINS, DAYS, 8)
    for day in DAYS:
        load(vigil, fills, day)
    build(vigil, DAYS)
    first, before = moment(vigil), figures(vigil)

    gone = next(fill for fill in of_day(fills, DAYS[2]) if fill.user == USERS[1] and fill.sz)
    fewer = [fill for fill in fills if fill is not gone]
    load(vigil, fewer, DAYS[2])
    build(vigil, DAYS)
    second, now = moment(vigil), figures(vigil)

    assert figures(vigil, first) == before
    assert figures(vigil, second) == now
    changed = differences(before, now)
    assert differences(figures(vigil, first), figures(vigil, second)) == changed
    # Of the columns that the plain walk knows: those that it finds otherwise, and no others.
    compared = {column for *_, column in changed} & _walked(fills, AS_OF[-1], USERS[1]).keys()
    assert {"fills", "volume_usd", "net_pnl"} <= compared
    for as_of in AS_OF:
        for user in USERS:
            told, tells = (_walked(given, as_of, user) for given in (fills, fewer))
            wanted = {n for n in told.keys() | tells.keys() if not _same(told.get(n), tells.get(n))}
            found = {column for *key, column in changed if key == [as_of, None, user]}
            assert found & (told.keys() | tells.keys()) == wanted, (as_of, user)


def _walked(fills: Sequence[Fill], as_of: int, user: str) -> dict[str, Any]:
    return window_figures(fills, DAYS, user, as_of, None) or {}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == pytest.approx(other, rel=1e-9, abs=1e-12)
    return bool(one == other)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_every_moment_is_remembered(vigil: Installation, seed: int) -> None:
    """Days come in any order, and again with other fills; traders come, go and come back."""
    rng = random.Random(seed)
    days = DAYS[:4]
    fills = random_fills(rng, USERS, COINS, days, 4)
    start, seen = moment(vigil), []
    there: set[int] = set()
    for day in [*rng.sample(days, len(days)), *rng.choices(days, k=5)]:
        gone = rng.sample(USERS, 2)
        load(vigil, [f for f in fills if f.user not in gone], day)
        there.add(day)
        build(vigil, sorted(there))
        seen.append((moment(vigil), figures(vigil)))
    # Some were gone for a while.
    assert vigil.records(
        "SELECT 1 FROM trader_day_versions AS a JOIN trader_day_versions AS b"
        " ON a.user_address = b.user_address AND a.day = b.day AND a.known_until < b.known_from"
        " WHERE NOT EXISTS (SELECT FROM restated_totals AS r WHERE r.user_address = a.user_address"
        " AND r.day = a.day AND r.known_from = a.known_until)"
    )

    for known_at, known in seen:
        assert figures(vigil, known_at) == known
    assert not figures(vigil, start)
    assert not vigil.records(f"SELECT 1 FROM trader_metrics_as_known({AS_OF[-1]}, NULL, NULL)")
    # And the versions of a row follow one another.
    assert not vigil.records(
        "SELECT 1 FROM trader_day_versions AS a JOIN trader_day_versions AS b"
        " ON a.user_address = b.user_address AND a.day = b.day AND a.known_from < b.known_from"
        " WHERE a.known_until IS NULL OR a.known_until > b.known_from"
    )


def test_a_day_built_again_of_the_same_has_one_version(vigil: Installation) -> None:
    fills = random_fills(random.Random(8), USERS, COINS, DAYS[:2], 8)
    for day in DAYS[:2]:
        load(vigil, fills, day)
    build(vigil, DAYS[:2])
    versions = "SELECT known_from, known_until FROM trader_day_versions ORDER BY user_address, day"
    before = vigil.records(versions)

    for day in DAYS[:2]:
        TraderMetrics(vigil.warehouse).build(day_of(day))

    assert vigil.records(versions) == before
    assert {row["known_until"] for row in before} == {None}
    states = vigil.records("SELECT day, known_until FROM metric_state_versions ORDER BY day")
    assert states == [{"day": day, "known_until": None} for day in DAYS[:2]]
