"""Trades, flow, candles and liquidations: against the vectors, a recorded minute and poison."""

import csv
import functools
import json
import random
from collections.abc import Iterable
from decimal import Context, Decimal, localcontext
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from tests.reference.shared_files import shared_file
from tests.reference.slow_reader import read_object
from vigil_core.artemis.tape import (
    CANDLE_SCHEMA,
    FLOW_COLUMNS,
    LIQUIDATION_SCHEMA,
    NOTIONAL,
    TRADE_SCHEMA,
    candles,
    flow,
    flow_and_candles,
    is_perp,
    liquidation_events,
    merged_spans,
    perps,
    trades,
)
from vigil_core.artemis.tape_kernel import coded
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.artemis_format import artemis_rows
from vigil_core.fills.schema import LAKE_SCHEMA

Row = dict[str, Any]

OCTOBER = "data/real/node_fills_by_block/20251027_17_blocks_0000-0759.jsonl"
MINUTE = 1_761_584_400_000
START = 1_762_041_600_000
BUCKET = 300_000
ALWAYS = [(0, 4_000_000_000_000)]
SPELLINGS = {"user": "user_address", "block": "block_number", "index": "event_index"}
BUYER, SELLER, VAULT = (f"0x{n:040x}" for n in (1, 2, 9))


def vector(suite: str, case_id: str) -> Row:
    suites = json.loads(shared_file(f"data/vectors/artemis/{suite}.json").read_text())
    [case] = [case for case in suites["cases"] if case["id"] == case_id]
    return dict(case)


def legs_frame(legs: Iterable[Row]) -> pl.DataFrame:
    """Rows under the lake's names and types; columns that no row names are absent."""
    rows = [{SPELLINGS.get(name, name): value for name, value in leg.items()} for leg in legs]
    names = [name for name in LAKE_SCHEMA if any(name in row for row in rows)]
    return pl.DataFrame(
        {name: [cell(name, row.get(name)) for row in rows] for name in names},
        schema={name: LAKE_SCHEMA[name] for name in names},
    )


def cell(name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, dict):
        return json.dumps(value, default=str)
    return Decimal(value) if LAKE_SCHEMA[name].is_decimal() else value


def as_numbers(row: Row, like: Row) -> Row:
    """The cells that an expected row names, decimals among them as such."""
    return {
        name: Decimal(expected) if isinstance(row[name], Decimal) else expected
        for name, expected in like.items()
    }


def assert_rows(found: pl.DataFrame, expected: list[Row]) -> None:
    assert found.height == len(expected)
    for row, like in zip(found.iter_rows(named=True), expected, strict=True):
        assert {name: row[name] for name in like} == as_numbers(row, like)


def assert_events(found: pl.DataFrame, expected: list[Row]) -> None:
    """Prices are quotients, so they are near; everything else is equal."""
    prices = [event.pop("price") for event in expected]
    assert found["price"].to_list() == pytest.approx(prices, rel=1e-9)
    assert_rows(found, expected)


def leg(time: int, side: str, **changes: Any) -> Row:
    user = BUYER if side == "B" else SELLER
    ordinary = {"coin": "BTC", "px": "100", "sz": "2", "tid": time, "crossed": side == "B"}
    more = {"user_address": user, "dir": "Open Long", "block_number": time, "event_index": 0}
    return {"time": time, "side": side, **ordinary, **more, "liquidation": None, **changes}


def pair(time: int, **changes: Any) -> list[Row]:
    return [leg(time, "B", **changes), leg(time, "A", event_index=1, **changes)]


def poison(at: int) -> list[Row]:
    """A trade, a transfer and a liquidation that must not be known before `at`."""
    told = {"liquidatedUser": SELLER, "markPx": "1", "method": "market"}
    later = pair(at, px="9999999", sz="9999", liquidation=told)
    return [*later, *pair(at + 1, dir="Settlement"), *pair(at + 2, coin="NEW", px="5")]


@functools.cache
def recorded() -> pl.DataFrame:
    return legs_frame(read_object(shared_file(OCTOBER)).rows)


# --- vectors -------------------------------------------------------------------------------


