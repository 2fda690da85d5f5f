"""FIFO matching against the vectors, and against a slow walk in fractions."""

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.reference.shared_files import shared_file
from vigil_core.artemis import fifo
from vigil_core.calendar import DAY_MS
from vigil_core.fills.schema import MONEY

DAY = 1_761_955_200_000
ANN, BOB = "0x" + "a" * 40, "0x" + "b" * 40
STEP = Fraction(1, 10**12)

SCHEMA = {
    "time": pl.Int64(),
    "user_address": pl.String(),
    "coin": pl.String(),
    "px": pl.String(),
    "sz": pl.String(),
    "side": pl.String(),
    "start_position": pl.String(),
    "fee": pl.String(),
    "block_number": pl.Int64(),
    "event_index": pl.Int32(),
}
DEFAULTS = {"user_address": ANN, "coin": "BTC", "px": "100", "fee": "0", "block_number": 0}


def frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Fills as the lake has them; what a row leaves out has a default."""
    full = [{"event_index": at, "time": DAY + at} | DEFAULTS | row for at, row in enumerate(rows)]
    texts = pl.DataFrame(full, schema=SCHEMA)
    return texts.with_columns(pl.col("px", "sz", "start_position", "fee").cast(MONEY))


def buy(sz: str, start: str | None, **more: Any) -> dict[str, Any]:
    return {"side": "B", "sz": sz, "start_position": start, **more}


def sell(sz: str, start: str | None, **more: Any) -> dict[str, Any]:
    return {"side": "A", "sz": sz, "start_position": start, **more}


def match(*rows: dict[str, Any]) -> fifo.Matched:
    return fifo.match(frame(rows), fifo.no_lots())


def fee_left(lot: dict[str, Any]) -> Decimal:
    """What of its fill's fee an open lot still has to pay, by the rule of the module."""
    used = lot["fill_sz"] - abs(lot["qty"])
    units = int(lot["fill_fee"] * 10**12) * int(used * 10**12) // int(lot["fill_sz"] * 10**12)
    return lot["fill_fee"] - Decimal(units).scaleb(-12)


# --- vectors -------------------------------------------------------------------------------


def vectors(function: str) -> list[Any]:
    cases = []
    for name in ("wallet_profiles", "wallet_profiles_edges"):
        path = shared_file(f"data/vectors/artemis/{name}.json")
        cases += json.loads(path.read_text("utf-8"))["cases"]
    return [case for case in cases if case["function"] == function]


def same_pieces(found: pl.DataFrame, expected: list[Any]) -> None:
    order = ["exit_at", "exit_block", "exit_index", "piece"]
    rows = found.sort(order).to_dicts()
    assert len(rows) == len(expected)
    for row, piece in zip(rows, expected, strict=True):
        assert (row["coin"], row["direction"]) == (piece["coin"], piece["side"])
        for ours, theirs in (("qty", "qty"), ("entry_px", "entry_px"), ("exit_px", "exit_px")):
            assert row[ours] == Decimal(piece[theirs])
        if "entry_time" in piece:
            assert (row["entry_at"], row["exit_at"]) == (piece["entry_time"], piece["exit_time"])
            assert row["hold_ms"] == piece["exit_time"] - piece["entry_time"]
        for ours, theirs in (("gross", "gross_pnl_usd"), ("net", "net_pnl_usd")):
            if theirs in piece:
                assert float(row[ours]) == pytest.approx(float(piece[theirs]), rel=1e-9, abs=1e-9)


def same_lots(found: pl.DataFrame, expected: list[Any]) -> None:
    rows = fifo.with_fee_per_unit(found).to_dicts()
    assert len(rows) == len(expected)
    for row, lot in zip(rows, expected, strict=True):
        assert (row["coin"], row["qty"]) == (lot["coin"], Decimal(lot["qty"]))
        if lot["entry_px"] is None:
            assert row["price"] is None
            continue
        assert row["price"] == Decimal(lot["entry_px"])
        assert row["opened_at"] == lot["opened_at"]
        if "fee_per_unit" in lot:
            assert row["sequence"] == lot["sequence"]
            assert row["fee_per_unit"] == pytest.approx(lot["fee_per_unit"], rel=1e-9)


