"""A live market fed made-up events: what comes late, what is missing, and what is forgotten."""

import random
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from vigil_core.artemis.balances import POSITION_SCHEMA
from vigil_core.artemis.features import oi_changes
from vigil_core.artemis.live import LEG_COLUMNS, LiveMarket
from vigil_core.artemis.parameters import DEFAULT, MINUTE_MS, STEP_MS, FeatureParameters
from vigil_core.calendar import DAY_MS, HOUR_MS
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.schema import LAKE_SCHEMA, MONEY

pytestmark = pytest.mark.slow

DAY = 1_762_041_600_000
START = DAY + 10 * HOUR_MS
UNCOVERED = '"insufficient_coverage"'

Row = dict[str, Any]
_SCHEMA = {name: LAKE_SCHEMA[name] for name in LEG_COLUMNS}


def trade(at: int, px: str, sz: str = "1", *, side: str = "B", **leg: Any) -> Row:
    """What the taker's row says; the block is the ms, so that blocks are in the order of time."""
    row = {
        "time": at,
        "user_address": "0xa",
        "coin": "BTC",
        "px": Decimal(px),
        "sz": Decimal(sz),
        "side": side,
        "dir": "Open Long",
        "crossed": True,
        "tid": at,
        "start_position": Decimal(0),
        "block_number": at,
        "event_index": 0,
    }
    return row | leg


def legs(*trades: Row) -> pl.DataFrame:
    """Both sides of each trade; whoever is met holds nothing that it could close."""
    rows = []
    for taker in trades:
        other = "A" if taker["side"] == "B" else "B"
        met = {"user_address": "0xb", "side": other, "crossed": False, "dir": "Open Short"}
        rows += [taker, taker | met | {"event_index": taker["event_index"] + 1}]
    names = {name: [row.get(name) for row in rows] for name in LEG_COLUMNS}
    return pl.DataFrame(names, schema=_SCHEMA)


def positions(*held: tuple[str, str, str]) -> pl.DataFrame:
    """Of BTC: address, size and liquidation price; longs and shorts are of the same value."""
    rows = [
        {
            "address": address,
            "coin": "BTC",
            "szi": Decimal(size),
            "position_value": abs(Decimal(size)) * 1_000,
            "liquidation_px": Decimal(price),
        }
        for address, size, price in held
    ]
    return pl.DataFrame(rows, schema=POSITION_SCHEMA)


EASED = replace(DEFAULT, features=FeatureParameters(min_oi_snapshots=1))
HELD = positions(("0xl", "50", "95"), ("0xs", "-50", "106"))


def funding(at: int, rate: str = "0.0001") -> pl.DataFrame:
    schema = {"coin": pl.String(), "time": pl.Int64(), "rate": MONEY}
    return pl.DataFrame({"coin": ["BTC"], "time": [at], "rate": [Decimal(rate)]}, schema=schema)


def run(market: LiveMarket, trades: Iterable[Row], first: int, last: int) -> list[Row]:
    """Feed trades as they come, take all marks from `first` to `last`; rows of BTC."""
    coming = sorted(trades, key=lambda row: row["time"])
    rows = []
    for mark in range(first, last + 1, STEP_MS):
        passed = [row for row in coming if row["time"] < mark]
        coming = coming[len(passed) :]
        if passed:
            market.fills(legs(*passed))
        market.covered(mark - STEP_MS, mark)
        rows += market.take(mark).filter(pl.col("coin") == "BTC").to_dicts()
    return rows


def some_trades(start: int, end: int, seed: int = 3) -> list[Row]:
    """About two a minute, up and down from 100, with openings and closings."""
    rng = random.Random(seed)
    price, found = 10_000, []
    for at in range(start, end, 30_000):
        price += rng.randint(-20, 20)
        found.append(
            trade(
                at + rng.randrange(30_000),
                f"{price / 100:.2f}",
                f"{rng.randint(1, 40) / 10}",
                side=rng.choice("BA"),
                start_position=Decimal(rng.randint(-5, 5)),
            )
        )
    return found


# --- arrival ---------------------------------------------------------------------------------