def test_flow_of_the_vector() -> None:
    case = vector("flow_and_liquidations", "flow_rows")
    inputs = case["inputs"]
    buckets = inputs["buckets"]

    found = flow(
        trades(legs_frame(inputs["legs"])),
        buckets[0],
        buckets[-1] + BUCKET,
        [(bucket, bucket + BUCKET) for bucket in buckets],
        inputs["coins"],
    )

    assert_rows(found, case["expected"])


def test_liquidations_of_the_vector() -> None:
    case = vector("flow_and_liquidations", "liquidation_events")
    inputs = case["inputs"]

    found = liquidation_events(legs_frame(inputs["legs"]), inputs["vaults"], inputs["min_usd"])

    assert_events(found, case["expected"])


@pytest.mark.parametrize("case_id", ["candles_1m", "candles_5m"])
def test_candles_of_the_vector(case_id: str) -> None:
    case = vector("history_tables", case_id)
    inputs = case["inputs"]
    close = inputs["previous_close"]
    before = {} if close is None else {inputs["coin"]: Decimal(close)}
    legs = legs_frame(inputs["legs"])

    found = candles(
        trades(legs),
        inputs["interval_ms"],
        inputs["from"],
        inputs["to"],
        inputs["covered"],
        before,
        [inputs["coin"]],
    )

    assert_rows(found, case["expected"])


def test_tape_of_the_vector() -> None:
    case = vector("real_tape", "recorded_shared")
    start, end, coins = (case["inputs"][name] for name in ("from", "to", "coins"))
    tape = trades(recorded())
    tape = tape.filter(pl.col("time").is_between(start, end, closed="left"))

    volumes = flow(tape, start, start + BUCKET, ALWAYS, coins)
    prices = candles(tape, 60_000, start, end, ALWAYS, {}, coins)

    assert set(coins) == set(volumes["coin"])
    for expected in case["expected"]["coins"]:
        row = volumes.row(by_predicate=pl.col("coin") == expected["coin"], named=True)
        row |= prices.row(by_predicate=pl.col("coin") == expected["coin"], named=True)
        like = {name: value for name, value in expected.items() if name in row}
        assert {name: row[name] for name in like} == as_numbers(row, like)
    told = recorded().filter(pl.col("time").is_between(start, end, closed="left"))
    assert_events(liquidation_events(told, []), case["expected"]["liquidation_events"])


def test_times_of_the_vector() -> None:
    case = vector("sources_and_splits", "times")
    found = []
    for value in case["inputs"]["values"]:
        raw = pa.array([value["raw"]], pa.int64()).cast(pa.timestamp(value["kind"]))
        others = {"user": ["0x1"], "coin": ["BTC"], "px": ["1"], "sz": ["1"], "side": ["B"]}
        table = pl.DataFrame(pl.from_arrow(pa.table({"time": raw, **others})))
        found += artemis_rows(table)["time"].to_list()
    assert found == case["expected"]


# --- one row at a time ---------------------------------------------------------------------


def random_legs(rng: random.Random) -> list[Row]:
    """Rows in the order of execution: trades of one, two and three rows, some spread apart."""
    labels = [
        None,
        "Buy",
        "Open Long",
        "Settlement",
        "Liquidated Cross Long",
        "Spot Dust Conversion",
    ]
    legs: list[Row] = []
    time = START - 200_000
    for block in range(rng.randrange(1, 60)):
        time += rng.choice([0, 1, 20_000, 60_000, 150_000])
        together = []
        for _ in range(rng.randrange(4)):
            trade = {
                "time": time,
                "block_number": block,
                "coin": rng.choice(["BTC", "ETH", "xyz:TSLA", "@107", "PURR/USDC"]),
                "tid": rng.choice([None, 0, 7, rng.randrange(1, 10**15)]),
                "px": f"{rng.randrange(1, 8 * 10 ** rng.randrange(1, 20))}e-12",
                "sz": f"{rng.randrange(10 ** rng.randrange(1, 16))}e-12",
            }
            together += [
                trade
                | {"side": side, "dir": rng.choice(labels), "liquidation": rng.choice(told)}
                | {"crossed": rng.choice([True, False, None])}
                for side in rng.choice(["BA", "AB", "B", "A", "BAB"])
                for told in [[None, None, {"method": "backstop"}, {"method": "market"}]]
            ]
        rng.shuffle(together)
        legs += [row | {"event_index": index} for index, row in enumerate(together)]
    return legs