def test_pieces_and_lots_of_the_vectors() -> None:
    cases = vectors("wallet_profile")
    for case in cases:
        given, expected = case["inputs"], case["expected"]
        fills = frame(given["fills"]).filter(pl.col("time") < given["as_of"])
        start = given["window_start"] or 0
        days = [
            fills.filter(pl.col("time") < start),
            fills.filter(pl.col("time") >= start),
        ]
        before, inside = fifo.match_days(days)
        same_pieces(inside.pieces, expected["pieces"])
        same_lots(inside.lots, expected["open_lots"])
        censored = inside.positions["censored_qty"].sum()
        assert censored == Decimal(expected["censored_qty"]), case["id"]
        breaks = inside.positions["continuity_breaks"].sum()
        assert breaks == expected["continuity_breaks"], case["id"]
        assert before.pieces["exit_at"].max() is None or before.pieces["exit_at"].max() < start
    assert len(cases) > 15


def test_lots_over_midnight_of_the_vectors() -> None:
    (case,) = vectors("wallet_lots_by_day")
    fills = frame(case["inputs"]["fills"])
    days = case["inputs"]["days"]
    by_day = [fills.filter(pl.col("time").is_between(d, d + DAY_MS, closed="left")) for d in days]
    for matched, expected in zip(fifo.match_days(by_day), case["expected"], strict=True):
        same_pieces(matched.pieces, expected["pieces"])
        same_lots(matched.lots, expected["lots"])


def test_trips_of_the_metrics_vectors() -> None:
    path = shared_file("data/vectors/metrics/fifo_profile.json")
    cases = json.loads(path.read_text("utf-8"))["cases"]
    for case in cases:
        given = case.get("input") or case["inputs"]
        matched = fifo.match(frame(given["fills"]), fifo.no_lots())
        trips = case["expected"]["trips"]
        same_pieces(matched.pieces, trips)
        hours = [row / 3_600_000 for row in matched.pieces.sort("exit_at")["hold_ms"]]
        assert hours == pytest.approx([trip["hold_hours"] for trip in trips])
        assert matched.positions["start_unknown"].all()
    assert len(cases) >= 5


# --- a slow walk in fractions --------------------------------------------------------------


def slow(fills: pl.DataFrame) -> tuple[list[Any], dict[Any, Any], dict[Any, Any]]:
    """Pieces, open lots and (censored, breaks) per position, without rounding anything."""
    lots: dict[Any, list[Any]] = {}
    censored: dict[Any, Fraction] = defaultdict(Fraction)
    breaks: dict[Any, int] = defaultdict(int)
    pieces = []
    for row in fills.sort("time", "block_number", "event_index").iter_rows(named=True):
        key = (row["user_address"], row["coin"])
        quantity = Fraction(row["sz"]) * (1 if row["side"] == "B" else -1)
        start = Fraction(row["start_position"])
        held = sum((lot[0] for lot in lots.get(key, [])), Fraction(0))
        if abs(held - start) > Fraction(1, 10**8):
            breaks[key] += key in lots
            lots[key] = [[Fraction(round(start, 8)), None, None, None]]
        queue = lots.setdefault(key, [])
        per_unit = Fraction(row["fee"]) / Fraction(row["sz"])
        while quantity and queue and (queue[0][0] > 0) != (quantity > 0):
            lot = queue[0]
            taken = min(abs(lot[0]), abs(quantity))
            if lot[1] is None:
                censored[key] += taken
            else:
                sign = 1 if lot[0] > 0 else -1
                gross = sign * (Fraction(row["px"]) - lot[1]) * taken
                fees = (lot[3] + per_unit) * taken
                pieces.append((key, lot[2], row["time"], taken, sign, gross, fees))
            step = taken if quantity > 0 else -taken
            quantity -= step
            lot[0] += step
            if not lot[0]:
                queue.pop(0)
        if quantity:
            queue.append([quantity, Fraction(row["px"]), row["time"], per_unit])
    counts = {key: (censored[key], breaks[key]) for key in lots}
    return pieces, lots, counts