def test_a_fill_after_the_mark_is_in_later_rows_only() -> None:
    known = some_trades(START, START + 15 * MINUTE_MS)
    late = trade(START + 9 * MINUTE_MS + 59_999, "130")
    prompt, slow = (LiveMarket(["BTC"], START, parameters=EASED) for _ in range(2))
    for market in (prompt, slow):
        market.balances(START + 1, HELD)
    run(prompt, [*known, late], START, START + 5 * MINUTE_MS)
    run(slow, known, START, START + 5 * MINUTE_MS)

    [in_time] = run(prompt, [*known[10:], late], START + 10 * MINUTE_MS, START + 10 * MINUTE_MS)
    [without] = run(slow, known[10:], START + 10 * MINUTE_MS, START + 10 * MINUTE_MS)
    slow.fills(legs(late))

    assert (in_time["price"], without["price"]) == (Decimal(130), known[19]["px"])
    assert in_time["oi_7d_avail"]
    after = START + 15 * MINUTE_MS
    assert run(slow, known[20:], after, after) == run(prompt, known[20:], after, after)


def test_what_is_stamped_with_the_mark_is_not_known_at_it() -> None:
    market = LiveMarket(["BTC"], START)
    market.fills(legs(trade(START + 1, "100"), trade(START + STEP_MS, "130")))
    market.funding(funding(START + STEP_MS))
    market.balances(START + STEP_MS, HELD)

    [row] = run(market, [], START + STEP_MS, START + STEP_MS)

    assert row["price"] == 100
    assert row["magnet_age_ms"] is None
    assert '"funding_vs_30d_zscore":"no_data"' in row["reasons"]
    [later] = run(market, [], START + 2 * STEP_MS, START + 2 * STEP_MS)
    assert (later["price"], later["magnet_age_ms"]) == (130, STEP_MS)
    assert '"funding_vs_30d_zscore":"too_few_observations"' in later["reasons"]


def test_a_fill_that_comes_twice_counts_once() -> None:
    trades = some_trades(START, START + HOUR_MS)
    once, twice = (LiveMarket(["BTC"], START) for _ in range(2))
    for _ in range(2):
        twice.fills(legs(*trades[:20]))

    rows = run(twice, trades, START, START + HOUR_MS)

    assert rows == run(once, trades, START, START + HOUR_MS)
    assert rows[-1]["volume_avail"] == 1


def test_balances_that_come_late_are_carried_on_from_as_if_they_had_come_in_time() -> None:
    trades = some_trades(START, START + 2 * HOUR_MS)
    recorded, arrival = START + 17 * MINUTE_MS + 123, START + HOUR_MS
    prompt, late = (LiveMarket(["BTC"], START) for _ in range(2))
    for market in (prompt, late):
        market.funding(funding(START + 50 * MINUTE_MS))
    prompt.balances(recorded, HELD)

    run(prompt, trades, START, arrival)
    before = run(late, trades, START, arrival)
    late.balances(recorded, HELD)
    coming = [row for row in trades if row["time"] >= arrival]

    assert before[-1]["oi_kind"] is None
    rows = run(late, coming, arrival + STEP_MS, START + 2 * HOUR_MS)
    assert rows == run(prompt, coming, arrival + STEP_MS, START + 2 * HOUR_MS)
    assert (rows[0]["oi_kind"], rows[0]["oi_age_ms"]) == ("carried", STEP_MS)
    assert rows[-1]["oi_funding_pressure"] != 0


def test_an_anchor_within_a_stored_piece_does_not_know_what_came_after_it() -> None:
    trades = some_trades(START, START + 2 * HOUR_MS)
    pieces = oi_changes(legs(*trades).select("time", "side", "sz", "start_position"))
    noon = START + 2 * HOUR_MS
    tables = {
        "oi_changes": pieces.with_columns(pl.lit("BTC").alias("coin")),
        "covered": pl.DataFrame({"start": [START], "end": [noon]}),
    }
    market = LiveMarket(["BTC"], noon, tables)
    market.funding(funding(noon - 1))

    market.balances(noon - 30 * MINUTE_MS - 1, HELD)

    rows = run(market, some_trades(noon, noon + HOUR_MS), noon, noon + HOUR_MS)
    assert all(f'"oi_funding_pressure":{UNCOVERED}' in row["reasons"] for row in rows)
    assert {row["oi_kind"] for row in rows} == {"snapshot"}


# --- coverage --------------------------------------------------------------------------------


def test_a_gap_is_unknown_and_not_quiet() -> None:
    trades = some_trades(START, START + HOUR_MS)
    market = LiveMarket(["BTC"], START)
    run(market, trades, START, START + 20 * MINUTE_MS)
    gap = START + 20 * MINUTE_MS

    market.covered(gap, gap + 2 * MINUTE_MS)
    [row] = market.take(gap + STEP_MS).to_dicts()

    assert row["price"] is None
    names = ("cvd_normalized_5m", "price_change_5m_pct", "volume_vs_1h_avg_ratio")
    for name in (*names, "liq_cascade_active", "realized_vol_1h"):
        assert row[name] is None
        assert f'"{name}":{UNCOVERED}' in row["reasons"]
    again = gap + STEP_MS
    [after] = run(market, [trade(again + 1, "101")], again + STEP_MS, again + STEP_MS)
    assert (after["price"], after["price_change_5m_avail"], after["cvd_avail"]) == (101, 0, 1)