def slow_trades(legs: list[Row]) -> list[Row]:
    """What `trades` promises, row by row."""
    found: dict[Any, list[Row]] = {}
    for number, row in enumerate(legs):
        takes = row["side"] == "B" if row["crossed"] is None else row["crossed"]
        if row["coin"][0] == "@" or "/" in row["coin"] or row["dir"] == "Spot Dust Conversion":
            continue
        if row["tid"] or takes:
            found.setdefault((row["time"], row["coin"], row["tid"] or f"row {number}"), []).append(
                row
            )
    made = []
    for rows in found.values():
        if all(row["crossed"] is None and row["side"] == "A" for row in rows):
            continue
        takers = [row["side"] for row in rows if row["crossed"]]
        off_book = any(
            row["dir"] in ("Settlement", "Liquidated Cross Long")
            if row["dir"]
            else (row["liquidation"] or {}).get("method") == "backstop"
            for row in rows
        )
        first = {name: rows[0][name] for name in TRADE_SCHEMA if name in rows[0]}
        side = takers[0] if len(takers) == 1 else None
        money = {name: Decimal(first[name]) for name in ("px", "sz")}
        made.append(first | money | {"taker_side": side, "is_off_book": off_book})
    return made


def slow_flow(tape: list[Row], coins: list[str], buckets: range) -> list[Row]:
    """Call it where decimals have digits enough."""
    rows = []
    for coin in coins:
        for bucket in buckets:
            row: Row = {"coin": coin, "recorded_at": bucket} | dict.fromkeys(FLOW_COLUMNS, 0)
            for trade in tape:
                if trade["coin"] == coin and bucket <= trade["time"] < bucket + BUCKET:
                    usd = trade["px"] * trade["sz"]
                    side = {"B": "buy_", "A": "sell_", None: "unknown_"}[trade["taker_side"]]
                    if trade["is_off_book"]:
                        row["off_book_volume_usd"] += usd
                    else:
                        row["volume_usd"] += usd
                        row[f"{side}volume_usd"] += usd
            rows.append(row)
    return rows


def slow_candles(tape: list[Row], before: dict[str, Decimal], opens: range) -> list[Row]:
    rows = []
    for coin in sorted({"BTC", "ETH", "xyz:TSLA", *before}):
        close = before.get(coin)
        for at in opens:
            mine = [t for t in tape if t["coin"] == coin and at <= t["time"] < at + opens.step]
            prices = [trade["px"] for trade in mine if not trade["is_off_book"]]
            sizes = [trade["sz"] for trade in mine if not trade["is_off_book"]]
            if not prices and close is None:
                continue
            filled = not prices
            prices = prices or [close]
            close = prices[-1]
            rows.append(
                {"coin": coin, "open_time": at, "open": prices[0], "high": max(prices)}
                | {"low": min(prices), "close": close, "volume": sum(sizes, Decimal(0))}
                | {"trades": len(sizes), "filled": filled}
            )
    return rows


@pytest.mark.parametrize("seed", range(40))
def test_random_rows_give_what_one_row_at_a_time_gives(seed: int) -> None:
    rng = random.Random(seed)
    legs = random_legs(rng)
    expected = slow_trades(legs)
    end = START + 8 * BUCKET
    before = {"BTC": Decimal("1e-12"), "NEW": Decimal(7)}
    names = ["BTC", "NEW", "xyz:TSLA"]
    frame = legs_frame([*legs, leg(0, "B", coin="@1")]).filter(pl.col("time") > 0)
    cut = rng.randrange(frame.height + 1)
    pieces = pl.concat([frame[:cut], frame[cut:]], rechunk=False)

    tape = trades(pieces)

    assert_rows(tape, expected)
    assert trades(frame.sample(fraction=1, shuffle=True, seed=seed)).equals(tape)
    volumes, by_length = flow_and_candles(
        tape, START, end, ALWAYS, {60_000: before, BUCKET: before}
    )
    with localcontext(Context(prec=60)):
        by_bucket = slow_flow(expected, names, range(START, end, BUCKET))
    assert_rows(flow(tape, START, end, ALWAYS, names), by_bucket)
    assert volumes.equals(flow(tape, START, end, ALWAYS))
    for length, rows in by_length.items():
        assert_rows(rows, slow_candles(expected, before, range(START, end, length)))
        assert rows.equals(candles(tape, length, START, end, ALWAYS, before))