def market(seed: int, *, whole: bool = False, count: int = 300, days: int = 3) -> pl.DataFrame:
    """Random fills of a few wallets; unless `whole`, some go missing and some start unknown."""
    chance = random.Random(seed)
    grid = {"BTC": 5, "ETH": 4, "HYPE": 2, "kPEPE": 0}
    users = [f"0x{number:040x}" for number in range(4)]
    held: dict[Any, int] = defaultdict(int)
    if not whole:
        held = defaultdict(
            int, {(u, c): chance.choice([0, 0, 7, -90]) for u in users for c in grid}
        )
    rows = []
    for number in range(count):
        user, coin = chance.choice(users), chance.choice(list(grid))
        digits = grid[coin]
        size = chance.randint(1, 400) if coin != "kPEPE" else chance.randint(1, 9) * 10**9
        places = (6,) if coin == "kPEPE" else (0, 2, 4)
        buys = chance.random() < (0.7 if held[user, coin] < 0 else 0.3)
        start = Decimal(held[user, coin]).scaleb(-digits)
        noise = chance.choice(["0", "0", "0.0000000006", "-0.0000000004"])
        held[user, coin] += size if buys else -size
        if not whole and chance.random() < 0.05:
            continue
        rows.append(
            {
                "time": DAY + days * DAY_MS * number // count + chance.randint(0, 3) // 3,
                "user_address": user,
                "coin": coin,
                "px": str(Decimal(chance.randint(1, 999_999)).scaleb(-chance.choice(places))),
                "sz": str(Decimal(size).scaleb(-digits)),
                "side": "B" if buys else "A",
                "start_position": str(start + Decimal(noise)),
                "fee": str(Decimal(chance.randint(-50, 9_999_999)).scaleb(-6)),
                "block_number": number // 3,
                "event_index": number % 3,
            }
        )
    return frame(rows).sort("time", "block_number", "event_index")


def by_days(fills: pl.DataFrame, days: int = 3) -> list[pl.DataFrame]:
    day = (pl.col("time") - DAY) // DAY_MS
    return [fills.filter(day == number) for number in range(days)]


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_the_slow_walk(seed: int) -> None:
    fills = market(seed)
    matched = fifo.match(fills, fifo.no_lots())
    pieces, lots, counts = slow(fills)
    order = ["exit_at", "exit_block", "exit_index", "piece"]
    rows = matched.pieces.sort(order).to_dicts()
    assert len(rows) == len(pieces) > 100
    for row, (key, entry, exit_, taken, sign, gross, fees) in zip(rows, pieces, strict=True):
        assert (row["address"], row["coin"]) == key
        assert (row["entry_at"], row["exit_at"]) == (entry, exit_)
        assert (row["qty"], row["direction"]) == (taken, "long" if sign > 0 else "short")
        assert row["gross"] == gross
        assert abs(Fraction(row["fees"]) - fees) < 2 * STEP
        assert row["net"] == row["gross"] - row["fees"]
    open_lots = {k: [(lot[0], lot[1], lot[2]) for lot in v] for k, v in lots.items() if v}
    found = defaultdict(list)
    for lot in matched.lots.to_dicts():
        found[lot["address"], lot["coin"]].append((lot["qty"], lot["price"], lot["opened_at"]))
    assert found == open_lots
    assert {
        (row["address"], row["coin"]): (row["censored_qty"], row["continuity_breaks"])
        for row in matched.positions.to_dicts()
    } == counts
    assert any(gaps for _, gaps in counts.values())
    assert any(censored for censored, _ in counts.values())


