"""Labels against the vectors, against slow ones, and against candles that must not matter."""

import json
import random
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.reference.shared_files import shared_folder
from vigil_core.artemis.labels import CANDLES_1M, CANDLES_5M, SCHEMA, labels, liquidation_factors
from vigil_core.artemis.parameters import (
    DEFAULT,
    HORIZONS,
    NET_THRESHOLDS,
    STEP_MS,
    LabelParameters,
    Parameters,
)
from vigil_core.errors import UnexpectedColumns

DAY = 1_762_041_600_000
HOUR = 3_600_000
MINUTE = 60_000
T = DAY + 13 * HOUR
DAY_TIMES = [DAY + n * STEP_MS for n in range(288)]


def frame(types: dict[str, pl.DataType], rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    columns: dict[str, list[Any]] = {column: [] for column in types}
    for row in rows:
        for column, dtype in types.items():
            is_money = isinstance(dtype, pl.Decimal)
            columns[column].append(Decimal(row[column]) if is_money else row[column])
    return pl.DataFrame(columns, schema=types)


def five(rows: Iterable[dict[str, Any]] = ()) -> pl.DataFrame:
    return frame(CANDLES_5M, rows)


def one(rows: Iterable[dict[str, Any]] = ()) -> pl.DataFrame:
    return frame(CANDLES_1M, rows)


def cases(function: str) -> list[Any]:
    """Cases of one function, none where there is no shared folder."""
    try:
        folder = shared_folder() / "data/vectors/artemis"
    except pytest.skip.Exception:
        return []
    suites = [json.loads((folder / f"{name}.json").read_text("utf-8")) for name in SUITES]
    found = [case for suite in suites for case in suite["cases"] if case["function"] == function]
    return [pytest.param(case["inputs"], case["expected"], id=case["id"]) for case in found]


SUITES = ("labels", "labels_more")


def is_close(value: Any, expected: Any) -> bool:
    if not isinstance(expected, float):
        return bool(value == expected)
    return value is not None and abs(value - expected) <= max(1e-12, 1e-9 * abs(expected))


def decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


# --- vectors -------------------------------------------------------------------------------


@pytest.mark.parametrize(("inputs", "expected"), cases("labels"))
def test_labels_are_those_of_the_vector(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    fees = {name: Decimal(inputs[name]) for name in ("fee_open", "fee_close")}
    parameters = Parameters(labels=LabelParameters(leverage=inputs["leverage"], **fees))

    row = labels(
        five(inputs["candles_5m"]), one(), [inputs["t"]], inputs["known_until"], parameters
    ).row(0, named=True)

    wanted = dict(expected)
    assert row["entry_price"] == decimal(wanted.pop("entry_price"))
    statuses = wanted.pop("horizon_status")
    assert {name: row[f"status_{name}"] for name in HORIZONS} == statuses
    wrong = {n: (row[n], value) for n, value in wanted.items() if not is_close(row[n], value)}
    assert wrong == {}
    assert row["label_end_at"] == inputs["t"] + 4 * HOUR


@pytest.mark.parametrize(("inputs", "expected"), cases("next_entry"))
def test_next_entry_is_that_of_the_vector(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    t = inputs["t"]

    rows = labels(five(inputs["candles_5m"]), one(inputs["candles_1m"]), [t], t + 4 * HOUR)

    row, wanted = rows.row(0, named=True), dict(expected)
    assert row["entry_price_next"] == decimal(wanted.pop("entry_price_next"))
    assert {n: row[n] for n, value in wanted.items() if not is_close(row[n], value)} == {}
    assert row["entry_price_next_reason"] == (None if row["entry_price_next"] else "no_data")


@pytest.mark.parametrize(("inputs", "expected"), cases("wiped_at"))
def test_wiped_at_is_that_of_the_vector(inputs: dict[str, Any], expected: dict[str, Any]) -> None:
    t, leverage, most = inputs["t"], inputs["leverage"], inputs["max_leverage"]
    parameters = Parameters(labels=LabelParameters(leverage=leverage))

    rows = labels(five(inputs["candles_5m"]), one(), [t], t + 4 * HOUR, parameters, most)

    row = rows.row(0, named=True)
    assert row["entry_price"] == Decimal(expected["entry_price"])
    for side in ("long", "short"):
        assert row[f"{side}_wiped_at_4h"] == expected[f"{side}_wiped_at_4h"]
    assert row["wiped_at_4h_reason"] == expected["reason"]
    if expected["reason"] is None:
        factors = liquidation_factors(leverage, most)
        prices = [float(Decimal(expected["entry_price"])) * float(factor) for factor in factors]
        assert is_close(prices[0], expected["long_liquidation_px"])
        assert is_close(prices[1], expected["short_liquidation_px"])


@pytest.mark.parametrize(("inputs", "expected"), cases("label_day_status"))
def test_status_of_a_day_is_that_of_the_vector(
    inputs: dict[str, Any], expected: dict[str, Any]
) -> None:
    day, known_until = inputs["day"], inputs["known_until"]
    opens = range(day - STEP_MS, day + 30 * HOUR, STEP_MS)
    flat = {"high": "1", "low": "1", "close": "1"}
    candles = five({"open_time": at} | flat for at in opens if at not in inputs["missing_5m"])

    rows = labels(candles, one(), [day + n * STEP_MS for n in range(288)], known_until)

    for horizon, counts in expected.items():
        found = dict(rows[f"status_{horizon}"].value_counts().iter_rows())
        assert found == {status: count for status, count in counts.items() if count}


# --- by hand -------------------------------------------------------------------------------


def flat_after(entry: str, **at_first: str) -> pl.DataFrame:
    """An entry price, and 4 h flat at it except in the first candle."""
    flat = {"high": entry, "low": entry, "close": entry}
    rows = [{"open_time": T + n * STEP_MS} | flat for n in range(-1, 48)]
    rows[1] |= at_first
    return five(rows)


def one_label(candles: pl.DataFrame, minutes: pl.DataFrame | None = None, **more: Any) -> Any:
    minutes = one() if minutes is None else minutes
    return labels(candles, minutes, [T], T + 4 * HOUR, **more).row(0, named=True)


def test_figures_of_the_specification() -> None:
    row = one_label(flat_after("100", high="101.5", low="99.5"))

    assert [row[f"best_long_roe_30m_{kind}"] for kind in ("gross", "net")] == [30, 28.8]
    assert [row[f"best_short_roe_30m_{kind}"] for kind in ("gross", "net")] == [10, 8.8]
    assert (row["worst_long_mae_30m"], row["worst_short_mae_30m"]) == (-10, -30)


@pytest.mark.parametrize("threshold", NET_THRESHOLDS)
def test_net_exactly_at_a_threshold_is_not_above_it(threshold: int) -> None:
    # (1.2 + threshold) % of the margin at 20x. In floats 100 · 20 · (100.06 / 100 - 1) > 1.2.
    high = Decimal(100) * (1 + (Decimal("1.2") + threshold) / 2000)
    name = f"label_long_net{threshold}"

    at_it = one_label(flat_after("100", high=str(high)))
    above = one_label(flat_after("100", high=str(high + Decimal("0.000000000001"))))

    assert at_it["best_long_roe_30m_net"] == threshold
    assert (at_it[name], above[name]) == (0, 1)


def test_low_exactly_at_the_liquidation_price_ends_the_long() -> None:
    # 20x of at most 50x: 1 - (0.05 - 0.01) / (1 - 0.01) = 95 / 99.
    at_it = one_label(flat_after("99", low="95"), max_leverage=50)
    above = one_label(flat_after("99", low="95.000000000001"), max_leverage=50)

    assert (at_it["long_wiped_at_4h"], at_it["short_wiped_at_4h"]) == (T + STEP_MS, None)
    assert above["long_wiped_at_4h"] is None


def test_high_exactly_at_the_liquidation_price_ends_the_short() -> None:
    # 1 + (0.05 - 0.01) / (1 + 0.01) = 105 / 101.
    at_it = one_label(flat_after("101", high="105"), max_leverage=50)
    below = one_label(flat_after("101", high="104.999999999999"), max_leverage=50)

    assert (at_it["long_wiped_at_4h"], at_it["short_wiped_at_4h"]) == (None, T + STEP_MS)
    assert below["short_wiped_at_4h"] is None


def test_without_an_entry_price_nothing_is_waited_for() -> None:
    assert labels(five(), one(), [T], T)["label_status"].to_list() == ["unavailable"]
    assert labels(five(), one(), [T], T - 1)["label_status"].to_list() == ["pending"]


def test_wiped_out_is_unknown_without_the_maximum_leverage() -> None:
    row = one_label(flat_after("99", low="1"))

    assert (row["long_wiped_at_4h"], row["wiped_at_4h_reason"]) == (None, "no_data")


def minutes(*filled: bool | None, start: int = T) -> pl.DataFrame:
    rows = [
        {"open_time": start + n * MINUTE, "open": str(100 + n), "filled": is_filled}
        for n, is_filled in enumerate(filled)
        if is_filled is not None
    ]
    return one(rows)


@pytest.mark.parametrize(
    ("filled", "price", "reason"),
    [
        ((False,), 100, None),
        ((True, True, True, True, False), 104, None),
        ((True, True, True, True, True, False), None, "no_data"),
        ((True, None, False), None, "insufficient_coverage"),
        ((None, False), None, "insufficient_coverage"),
    ],
)
def test_next_entry_is_the_first_trade_or_says_why_not(
    filled: tuple[bool | None, ...], price: int | None, reason: str | None
) -> None:
    row = one_label(flat_after("100"), minutes(*filled))

    assert (row["entry_price_next"], row["entry_price_next_reason"]) == (price, reason)


def test_next_entry_still_to_come_has_no_reason() -> None:
    rows = labels(flat_after("100"), minutes(True, True), [T], T + 2 * MINUTE)

    assert rows["entry_price_next"].to_list() == rows["entry_price_next_reason"].to_list() == [None]
    assert rows["label_status"].to_list() == ["pending"]


def test_no_instants_give_no_rows() -> None:
    assert dict(labels(five(), one(), [], T).schema) == SCHEMA
    assert dict(labels(five(), one(), [T], T).schema) == SCHEMA
    assert dict(labels(flat_after("100"), minutes(False), [T], T + 4 * HOUR).schema) == SCHEMA


def test_what_is_off_its_grid_is_refused() -> None:
    candle = {"open_time": T, "high": "1", "low": "1", "close": "1"}
    with pytest.raises(ValueError, match="instants"):
        labels(five(), one(), [T + 1], T)
    for rows in ([candle, candle], [candle | {"open_time": T + 1}], [candle | {"low": "0"}]):
        with pytest.raises(ValueError, match="candles_5m"):
            labels(five(rows), one(), [T], T + HOUR)
    with pytest.raises(UnexpectedColumns, match="candles_1m"):
        labels(five(), one().drop("filled"), [T], T)


# --- a made-up market ----------------------------------------------------------------------


def market(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two days of candles with holes, in any order; steep enough to wipe out."""
    rng = random.Random(seed)
    price, rows, shorts = 1000.0, [], []
    for at in range(DAY - 2 * STEP_MS, DAY + 30 * HOUR, STEP_MS):
        price *= 1 + rng.gauss(0, 0.004)
        low, high = price * (1 - rng.random() / 200), price * (1 + rng.random() / 200)
        shown = {"high": f"{high:.2f}", "low": f"{low:.2f}", "close": f"{price:.2f}"}
        if rng.random() > 0.004 and at != DAY + 7 * HOUR:
            rows.append({"open_time": at} | shown)
        shorts += [
            {"open_time": at + n * MINUTE, "open": f"{price:.2f}", "filled": rng.random() < 0.3}
            for n in range(5)
            if rng.random() > 0.01
        ]
    rng.shuffle(rows)
    return five(rows), one(shorts)


def slowly(candles: pl.DataFrame, t: int, known_until: int, length: int) -> Any:
    """Status and prices of one horizon, candle by candle."""
    by_open = {row["open_time"]: row for row in candles.iter_rows(named=True)}
    known = {at: row for at, row in by_open.items() if at + STEP_MS <= known_until}
    entry = known.get(t - STEP_MS)
    opens = [t + n * STEP_MS for n in range(length)]
    if entry is not None and all(at in known for at in opens):
        window = [known[at] for at in opens]
        highest, lowest = max(r["high"] for r in window), min(r["low"] for r in window)
        return "complete", (entry["close"], highest, lowest, window[-1]["close"])
    if known_until < t or (entry is not None and known_until < t + length * STEP_MS):
        return "pending", None
    return "unavailable", None


@given(seed=st.integers(1, 3), hours=st.integers(-1, 29))
@settings(max_examples=8, deadline=None)
def test_labels_equal_slow_ones(seed: int, hours: int) -> None:
    candles, shorts = market(seed)
    known_until = DAY + hours * HOUR + 123_456

    rows = labels(candles, shorts, DAY_TIMES[::7], known_until, DEFAULT, 40)

    for row in rows.iter_rows(named=True):
        for name, length in HORIZONS.items():
            status, prices = slowly(candles, row["snapshot_at"], known_until, length)
            assert row[f"status_{name}"] == status
            figures = (f"best_long_roe_{name}_gross", f"best_short_roe_{name}_gross", f"ret_{name}")
            if prices is None:
                assert [row[figure] for figure in figures] == [None] * 3
                continue
            entry, high, low, last = prices
            assert is_close(row[figures[0]], float((high / entry - 1) * 2000))
            assert is_close(row[figures[1]], float((1 - low / entry) * 2000))
            assert is_close(row[figures[2]], float(last / entry - 1))


@given(seed=st.integers(1, 3), place=st.integers(0, 287), name=st.sampled_from([*HORIZONS]))
@settings(max_examples=40, deadline=None)
def test_a_horizon_does_not_see_what_comes_after_it(seed: int, place: int, name: str) -> None:
    candles, shorts = market(seed)
    t, end = DAY_TIMES[place], DAY_TIMES[place] + HORIZONS[name] * STEP_MS
    loud = {"high": "99999", "low": "0.1", "close": "5"}
    later = {"open": pl.lit(Decimal(7)), "filled": pl.lit(value=False)}
    poisoned = pl.concat(
        [
            candles.filter(pl.col("open_time") < end),
            five({"open_time": end + n * STEP_MS} | loud for n in range(60)),
        ]
    )
    louder = shorts.with_columns(
        pl.when(pl.col("open_time") >= end).then(value.cast(CANDLES_1M[column])).otherwise(column)
        .alias(column)
        for column, value in later.items()
    )  # fmt: skip
    mine = [c for c in SCHEMA if f"_{name}" in c]
    mine += ["entry_price", "entry_price_next", "entry_price_next_reason"]
    if name == "30m":
        mine += [column for column in SCHEMA if column.startswith("label_") and "_net" in column]
    known_until = DAY + 60 * HOUR

    clean = labels(candles, shorts, [t], known_until, DEFAULT, 40).select(mine)

    assert_frame_equal(
        labels(poisoned, louder, [t], known_until, DEFAULT, 40).select(mine),
        clean,
        check_exact=True,
    )
    # Known at its end: with candles up to there the label is already what it will be.
    assert_frame_equal(
        labels(candles, shorts, [t], end, DEFAULT, 40).select(mine), clean, check_exact=True
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_one_by_one_equals_all_at_once(seed: int) -> None:
    candles, shorts = market(seed)
    known_until = DAY + 26 * HOUR

    all_at_once = labels(candles, shorts, DAY_TIMES, known_until, DEFAULT, 40)
    one_by_one = [labels(candles, shorts, [t], known_until, DEFAULT, 40) for t in DAY_TIMES]

    assert_frame_equal(all_at_once, pl.concat(one_by_one), check_exact=True)
    assert all_at_once["long_wiped_at_4h"].count() > 0
    assert {*all_at_once["status_4h"]} == {"complete", "pending", "unavailable"}


def test_complete_labels_stay_when_more_candles_arrive() -> None:
    candles, shorts = market(3)
    early = labels(candles, shorts, DAY_TIMES, DAY + 12 * HOUR, DEFAULT, 40)
    late = labels(candles, shorts, DAY_TIMES, DAY + 30 * HOUR, DEFAULT, 40)

    complete = early["label_status"] == "complete"

    assert complete.sum() > 30
    assert_frame_equal(early.filter(complete), late.filter(complete), check_exact=True)
    assert "pending" not in set(late["label_status"])
    assert set(early["label_status"]) == {"complete", "pending", "unavailable"}