# --- recorded data -------------------------------------------------------------------------


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_recorded_minute_gives_the_independent_candle(coin: str) -> None:
    folder = "data/real/candles/from_fills/"
    with shared_file(f"{folder}perp_{coin}_1m_20251027.csv").open() as source:
        [line] = [line for line in csv.reader(source) if line[0] == str(MINUTE)]

    [candle] = candles(
        trades(recorded()), 60_000, MINUTE, MINUTE + 60_000, ALWAYS, {}, [coin]
    ).to_dicts()

    names = ("open", "high", "low", "close", "volume")
    for name, text in zip(names, line[2:7], strict=True):
        assert abs(candle[name] - Decimal(text)) <= Decimal("1e-9")
    assert (candle["trades"], candle["filled"]) == (int(line[7]), False)


def test_recorded_flow_adds_up_to_the_takers_rows() -> None:
    legs = recorded()
    first = legs["time"].min()
    assert isinstance(first, int)
    start = first // BUCKET * BUCKET

    found = flow(trades(legs), start, start + 12 * BUCKET, ALWAYS)

    ours = found.group_by("coin").agg(pl.col("volume_usd").sum()).sort("coin")
    expected: dict[str, Decimal] = {}
    for row in legs.filter("crossed").iter_rows(named=True):
        if row["coin"][0] != "@" and "/" not in row["coin"]:
            usd = row["px"] * row["sz"]
            expected[row["coin"]] = expected.get(row["coin"], Decimal(0)) + usd
    assert dict(ours.rows()) == expected


# --- trades --------------------------------------------------------------------------------


def test_order_of_rows_changes_nothing() -> None:
    legs = recorded()
    shuffled = legs.sample(fraction=1.0, shuffle=True, seed=7)
    assert trades(shuffled).equals(trades(legs))
    assert liquidation_events(shuffled, []).equals(liquidation_events(legs, []))


def test_schemas() -> None:
    tape = trades(recorded())
    assert dict(tape.schema) == TRADE_SCHEMA
    assert dict(candles(tape, 60_000, MINUTE, MINUTE, [], {}).schema) == CANDLE_SCHEMA
    assert dict(liquidation_events(recorded(), []).schema) == LIQUIDATION_SCHEMA
    volumes = flow(tape, MINUTE, MINUTE + BUCKET, ALWAYS)
    assert {volumes.schema[name] for name in FLOW_COLUMNS} == {NOTIONAL}


def test_empty_tape() -> None:
    nothing = recorded().clear()
    tape = trades(nothing)
    assert (tape.height, dict(tape.schema)) == (0, TRADE_SCHEMA)
    rows = flow(tape, START, START + BUCKET, ALWAYS, ["BTC"])
    assert [row[2:] for row in rows.rows()] == [(Decimal(0),) * 5]
    assert candles(tape, 60_000, START, START + BUCKET, ALWAYS, {}).height == 0
    assert liquidation_events(nothing, []).height == 0


def test_only_perps_and_no_dust() -> None:
    names = ["BTC", "@107", "#1890", "PURR/USDC", "xyz:TSLA"]
    legs = [row for n, name in enumerate(names) for row in pair(START + n, coin=name)]
    legs.append(leg(START + 9, "A", tid=0, crossed=True, dir="Spot Dust Conversion"))
    assert trades(legs_frame(legs))["coin"].to_list() == ["BTC", "xyz:TSLA"]


