"""Open interest: counted, carried and compared, against the vectors and one leg at a time."""

import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tests.core.artemis.test_tape import ALWAYS, Row, as_numbers, legs_frame, recorded, vector
from vigil_core.artemis.open_interest import (
    CARRIED_SCHEMA,
    MAXIMUM_ANCHOR_AGE_MS,
    PRICE_INTERVAL_MS,
    SNAPSHOT_SCHEMA,
    carried,
    changes,
    drifts,
    judged,
    snapshot_rows,
)
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.schema import MONEY

COIN = "BTC"
ANCHOR = 1_762_049_642_618
MARK = 1_762_050_000_000


def snapshots_frame(rows: list[Row]) -> pl.DataFrame:
    money = ("oi_base", "oi_usd", "oi_short_usd")
    cells = [
        {"coin": COIN, **row} | {name: Decimal(row[name]) for name in money if name in row}
        for row in rows
    ]
    return pl.DataFrame(cells, schema_overrides={name: MONEY for name in money if name in rows[0]})


def one_anchor(base: str = "40", at: int = ANCHOR) -> pl.DataFrame:
    return snapshots_frame([{"recorded_at": at, "oi_base": base, "usable": True}])


def closes_frame(closes: dict[int, str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "coin": [COIN] * len(closes),
            "open_time": list(closes),
            "close": [Decimal(close) for close in closes.values()],
        },
        schema={"coin": pl.String, "open_time": pl.Int64, "close": MONEY},
    )


def leg(time: int, side: str, size: str, start: str | None) -> Row:
    return {"time": time, "coin": COIN, "side": side, "sz": size, "start_position": start}


def at_mark(legs: list[Row], **changes: Any) -> list[Row]:
    """The rows that one mark has, five minutes after the price that it needs."""
    inputs = {
        "snapshots": one_anchor(),
        "legs": legs_frame(legs or [leg(0, "B", "1", "0")]),
        "marks": [MARK],
        "closes": closes_frame({MARK - PRICE_INTERVAL_MS: "10"}),
        "covered": ALWAYS,
        **changes,
    }
    return carried(**inputs).to_dicts()


# --- vectors -------------------------------------------------------------------------------


@pytest.mark.parametrize("case_id", ["oi_carried", "oi_carried_uncovered"])
def test_carried_of_the_vector(case_id: str) -> None:
    case = vector("history_tables", case_id)
    inputs, expected = case["inputs"], case["expected"]
    legs = legs_frame({"coin": COIN, **leg} for leg in inputs["legs"])
    covered = [(inputs["fills_covered_from"], ALWAYS[0][1])]
    snapshots = judged(snapshots_frame(inputs["snapshots"]))
    closes = closes_frame({int(time): close for time, close in inputs["closes_5m"].items()})

    found = carried(snapshots, legs, inputs["marks"], closes, covered).to_dicts()
    counted = drifts(snapshots, legs, covered).to_dicts()

    assert len(found) == len(expected["carried"])
    for row, like in zip(found, expected["carried"], strict=True):
        assert {name: row[name] for name in like} == as_numbers(row, like)
    for row, like in zip(counted, expected["snapshots"], strict=True):
        for name, value in like.items():
            assert row[name] == (pytest.approx(value, rel=1e-9) if value else value)


def test_changes_of_the_recorded_tape() -> None:
    case = vector("real_tape", "recorded_shared")
    found = dict(changes(recorded(), case["inputs"]["from"], case["inputs"]["to"]).rows())
    for expected in case["expected"]["coins"]:
        assert found[expected["coin"]] == Decimal(expected["oi_change_base"])


# --- snapshots -----------------------------------------------------------------------------


def positions_frame(*rows: tuple[str, str, str]) -> pl.DataFrame:
    cells = [(coin, Decimal(size), Decimal(usd)) for coin, size, usd in rows]
    schema = {"coin": pl.String, "szi": MONEY, "position_value": MONEY}
    return pl.DataFrame(cells, schema=schema, orient="row")


def test_one_side_is_counted_and_the_other_kept_beside_it() -> None:
    positions = positions_frame(("BTC", "2", "20"), ("BTC", "-3", "30"), ("BTC", "0", "0"))
    found = snapshot_rows(positions, ANCHOR)
    assert dict(found.schema) == SNAPSHOT_SCHEMA
    assert found.rows() == [("BTC", ANCHOR, "snapshot", 20, 30, 2, 2, 0.2, False)]


@pytest.mark.parametrize(
    ("longs", "shorts", "usable"),
    [("55", "45", True), ("45", "55", True), ("55.01", "44.99", False), ("1", "0", False)],
)
def test_exactly_a_tenth_apart_is_near_enough(longs: str, shorts: str, usable: bool) -> None:
    rows = snapshot_rows(positions_frame((COIN, "1", longs), (COIN, "-1", shorts)), ANCHOR)
    assert rows["usable"].to_list() == [usable]


def test_worthless_positions_are_no_anchor() -> None:
    [row] = snapshot_rows(positions_frame((COIN, "1", "0")), ANCHOR).to_dicts()
    assert (row["oi_imbalance"], row["usable"]) == (None, False)


def test_no_positions_are_no_rows() -> None:
    assert snapshot_rows(positions_frame(), ANCHOR).height == 0