def test_no_close_is_carried_across_a_gap() -> None:
    market = LiveMarket(["BTC"], START)
    run(market, [trade(START + 1, "100")], START, START + STEP_MS)

    market.take(START + 2 * STEP_MS)
    [row] = run(market, [], START + 3 * STEP_MS, START + 3 * STEP_MS)

    assert row["price"] is None
    assert '"cvd_normalized_5m":"zero_denominator"' in row["reasons"]


def test_a_gap_may_be_closed_as_long_as_its_fills_are_remembered() -> None:
    trades = some_trades(START, START + 3 * HOUR_MS)
    whole, gapped = (LiveMarket(["BTC"], START, memory_ms=HOUR_MS) for _ in range(2))
    gap, end = START + 40 * MINUTE_MS, START + HOUR_MS
    run(whole, trades, START, end)
    run(gapped, [row for row in trades if row["time"] < gap], START, gap)
    gapped.take(end)

    gapped.fills(legs(*[row for row in trades if gap <= row["time"] < end]))
    gapped.covered(gap, end)

    coming = [row for row in trades if row["time"] >= end]
    rows = run(gapped, coming, end + STEP_MS, end + 2 * HOUR_MS)
    assert rows == run(whole, coming, end + STEP_MS, end + 2 * HOUR_MS)
    assert rows[0]["volume_avail"] == 1


def test_a_span_that_is_covered_late_was_quiet() -> None:
    market = LiveMarket(["BTC"], START)
    run(market, [trade(START + 1, "100")], START, START + STEP_MS)
    assert market.take(START + 2 * STEP_MS)["price"].item() is None

    market.covered(START + STEP_MS, START + 2 * STEP_MS)
    [row] = run(market, [], START + 3 * STEP_MS, START + 3 * STEP_MS)

    assert (row["price"], row["price_change_5m_pct"]) == (100, 0)


def test_nothing_is_learnt_of_the_time_before_the_beginning() -> None:
    market = LiveMarket(["BTC"], START)

    market.covered(START - DAY_MS, START)

    assert market.take(START)["liq_cascade_avail"].item() == 0
    assert market.tables()["covered"].is_empty()


def test_a_fill_that_nothing_remembers_makes_its_five_minutes_unknown() -> None:
    begin = START - 4 * HOUR_MS
    market = LiveMarket(["BTC"], begin, memory_ms=30 * MINUTE_MS)
    market.covered(begin, START)
    market.take(START)
    last = START + HOUR_MS
    before = run(market, some_trades(START, START + 20 * MINUTE_MS), START + STEP_MS, last)[-1]
    assert (before["price_change_5m_avail"], before["liq_cascade_avail"]) == (1, 1)

    market.fills(legs(trade(START + 19 * MINUTE_MS, "120")))
    [row] = run(market, [], last + STEP_MS, last + STEP_MS)

    assert market.too_late == 2
    assert f'"liq_cascade_active":{UNCOVERED}' in row["reasons"]
    # Nothing was traded since: the close that was carried until now was not the last one.
    assert row["price"] is None
    kept = market.tables()["candles_5m"]["open_time"].to_list()
    assert kept == [START, START + STEP_MS, START + 2 * STEP_MS]


def test_a_fill_without_start_position_leaves_open_interest_unknown() -> None:
    trades = some_trades(START, START + 3 * HOUR_MS)
    trades[150]["start_position"] = None
    market = LiveMarket(["BTC"], START)
    market.balances(START + 1, HELD)
    market.funding(funding(START + 1))
    market.funding(funding(START + 2 * HOUR_MS + 1))

    rows = run(market, trades, START, START + 3 * HOUR_MS)

    known = {row["snapshot_at"] for row in rows if row["oi_funding_pressure_avail"]}
    at = trades[150]["time"]
    assert known
    assert max(known) <= at
    assert all(row["cvd_avail"] for row in rows[1:])


# --- starting again --------------------------------------------------------------------------