def test_one_tid_in_two_coins_and_at_two_times_is_three_trades() -> None:
    legs = [*pair(START, tid=5), *pair(START, tid=5, coin="ETH"), *pair(START + 1, tid=5)]
    assert trades(legs_frame(legs)).height == 3


@pytest.mark.parametrize("tid", [None, 0])
def test_rows_without_a_trade_id_count_where_they_crossed(tid: int | None) -> None:
    found = trades(legs_frame([*pair(START, tid=tid), *pair(START, tid=tid)]))
    assert found["taker_side"].to_list() == ["B", "B"]


def test_without_tid_the_takers_rows_are_the_trades() -> None:
    found = trades(legs_frame([*pair(START), *pair(START)]).drop("tid"))
    assert found.select("taker_side", "tid").rows() == [("B", None), ("B", None)]


def test_without_crossed_the_buyers_rows_are_the_trades() -> None:
    legs = legs_frame([*pair(START), leg(START + 1, "A")]).drop("crossed")
    assert trades(legs).select("time", "taker_side").rows() == [(START, None)]


def test_two_takers_or_none_are_unknown() -> None:
    legs = [*pair(START, crossed=True), *pair(START + 1, crossed=False)]
    tape = trades(legs_frame(legs))
    [row] = flow(tape, START, START + BUCKET, ALWAYS).to_dicts()
    assert row["volume_usd"] == row["unknown_volume_usd"] == 400
    assert row["buy_volume_usd"] == row["sell_volume_usd"] == 0


@pytest.mark.parametrize(
    ("label", "is_off_book"),
    [
        ("Auto-Deleveraging", True),
        ("Settlement", True),
        ("Net Child Vaults", True),
        ("Liquidated Cross Long", True),
        ("LiquidatedX", False),
        ("Long > Short", False),
    ],
)
def test_one_row_off_the_book_is_enough(label: str, is_off_book: bool) -> None:
    legs = [leg(START, "B"), leg(START, "A", dir=label)]
    assert trades(legs_frame(legs))["is_off_book"].to_list() == [is_off_book]


@pytest.mark.parametrize(("method", "is_off_book"), [("backstop", True), ("market", False)])
def test_without_dir_a_backstop_is_off_the_book(method: str, is_off_book: bool) -> None:
    told = {"liquidatedUser": SELLER, "method": method}
    legs = legs_frame([leg(START, "B", liquidation=told), leg(START, "A")]).drop("dir")
    assert trades(legs)["is_off_book"].to_list() == [is_off_book]


def test_products_keep_every_digit() -> None:
    legs = pair(START, px="1.000000000001", sz="0.000000000003")
    [row] = flow(trades(legs_frame(legs)), START, START + BUCKET, ALWAYS).to_dicts()
    assert row["volume_usd"] == Decimal("1.000000000001") * Decimal("0.000000000003")


def test_sums_that_do_not_fit_are_an_error() -> None:
    legs = [
        *pair(START, px="60000000", sz="1000000"),
        *pair(START + 1, px="60000000", sz="1000000"),
    ]
    with pytest.raises(OverflowError):
        flow(trades(legs_frame(legs)), START, START + BUCKET, ALWAYS)


def test_prices_need_more_than_64_bits() -> None:
    prices = ("60000000.000000000001", "99999999999.5", "0.000000000001")
    legs = [row for n, px in enumerate(prices) for row in pair(START + n, px=px, sz="0.001")]
    tape = trades(legs_frame(legs))
    [candle] = candles(tape, 60_000, START, START + 60_000, ALWAYS, {}).to_dicts()
    assert [candle[name] for name in ("open", "high", "low", "close")] == [
        Decimal(prices[place]) for place in (0, 1, 2, 2)
    ]
    [row] = flow(tape, START, START + BUCKET, ALWAYS).to_dicts()
    assert row["buy_volume_usd"] == sum(Decimal(px) for px in prices) / 1000


def test_a_trade_without_a_price_makes_no_candle() -> None:
    tape = trades(legs_frame([leg(START, "B", px=None), leg(START + 1, "B")]))
    [row] = flow(tape, START, START + BUCKET, ALWAYS).to_dicts()
    assert row["volume_usd"] == 200
    with pytest.raises(ValueError, match="price of each"):
        candles(tape, 60_000, START, START + BUCKET, ALWAYS, {})