@pytest.mark.parametrize("seed", range(12))
def test_days_from_stored_lots_are_all_fills_at_once(seed: int) -> None:
    fills = market(seed)
    at_once = fifo.match(fills, fifo.no_lots())
    days = fifo.match_days(by_days(fills))
    key = ["address", "coin", "exit_at", "exit_block", "exit_index", "piece"]
    assert_frame_equal(pl.concat([d.pieces for d in days]).sort(key), at_once.pieces.sort(key))
    assert_frame_equal(days[-1].lots, at_once.lots)
    added = pl.concat([d.positions for d in days]).group_by("address", "coin").sum()
    columns = ["address", "coin", "censored_qty", "continuity_breaks"]
    assert_frame_equal(
        added.sort("address", "coin").select(columns), at_once.positions.select(columns)
    )


def test_without_what_was_seen_only_breaks_differ() -> None:
    before = match(buy("1", "0"), sell("1", "1"))
    later = frame([sell("2", "5", time=DAY + DAY_MS), sell("4", "3", time=DAY + DAY_MS + 1)])
    known = fifo.match(later, before.lots, before.positions.select("address", "coin"))
    unknown = fifo.match(later, before.lots)
    assert_frame_equal(known.pieces, unknown.pieces)
    assert_frame_equal(known.lots, unknown.lots)
    assert known.positions["continuity_breaks"].to_list() == [1]
    assert unknown.positions["continuity_breaks"].to_list() == [0]
    assert known.positions["censored_qty"].equals(unknown.positions["censored_qty"])


@pytest.mark.parametrize("seed", range(6))
def test_fees_add_up_exactly(seed: int) -> None:
    fills = market(seed, whole=True)
    days = fifo.match_days(by_days(fills))
    paid = sum(((d.pieces["fees"].sum() or Decimal(0)) for d in days), Decimal(0))
    owed = sum((fee_left(lot) for lot in days[-1].lots.to_dicts()), Decimal(0))
    assert paid + owed == fills["fee"].sum()


def test_the_order_of_the_rows_does_not_matter() -> None:
    fills = market(3)
    found = fifo.match(fills, fifo.no_lots())
    shuffled = fifo.match(fills.sample(fraction=1, shuffle=True, seed=1), fifo.no_lots())
    for name in ("pieces", "lots", "positions"):
        assert_frame_equal(getattr(found, name), getattr(shuffled, name))


def test_texts_may_be_coded() -> None:
    fills = market(4)
    coded = fills.with_columns(pl.col("user_address", "coin", "side").cast(pl.Categorical))
    found = fifo.match(coded, fifo.no_lots())
    assert_frame_equal(found.pieces, fifo.match(fills, fifo.no_lots()).pieces)


# --- single rules --------------------------------------------------------------------------


def test_a_flip_closes_and_opens() -> None:
    found = match(buy("1", "0", fee="0.1"), sell("3", "1", px="110", fee="0.3"))
    (piece,) = found.pieces.to_dicts()
    assert (piece["qty"], piece["direction"], piece["gross"]) == (1, "long", 10)
    assert piece["fees"] == Decimal("0.2")
    (lot,) = found.lots.to_dicts()
    assert (lot["qty"], lot["fill_sz"], lot["price"]) == (-2, 3, 110)


def test_a_fee_that_cannot_be_divided_loses_nothing() -> None:
    sells = [sell("1", str(start), fee="0") for start in (3, 2, 1)]
    found = match(buy("3", "0", fee="0.000000000001"), *sells)
    assert found.pieces["fees"].to_list() == [0, 0, Decimal("0.000000000001")]


def test_a_rebate_is_divided_too() -> None:
    sells = [sell("1", str(start), fee="0") for start in (3, 2, 1)]
    found = match(buy("3", "0", fee="-0.01"), *sells)
    assert found.pieces["fees"].sum() == Decimal("-0.01")


def test_a_fee_without_a_price_leaves_net_unknown() -> None:
    found = match(buy("2", "0", fee=None), sell("1", "2"), sell("1", "1", fee="1"))
    assert found.pieces["gross"].to_list() == [0, 0]
    assert found.pieces["net"].to_list() == [None, None]
    only_last = match(buy("2", "0"), sell("1", "2"), sell("1", "1", fee=None))
    assert only_last.pieces["net"].is_null().to_list() == [False, True]