def test_a_market_started_from_the_tables_of_another_goes_on_as_it_would() -> None:
    begin = DAY - 2 * HOUR_MS
    trades = some_trades(begin, DAY + 2 * HOUR_MS)
    trades[100] |= {"liquidation": '{"liquidatedUser":"0xa","method":"market","markPx":"1"}'}
    market = LiveMarket(["BTC", "ETH"], begin)
    market.balances(begin + 7 * MINUTE_MS + 5, HELD)
    market.funding(funding(begin + 1))
    market.bots(DAY, ["0xl"])
    half = DAY - 15 * MINUTE_MS
    run(market, trades, begin, half)
    coming = [row for row in trades if row["time"] >= half]

    # History makes the row of midnight with the day that begins there: it may not be stored yet.
    tables = market.tables()
    tables["oi"] = tables["oi"].filter(pl.col("recorded_at") < half)
    another = LiveMarket(["BTC", "ETH"], half, tables)
    rows = run(another, coming, half + STEP_MS, DAY + 2 * HOUR_MS)

    assert rows == run(market, coming, half + STEP_MS, DAY + 2 * HOUR_MS)
    assert rows[-1]["oi_kind"] == "carried"
    assert rows[-1]["liq_ratio_avail"] == 1
    for name, table in another.tables().items():
        assert_frame_equal(table, market.tables()[name], check_row_order=False)


def test_after_a_restart_only_the_gap_is_lost() -> None:
    trades = some_trades(START, START + 4 * HOUR_MS)
    market = LiveMarket(["BTC"], START)
    run(market, trades, START, START + HOUR_MS)

    begin = START + 2 * HOUR_MS
    tables = market.tables()
    tables["covered"] = pl.DataFrame({"start": [START, begin], "end": [START + HOUR_MS, 2 * begin]})
    another = LiveMarket(["BTC"], begin, tables)
    coming = [row for row in trades if row["time"] >= begin]
    rows = run(another, coming, begin + STEP_MS, begin + 2 * HOUR_MS)

    assert not rows[0]["volume_avail"]
    assert another.tables()["covered"].rows() == [
        (START, START + HOUR_MS),
        (begin, begin + 2 * HOUR_MS),
    ]
    assert rows[12]["volume_avail"]
    assert rows[-1]["realized_vol_avail"]


@pytest.mark.parametrize("hours", [[0, 12, 24, 25], [0, 12, 25]])
def test_a_coin_that_was_quiet_for_a_day_has_no_close_in_the_next(hours: list[int]) -> None:
    begin = DAY - STEP_MS
    market = LiveMarket(["BTC"], begin)
    market.fills(legs(trade(begin + 1, "100")))
    market.covered(begin, DAY + 2 * DAY_MS)

    prices = [market.take(DAY + hour * HOUR_MS)["price"].item() for hour in hours]

    assert prices == [None if hour > 24 else 100 for hour in hours]


# --- bounds ----------------------------------------------------------------------------------


def test_nothing_is_kept_longer_than_it_is_looked_at() -> None:
    market = LiveMarket(["BTC"], DAY)
    sizes = []
    for hour in range(1, 84):
        end = DAY + hour * HOUR_MS
        market.fills(legs(*some_trades(end - HOUR_MS, end, seed=hour)))
        market.balances(end - 1, HELD)
        market.funding(funding(end))
        market.bots((end // DAY_MS) * DAY_MS, ["0xl"])
        market.covered(end - HOUR_MS, end)
        market.take(end)
        held = {name: table.height for name, table in market.tables().items()}
        sizes.append(held | {"fills": market._legs.height})

    for name in ("fills", "candles_1m", "flow", "oi_changes", "positions", "bots", "covered"):
        assert sizes[82][name] <= max(sizes[n][name] for n in range(24, 60)) * 1.05, name


def test_bots_are_no_part_of_the_map() -> None:
    rows = []
    for bots in ([], ["0xl"]):
        market = LiveMarket(["BTC"], START)
        market.bots(DAY, bots)
        market.balances(START + 1, HELD)
        rows += run(market, [trade(START + 2, "100")], START + STEP_MS, START + STEP_MS)

    assert [row["liq_magnet_direction"] for row in rows] == [0, 1]


@pytest.mark.parametrize("mark", [START + 1, START - STEP_MS, START + STEP_MS])
def test_what_is_no_later_mark_is_refused(mark: int) -> None:
    market = LiveMarket(["BTC"], START)
    market.take(START + STEP_MS)

    with pytest.raises(ValueError, match="expected a mark"):
        market.take(mark)


def test_a_beginning_that_is_no_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="begin"):
        LiveMarket(["BTC"], START + 1)


def test_fills_that_cannot_be_told_apart_are_refused() -> None:
    market = LiveMarket(["BTC"], START)
    with pytest.raises(ValueError, match="block number"):
        market.fills(legs(trade(START, "100", block_number=None)))
    with pytest.raises(UnexpectedColumns, match="tid"):
        market.fills(legs(trade(START, "100")).drop("tid"))