@pytest.mark.parametrize("missing", [["px"], ["crossed", "tid"]])
def test_missing_columns_are_an_error(missing: list[str]) -> None:
    with pytest.raises(UnexpectedColumns):
        trades(legs_frame(pair(START)).drop(missing))
    with pytest.raises(UnexpectedColumns):
        liquidation_events(legs_frame(pair(START)).drop("liquidation"), [])


# --- coverage ------------------------------------------------------------------------------


def test_spans_are_joined() -> None:
    assert merged_spans([(5, 9), (0, 5), (7, 8), (20, 20), (11, 12)]) == [(0, 9), (11, 12)]


def test_bucket_across_two_hours_is_covered_and_a_partial_one_has_no_row() -> None:
    covered = [(START, START + 400_000), (START + 400_000, START + 3 * BUCKET - 1)]
    rows = flow(trades(legs_frame(pair(START))), START, START + 4 * BUCKET, covered, ["BTC"])
    assert rows["recorded_at"].to_list() == [START, START + BUCKET]
    assert rows["volume_usd"].to_list() == [200, 0]


def test_given_close_is_not_carried_over_a_gap() -> None:
    covered = [(START, START + 60_000), (START + 120_000, START + 240_000)]
    tape = trades(legs_frame(pair(START + 180_000)))
    rows = candles(tape, 60_000, START, START + 240_000, covered, {"BTC": Decimal(7)})
    expected = [(START, Decimal(7), True), (START + 180_000, Decimal(100), False)]
    assert rows.select("open_time", "close", "filled").rows() == expected


def test_given_close_of_an_uncovered_start_is_not_carried() -> None:
    rows = candles(
        trades(legs_frame(pair(START))).clear(),
        60_000,
        START,
        START + 240_000,
        [(START + 60_000, START + 240_000)],
        {"BTC": Decimal(7)},
    )
    assert rows.height == 0


# --- no look-ahead -------------------------------------------------------------------------


def test_rows_at_or_after_the_end_change_nothing() -> None:
    end = START + 2 * BUCKET
    known = [*pair(START), *pair(end - 1, px="101")]
    before, after = (trades(legs_frame(legs)) for legs in (known, [*known, *poison(end)]))

    for coins in (None, ["BTC", "NEW"]):
        args = (START, end, ALWAYS)
        assert flow(after, *args, coins).equals(flow(before, *args, coins))
        for interval in (60_000, BUCKET):
            left, right = (candles(t, interval, *args, {}, coins) for t in (before, after))
            assert left.equals(right)
    assert after.filter(pl.col("time") < end).equals(before)


def test_later_rows_change_no_earlier_liquidation() -> None:
    told = {"liquidatedUser": SELLER, "markPx": "1", "method": "market"}
    known = pair(START, liquidation=told)
    found = liquidation_events(legs_frame([*known, *poison(START + 1)]), [])
    assert found.height == 2
    assert found.filter(pl.col("occurred_at") == START).equals(
        liquidation_events(legs_frame(known), [])
    )


# --- liquidations --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sides", "crossed", "died"),
    [("BA", "A", "long"), ("B", "B", "long"), ("A", "A", "short"), ("BA", "B", "long")],
)
def test_side_is_that_of_the_position_that_died(sides: str, crossed: str, died: str) -> None:
    victim = SELLER if "B" in sides else BUYER
    told = {"liquidatedUser": victim.upper().replace("0X", "0x"), "method": "backstop"}
    legs = [leg(START, side, liquidation=told, crossed=side == crossed) for side in sides]
    [event] = liquidation_events(legs_frame(legs), []).to_dicts()
    assert (event["side"], event["address"], event["size_usd"]) == (died, victim, 200)


def test_victim_on_both_sides_died_with_the_order_that_took() -> None:
    told = {"liquidatedUser": BUYER, "method": "market"}
    legs = pair(START, liquidation=told, user_address=BUYER)
    legs[0]["crossed"], legs[1]["crossed"] = False, True
    assert liquidation_events(legs_frame(legs), [])["side"].to_list() == ["long"]