# --- carried -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "size", "start", "change"),
    [
        ("B", "2", "0", 2),
        ("B", "2", "-5", 0),
        ("B", "7", "-5", 2),
        ("A", "2", "5", -2),
        ("A", "7", "5", -5),
        ("A", "2", "0", 0),
    ],
)
def test_only_long_positions_are_open_interest(
    side: str, size: str, start: str, change: int
) -> None:
    [row] = at_mark([leg(ANCHOR, side, size, start)])
    assert row["oi_base"] == 40 + change
    assert row["oi_usd"] == 10 * (40 + change)


@pytest.mark.parametrize(
    ("time", "change"), [(ANCHOR - 1, 0), (ANCHOR, 1), (MARK - 1, 1), (MARK, 0)]
)
def test_rows_count_from_the_anchor_until_before_the_mark(time: int, change: int) -> None:
    [row] = at_mark([leg(time, "B", "1", "0")])
    assert row["oi_base"] == 40 + change


def test_anchor_at_the_mark_is_not_known_there() -> None:
    snapshots = pl.concat([one_anchor(), one_anchor("99", MARK)])
    assert [row["anchor_at"] for row in at_mark([], snapshots=snapshots)] == [ANCHOR]


@pytest.mark.parametrize(("age", "rows"), [(0, 1), (1, 0)])
def test_anchor_older_than_26_hours_is_none(age: int, rows: int) -> None:
    anchor = one_anchor(at=MARK - MAXIMUM_ANCHOR_AGE_MS - age)
    assert len(at_mark([], snapshots=anchor)) == rows


@pytest.mark.parametrize(
    ("covered", "rows"),
    [
        ([(ANCHOR, MARK)], 1),
        ([(ANCHOR, ANCHOR + 5), (ANCHOR + 5, MARK)], 1),
        ([(ANCHOR + 1, MARK)], 0),
        ([(ANCHOR, MARK - 1)], 0),
        ([], 0),
    ],
)
def test_fills_must_reach_from_the_anchor_to_the_mark(
    covered: list[tuple[int, int]], rows: int
) -> None:
    assert len(at_mark([], covered=covered)) == rows


def test_unknown_start_in_between_is_no_row_and_before_does_no_harm() -> None:
    assert at_mark([leg(ANCHOR, "B", "1", None)]) == []
    assert len(at_mark([leg(ANCHOR - 1, "B", "1", None)])) == 1


def test_no_price_is_no_row() -> None:
    assert at_mark([], closes=closes_frame({MARK: "10"})) == []


def test_nothing_known_has_the_same_columns() -> None:
    nothing = legs_frame([leg(0, "B", "1", "0")]).clear()
    for snapshots in (one_anchor(), one_anchor().clear()):
        found = carried(snapshots, nothing, [], closes_frame({}), [])
        assert (found.height, dict(found.schema)) == (0, CARRIED_SCHEMA)
        assert drifts(snapshots, nothing, [])["oi_drift"].to_list() == [None] * snapshots.height


def test_coins_are_kept_apart() -> None:
    other = one_anchor("7").with_columns(pl.lit("ETH").alias("coin"))
    closes = closes_frame({MARK - PRICE_INTERVAL_MS: "10"})
    found = at_mark(
        [leg(ANCHOR, "B", "1", "0"), leg(ANCHOR, "B", "5", "0") | {"coin": "ETH"}],
        snapshots=pl.concat([one_anchor(), other]),
        closes=pl.concat([closes, closes.with_columns(pl.lit("ETH").alias("coin"))]),
    )
    assert [(row["coin"], row["oi_base"]) for row in found] == [("BTC", 41), ("ETH", 12)]


def test_rows_at_or_after_the_last_mark_change_nothing() -> None:
    known = [leg(ANCHOR, "B", "1", "0"), leg(MARK - 1, "A", "2", "3")]
    later = [leg(MARK, "B", "9999", "0"), leg(MARK + 1, "B", "1", None)]
    snapshots = pl.concat([one_anchor(), one_anchor("1", MARK), one_anchor("1", MARK + 1)])
    assert at_mark([*known, *later], snapshots=snapshots) == at_mark(known)
    before, after = (changes(legs_frame(x), ANCHOR, MARK) for x in (known, [*known, *later]))
    assert before.equals(after)


def test_random_legs_add_up_one_by_one() -> None:
    rng = random.Random(11)
    marks = [ANCHOR + n * 97 for n in range(1, 30)]
    legs = [
        leg(ANCHOR + rng.randrange(-50, 3000), rng.choice("AB"), f"{rng.random():.5f}", start)
        for start in [f"{rng.uniform(-1, 1):.5f}" for _ in range(400)]
    ]
    closes = closes_frame({mark - PRICE_INTERVAL_MS: "2.5" for mark in marks})
    found = at_mark(legs, marks=marks, closes=closes)

    expected = []
    for mark in marks:
        base = Decimal(40)
        for row in legs:
            if ANCHOR <= row["time"] < mark:
                start, size = Decimal(row["start_position"]), Decimal(row["sz"])
                end = start + size if row["side"] == "B" else start - size
                base += max(end, Decimal(0)) - max(start, Decimal(0))
        expected.append((mark, base, base * Decimal("2.5")))
    assert [(row["recorded_at"], row["oi_base"], row["oi_usd"]) for row in found] == expected


def test_missing_column_is_an_error() -> None:
    with pytest.raises(UnexpectedColumns):
        changes(legs_frame([leg(0, "B", "1", "0")]).drop("start_position"), 0, 1)