@pytest.mark.parametrize(
    ("start", "breaks"),
    [
        ("1.00000001", 0),
        ("1.000000010001", 1),
        ("0.99999999", 0),
        ("0.999999989999", 1),
        ("0", 1),
    ],
)
def test_a_break_is_more_than_the_tolerance(start: str, breaks: int) -> None:
    found = match(buy("1", "0"), sell("0.5", start))
    assert found.positions["continuity_breaks"].to_list() == [breaks]
    assert len(found.pieces) == 1 - breaks


def test_a_break_to_nothing_empties_the_queue() -> None:
    found = match(buy("1", "0"), buy("2", "0"))
    assert found.lots["qty"].to_list() == [2]
    assert found.lots["sequence"].to_list() == [0]


def test_an_unknown_start_is_no_break() -> None:
    found = match(sell("1", "3"), sell("3", "2"))
    assert found.positions.to_dicts() == [
        {
            "address": ANN,
            "coin": "BTC",
            "censored_qty": Decimal(3),
            "continuity_breaks": 0,
            "start_unknown": False,
        }
    ]
    assert found.pieces.is_empty()
    assert found.lots["qty"].to_list() == [-1]


def test_an_unknown_lot_is_stored_as_unknown_and_consumed_later() -> None:
    first = match(buy("1", "2"))
    assert first.lots["price"].to_list() == [None, Decimal(100)]
    assert first.lots["opened_at"].to_list() == [None, DAY]
    assert first.lots["qty"].to_list() == [2, 1]
    later = fifo.match(frame([sell("3", "3", time=DAY + DAY_MS)]), first.lots)
    assert later.positions["censored_qty"].to_list() == [2]
    assert later.pieces["qty"].to_list() == [1]
    assert later.lots.is_empty()


def test_lots_without_fills_stay_as_they_are() -> None:
    first = fifo.match(
        frame([buy("1", "0", user_address=user) for user in (ANN, BOB, "0x" + "c" * 40)]),
        fifo.no_lots(),
    )
    later = fifo.match(frame([sell("1", "1", user_address=BOB)]), first.lots)
    assert_frame_equal(later.lots, first.lots.filter(pl.col("address") != BOB))
    assert_frame_equal(fifo.match(frame([]), first.lots).lots, first.lots)


def test_without_start_positions_the_lots_stand() -> None:
    found = match(buy("2", None), sell("1", None), sell("3", None))
    assert found.pieces["qty"].to_list() == [1, 1]
    assert found.lots["qty"].to_list() == [-2]
    assert found.positions["start_unknown"].to_list() == [True]


def test_a_size_of_zero_moves_nothing() -> None:
    found = match(buy("1", "0"), sell("0", "1", fee="5"), sell("1", "1"))
    assert found.pieces["fees"].to_list() == [0]
    assert found.lots.is_empty()


def test_sizes_far_apart_stay_exact() -> None:
    found = match(
        buy("30000000000", "0", coin="kPEPE", px="0.0123"),
        sell("30000000000", "30000000000", coin="kPEPE", px="0.0124"),
        buy("0.000000000001", "0", coin="DUST"),
        sell("0.000000000001", "0.000000000001", coin="DUST"),
    )
    assert found.pieces["qty"].to_list() == [Decimal("1E-12"), 30_000_000_000]
    assert found.pieces["gross"].to_list() == [0, 3_000_000]


@pytest.mark.parametrize(
    "rows",
    [
        [buy("5000000000000000000", "0")],
        [buy("50000000.00000000001", "0"), buy("60000000000", "50000000.00000000001")],
        [buy("60000000", "0", fee="5000000")],
        [buy("1", "99999999999.00000001")],
        [buy("4000000000000000000", None), buy("4000000000000000000", None)],
    ],
)
def test_what_does_not_fit_is_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(fifo.QuantityTooLarge):
        match(*rows)