def test_deleveraging_of_a_vault_is_left_out_and_of_a_trader_is_not() -> None:
    def legs(at: int, victim: str) -> list[Row]:
        told = {"liquidatedUser": victim, "method": "backstop"}
        bankrupt = leg(at, "A", user_address=victim, liquidation=told, dir="Liquidated Cross Long")
        return [leg(at, "B", liquidation=told, dir="Auto-Deleveraging"), bankrupt]

    both = legs_frame([*legs(START, VAULT), *legs(START + 1, SELLER)])
    [event] = liquidation_events(both, [VAULT.upper().replace("0X", "0x")]).to_dicts()
    assert (event["address"], event["side"], event["via_adl"]) == (SELLER, "long", True)


def test_liquidations_without_trade_ids_count_once() -> None:
    told = {"liquidatedUser": SELLER, "method": "market"}
    legs = legs_frame(pair(START, liquidation=told)).drop("tid")
    [event] = liquidation_events(legs, []).to_dicts()
    assert (event["size_usd"], event["side"]) == (200, "long")


def test_without_dir_it_is_unknown_whether_it_was_deleveraging() -> None:
    told = {"liquidatedUser": SELLER, "method": "backstop"}
    legs = legs_frame(pair(START, liquidation=told))
    assert liquidation_events(legs, [])["via_adl"].to_list() == [False]
    assert liquidation_events(legs.drop("dir"), [])["via_adl"].to_list() == [None]


def test_recorded_pair_is_one_event() -> None:
    marked = recorded().filter(pl.col("liquidation").is_not_null())
    victim = json.loads(marked["liquidation"][0])["liquidatedUser"]
    own = marked.row(by_predicate=pl.col("user_address") == victim, named=True)
    [event] = liquidation_events(recorded(), [], 0).to_dicts()
    assert (event["address"], event["side"]) == (victim, "short")
    assert event["size_usd"] == own["px"] * own["sz"]


def test_perps_by_their_names() -> None:
    coins = pl.DataFrame({"coin": ["BTC", "@142", "PURR/USDC", "#12", "xyz:TSLA"]})
    assert coins.select(is_perp())["coin"].to_list() == [True, False, False, False, True]


def test_perps_are_kept_in_their_order() -> None:
    rows = pl.DataFrame({"coin": ["ETH", "@1", "BTC", None, "ETH"], "n": range(5)})
    assert perps(rows)["n"].to_list() == [0, 2, 4]
    assert perps(rows.filter(pl.col("coin") == "ETH"))["n"].to_list() == [0, 4]
    assert perps(rows.clear()).height == 0


# --- texts as numbers ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_coded_texts_are_the_texts(seed: int) -> None:
    rng = random.Random(seed)
    long = ["c" * 12 + end for end in ("d", "e", "d" * 40)]
    pool = [None, "", "a", "b" * 12, *long, "\0", "\0\0", "é" * 6, "é" * 7]
    chunks = [
        pl.Series(rng.choices(pool, k=rng.randrange(30)), dtype=pl.String)
        for _ in range(rng.randrange(1, 5))
    ]
    texts = pl.concat(chunks, rechunk=False).slice(rng.randrange(3))

    places, names = coded(texts)

    assert [None if place < 0 else names[place] for place in places.tolist()] == texts.to_list()
    assert sorted(names) == sorted(set(texts.drop_nulls()))


def test_texts_that_hardly_repeat_are_coded_too() -> None:
    texts = pl.Series(
        [*(f"text number {number}" for number in range(20_000)), None, "text number 1"]
    )
    places, names = coded(texts)
    assert len(names) == 20_000
    assert names.gather(places[:20_000]).equals(texts[:20_000], check_names=False)
    assert (places[20_000], places[20_001]) == (-1, places[1])


def test_names_of_a_category_are_coded_too() -> None:
    places, names = coded(pl.Series(["b", None, "a", "b"], dtype=pl.Categorical))
    assert (places.tolist(), names.to_list()) == ([0, -1, 1, 0], ["b", "a"])
