"""The persistence test over `trader_daily`, in a world of track records with its full windows."""

from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.conftest import Installation
from vigil_core.calendar import DAY_MS, day_of, day_start_ms
from vigil_core.metrics.persistence import (
    DEFAULT,
    LABELLED,
    NO_COVERAGE,
    RULE_SETS,
    SEED_100K,
    TOO_FEW,
    VIGIL_V1,
    persistence,
    rolls_of,
)
from vigil_resources.database.day_tables import DayTables
from vigil_resources.metrics.persistence import PersistenceTests
from vigil_sandbox.track_records import TrackRecords, TrackSpec, track_records

SPEC = TrackSpec(
    seed=4, first_day=day_start_ms(date(2025, 4, 1)), days=301, traders=60, skilled_share=0.4
)


def put(vigil: Installation, world: TrackRecords) -> None:
    """As loaded and built: no load makes three hundred days in a test's time."""
    columns = "user_address, day, realized_pnl, fees_paid, volume, fill_count, unpriced_fee_fills"
    copy_in = f"COPY trader_daily ({columns}) FROM STDIN"
    with vigil.warehouse.connect() as connection, connection.cursor() as cursor:
        with cursor.copy(copy_in) as copy:  # type: ignore[call-overload]
            for row in world.daily.iter_rows():
                copy.write_row((*row, 1, 0))
        for number, day in enumerate(world.days):
            cursor.execute(
                "INSERT INTO day_state (day, source, content_version, generation, row_count, "
                "repeated_count, missing_hours, loaded_at) "
                "VALUES (%s, 'sandbox', '', %s, 0, 0, '{}', now())",
                [day, number],
            )
            cursor.execute(
                "INSERT INTO aggregate_state (relation, day, generation, row_count) "
                "VALUES ('trader_daily', %s, %s, 0)",
                [day, number],
            )


@pytest.fixture
def world(vigil: Installation) -> TrackRecords:
    made = track_records(SPEC)
    put(vigil, made)
    return made


def test_the_table_gives_what_the_records_give(vigil: Installation, world: TrackRecords) -> None:
    """And as of an earlier day what the records until then give."""
    tests = PersistenceTests(DayTables(vigil.warehouse))
    last = day_of(max(world.days))
    for day in (last, last - timedelta(days=50)):
        end = day_start_ms(day) + DAY_MS
        known = {one: share for one, share in world.days.items() if one < end}
        before = world.daily.filter(pl.col("day") < end)
        expected = persistence(before, known, pl.DataFrame(schema=LABELLED))

        made = tests.build(day)

        assert_frame_equal(made.rolls, expected.rolls, rel_tol=1e-12)
        assert_frame_equal(made.summary, expected.summary, rel_tol=1e-12)
        assert tests.is_current(day)
    assert made.rolls["roll"].n_unique() == 5
    [stored] = vigil.records(
        "SELECT count(*) AS days, min(value) AS low, max(value) AS high FROM persistence_test "
        "WHERE variant = 'sharpe>sharpe' AND statistic = 'rank_ic'"
    )
    assert stored["days"] == 2
    assert 0 < stored["low"] < stored["high"]


def test_labels_are_those_that_hold_at_the_formation_s_end(
    vigil: Installation, world: TrackRecords
) -> None:
    """Not those of a moment before or after; where none are built, there is no figure."""
    ends = [roll.formation_end for roll in rolls_of(world.days, DEFAULT)]
    busiest = world.daily["user_address"].value_counts(sort=True)["user_address"]
    early, first, later = busiest[:3].to_list()
    labels = [
        (early, SEED_100K, SPEC.first_day, ends[0], "SMART_DIRECTIONAL"),
        (first, SEED_100K, ends[0], None, "SMART_DIRECTIONAL"),
        (later, SEED_100K, ends[0] + DAY_MS, None, "SMART_DIRECTIONAL"),
        (later, VIGIL_V1, ends[1], ends[1] + DAY_MS, "SMART_DIRECTIONAL"),
        (first, VIGIL_V1, ends[0], None, "RETAIL"),
    ]
    with vigil.warehouse.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO trader_labels (user_address, rule_set, valid_from, valid_to, trader_type,"
            " rule, inputs) VALUES (%s, %s, %s, %s, %s, '', '{}')",
            labels,
        )
        cursor.executemany(
            "INSERT INTO label_state VALUES (%s, '', 0)",
            [[end - DAY_MS] for end in (*ends[:2], *ends[3:])],
        )
    tests, last = PersistenceTests(DayTables(vigil.warehouse)), day_of(max(world.days))
    bearers = {
        SEED_100K: [[first], *[[first, later]] * 6],
        VIGIL_V1: [[], [later], *[[]] * 5],
    }
    rows = [
        (end, rule_set, trader)
        for rule_set in RULE_SETS
        for number, end in enumerate(ends)
        for trader in bearers[rule_set][number] or [None]
        if number != 2
    ]
    expected = persistence(
        world.daily, world.days, pl.DataFrame(rows, schema=LABELLED, orient="row")
    )

    made = tests.build(last)

    assert_frame_equal(made.rolls, expected.rolls, rel_tol=1e-12)
    by_label = made.rolls.filter(pl.col("variant").str.starts_with("seed_100k>net_pnl"))
    assert by_label["reason"].to_list() == [None, None, NO_COVERAGE, *[None] * 4]
    with vigil.warehouse.connect() as connection:
        connection.execute("UPDATE label_state SET built_from = 'others'")
    assert not tests.is_current(last)


def test_hours_that_are_missing_count_by_the_hour(vigil: Installation, world: TrackRecords) -> None:
    """Twelve hours of the first formation are put up with, sixty are not."""
    tests = PersistenceTests(DayTables(vigil.warehouse))
    last = day_of(max(world.days))

    def reasons(days: int) -> list[str | None]:
        with vigil.warehouse.connect() as connection:
            connection.execute(
                "UPDATE day_state SET missing_hours = '{0,1,2,3,4,5,6,7,8,9,10,11}' WHERE day < %s",
                [SPEC.first_day + days * DAY_MS],
            )
        assert not tests.is_current(last)
        rolls = tests.build(last).rolls.filter(pl.col("variant") == "net_pnl>net_pnl")
        return rolls["reason"].to_list()

    tests.build(last)
    assert reasons(1) == [None] * 7
    assert reasons(5) == ["insufficient_coverage", *[None] * 6]


def test_an_unpriced_fee_leaves_its_trader_out(vigil: Installation, world: TrackRecords) -> None:
    tests = PersistenceTests(DayTables(vigil.warehouse))
    last = day_of(max(world.days))
    before = tests.build(last).rolls.filter(pl.col("variant") == "net_pnl>net_pnl")
    busiest = world.daily["user_address"].mode()[0]
    with vigil.warehouse.connect() as connection:
        connection.execute(
            "UPDATE trader_daily SET unpriced_fee_fills = 1 WHERE user_address = %s", [busiest]
        )
    after = tests.build(last).rolls.filter(pl.col("variant") == "net_pnl>net_pnl")
    assert (before["n"] - after["n"]).to_list() == [1] * 7
    assert after["left_out"].to_list() == [1] * 7


def test_an_empty_warehouse_has_too_few_days(vigil: Installation) -> None:
    made = PersistenceTests(DayTables(vigil.warehouse)).build(date(2025, 9, 1))
    assert made.rolls.is_empty()
    assert set(made.summary["reason"]) == {TOO_FEW}
    [row] = vigil.records("SELECT count(*) AS rows FROM persistence_test WHERE NOT is_simulated")
    assert row["rows"] == made.summary.height
    assert DEFAULT.formation_days == 90
