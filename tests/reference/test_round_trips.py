"""Round trips against the vectors and figures worked out by hand."""

import json
import random
import statistics
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from .aggregates import DAY_MS, USD_TOKENS, day_of
from .profiles import HOUR_MS, episodes
from .round_trips import (
    DayState,
    Fill,
    RoundTrip,
    execution_order,
    fee_in_usd,
    follow,
    is_victim,
    positions_around,
    random_fills,
)
from .shared_files import shared_file

DAY = 1_761_523_200_000  # 2025-10-27
ANN = "0x" + "a" * 40
BOB = "0x" + "b" * 40

# Fields of the vectors that round trips do not decide, and why.
OUT_OF_SCOPE = {
    "fill_count": "of the account: spot and unfinished positions too",
    "perp_fill_count": "fills, unfinished positions too",
    "spot_fill_count": "spot has no round trips",
    "perp_volume_usd": "fills, unfinished positions too",
    "spot_volume_usd": "spot has no round trips",
    "unique_perp_coins": "fills, unfinished positions too",
    "maker_pct": "who crossed, per fill",
    "maker_volume_pct": "who crossed, per fill",
    "win_rate_fills": "per fill",
    "realized_edge": "by volume of fills",
    "net_edge": "by volume of fills",
    "liquidated_fill_pct": "per fill",
    "liquidator_fill_pct": "per fill",
}
# Sums over the account: those of the round trips where all its fills are in one.
WHOLE_ACCOUNT = (
    "gross_realized_pnl_usd",
    "total_fees_usd",
    "net_pnl_ex_funding_usd",
    "perp_net_pnl_ex_funding_usd",
    "unpriced_component_count",
)
IN_SCOPE = {
    "closed_trades",
    "open_trades",
    "left_censored_trades",
    "continuity_breaks",
    "winning_trades",
    "losing_trades",
    "win_rate",
    "win_rate_ci95",
    "gross_profit_usd",
    "gross_loss_usd",
    "profit_factor",
    "avg_holding_hours",
    "median_holding_hours",
    "trades",
}
Step = tuple[int, str, str, str]  # hour, side, size, start position


def make_fill(**changes: Any) -> Fill:
    """Ann buys 1 BTC at 100 from flat, for a fee of 0; numbers may be given as texts."""
    values: dict[str, Any] = {
        "user": ANN,
        "coin": "BTC",
        "px": "100",
        "sz": "1",
        "side": "B",
        "time": DAY,
        "block_number": 1,
        "event_index": 0,
        "start_position": "0",
        "closed_pnl": "0",
        "fee": "0",
        "fee_token": "USDC",
    } | changes
    for name in ("px", "sz", "start_position", "closed_pnl", "fee"):
        if values[name] is not None:
            values[name] = Decimal(values[name])
    return Fill(**values)


def walk(*steps: Step, **changes: Any) -> list[Fill]:
    """Fills of one trader and coin, at hours after the first midnight."""
    return [
        make_fill(
            time=DAY + hour * HOUR_MS,
            side=side,
            sz=size,
            start_position=start,
            block_number=number,
            **changes,
        )
        for number, (hour, side, size, start) in enumerate(steps)
    ]


def only_trip(fills: list[Fill]) -> RoundTrip:
    (trip,) = follow(fills)[0]
    return trip


def only_state(fills: list[Fill]) -> DayState:
    (state,) = follow(fills)[1]
    return state


# The vectors


def vector_cases() -> list[dict[str, Any]]:
    path = shared_file("data/vectors/metrics/trades_from_fills.json")
    cases: list[dict[str, Any]] = json.loads(path.read_text())["cases"]
    return cases


def vector_fill(fill: dict[str, Any]) -> Fill:
    return make_fill(
        user=fill["user"],
        coin=fill["coin"],
        px=fill["px"],
        sz=fill["sz"],
        side=fill["side"],
        time=fill["time"],
        block_number=None,
        event_index=fill["event_index"],
        start_position=fill["startPosition"],
        closed_pnl=fill["closedPnl"],
        fee=fill["fee"],
        fee_token=fill["feeToken"],
        liquidated_user=fill.get("liquidation", {}).get("liquidatedUser"),
    )


def as_vector_trade(trip: RoundTrip) -> dict[str, Any]:
    return {
        "coin": trip.coin,
        "side": trip.direction,
        "entry_time": trip.opened_at,
        "exit_time": trip.closed_at,
        "peak_size": trip.peak_size,
        "fills": trip.fill_count,
        "gross_pnl_usd": trip.gross_pnl,
        "fees_usd": trip.fees,
        "net_pnl_usd": trip.net_pnl,
        "liquidated": trip.is_liquidated,
    }


def with_decimals(trade: dict[str, Any]) -> dict[str, Any]:
    amounts = ("peak_size", "gross_pnl_usd", "fees_usd", "net_pnl_usd")
    return trade | {name: Decimal(trade[name]) for name in amounts}


def open_trades(states: list[DayState]) -> int:
    """Traders and coins that hold a position of known opening after their last day."""
    last = {(state.user_address, state.coin): state for state in states}
    return sum(state.open_since is not None for state in last.values())


def wilson(won: int, decided: int) -> tuple[float, float]:
    z = statistics.NormalDist().inv_cdf(0.975)
    share, extra = won / decided, z * z / decided
    middle = (share + extra / 2) / (1 + extra)
    reach = (share * (1 - share) / decided + extra / (4 * decided)) ** 0.5 * z / (1 + extra)
    return middle - reach, middle + reach


def vector_figures(trips: list[RoundTrip], states: list[DayState]) -> dict[str, Any]:
    """What the vectors expect of closed trades, by their names; floats where they are ratios."""
    closed = [trip for trip in trips if trip.opened_at is not None]
    nets = [trip.net_pnl for trip in closed if trip.net_pnl is not None]
    assert len(nets) == len(closed)
    gains = [net for net in nets if net > 0]
    losses = [-net for net in nets if net < 0]
    hours = [(trip.hold_ms or 0) / HOUR_MS for trip in closed]
    return {
        "closed_trades": sum(state.closed_trades for state in states),
        "open_trades": open_trades(states),
        "left_censored_trades": sum(state.left_censored_trades for state in states),
        "continuity_breaks": sum(state.continuity_breaks for state in states),
        "winning_trades": len(gains),
        "losing_trades": len(losses),
        "win_rate": len(gains) / (len(gains) + len(losses)),
        "win_rate_ci95": wilson(len(gains), len(gains) + len(losses)),
        "gross_profit_usd": sum(gains, Decimal(0)),
        "gross_loss_usd": sum(losses, Decimal(0)),
        "profit_factor": float(sum(gains) / sum(losses)) if losses else None,
        "avg_holding_hours": statistics.fmean(hours),
        "median_holding_hours": statistics.median(hours),
    }


def test_vectors_of_closed_trades() -> None:
    checked = 0
    for case in vector_cases():
        expected = case["expected"]
        if "closed_trades" not in expected:
            continue
        fills = [vector_fill(fill) for fill in case["inputs"]["fills"]]
        trips, states = follow(fills)
        trades = [as_vector_trade(trip) for trip in trips if trip.opened_at is not None]
        trades.sort(key=lambda trade: trade["exit_time"])
        assert trades == [with_decimals(trade) for trade in expected["trades"]], case["id"]
        held = sum(state.hold_ms for state in states)
        assert held == sum(t["exit_time"] - t["entry_time"] for t in expected["trades"])
        for name, ours in vector_figures(trips, states).items():
            wanted = expected[name]
            if name in ("gross_profit_usd", "gross_loss_usd"):
                assert ours == Decimal(wanted), (case["id"], name)
            elif wanted is None or isinstance(wanted, int):
                assert ours == wanted, (case["id"], name)
            else:
                assert ours == pytest.approx(wanted, rel=1e-9, abs=1e-12), (case["id"], name)
        checked += 1
    assert checked >= 7


def test_vectors_of_accounts_that_are_all_round_trips() -> None:
    checked = 0
    for case in vector_cases():
        fills = [vector_fill(fill) for fill in case["inputs"]["fills"]]
        trips, states = follow(fills)
        expected = case["expected"]
        if any(state.continuity_breaks or state.position for state in states):
            continue
        perps_only = len({fill.coin for fill in fills}) == len({state.coin for state in states})
        gross = [trip.gross_pnl for trip in trips]
        fees = [trip.fees for trip in trips]
        nets = [trip.net_pnl for trip in trips]
        ours = {"perp_net_pnl_ex_funding_usd": nets}
        if perps_only:
            ours |= {
                "gross_realized_pnl_usd": gross,
                "total_fees_usd": fees,
                "net_pnl_ex_funding_usd": nets,
            }
            unpriced = sum(trip.unpriced_fills for trip in trips)
            assert unpriced == expected["unpriced_component_count"], case["id"]
        for name in ours.keys() & expected.keys():
            values = [value for value in ours[name] if value is not None]
            whole = sum(values, Decimal(0)) if len(values) == len(ours[name]) else None
            wanted = expected[name]
            assert whole == (None if wanted is None else Decimal(wanted)), (case["id"], name)
        checked += 1
    assert checked >= 7


def test_every_field_of_the_vectors_is_checked_or_listed() -> None:
    names = {name for case in vector_cases() for name in case["expected"]}
    assert names == IN_SCOPE | OUT_OF_SCOPE.keys() | set(WHOLE_ACCOUNT)
    trade_names = {
        name
        for case in vector_cases()
        for trade in case["expected"].get("trades", [])
        for name in trade
    }
    assert trade_names == as_vector_trade(only_trip(there_and_back())).keys()


# By hand


def there_and_back() -> list[Fill]:
    return walk((0, "B", "1", "0"), (1, "A", "1", "1"))


def test_adds_and_partial_closes() -> None:
    fills = [
        make_fill(time=DAY, px="100", sz="2", fee="0.1"),
        make_fill(time=DAY + 10, px="110", sz="1", start_position="2", fee="0.2"),
        make_fill(time=DAY + 30, px="120", sz="2.5", side="A", start_position="3", closed_pnl="42"),
        make_fill(time=DAY + 70, px="90", sz="0.25", start_position="0.5", fee="-0.05"),
        make_fill(
            time=DAY + 71, px="80", sz="0.75", side="A", start_position="0.75", closed_pnl="-15"
        ),
    ]
    assert only_trip(fills) == RoundTrip(
        day=DAY,
        user_address=ANN,
        coin="BTC",
        seq=1,
        opened_at=DAY,
        closed_at=DAY + 71,
        direction="long",
        fill_count=5,
        peak_size=Decimal(3),
        entry_size=Decimal("3.25"),
        entry_notional=Decimal("332.5"),  # 200 + 110 + 22.5
        exit_size=Decimal("3.25"),
        exit_notional=Decimal(360),  # 300 + 60
        gross_pnl=Decimal(27),
        fees=Decimal("0.25"),
        net_pnl=Decimal("26.75"),
        unpriced_fills=0,
        hold_ms=71,
        size_ms=Decimal("100.75"),  # 2 x 10 + 3 x 20 + 0.5 x 40 + 0.75 x 1
        is_liquidated=False,
    )


def test_a_flip_is_two_parts_whose_fees_add_up() -> None:
    fills = [
        make_fill(time=DAY),
        make_fill(
            time=DAY + 5,
            px="110",
            side="A",
            sz="3",
            start_position="1",
            closed_pnl="10",
            fee="0.1",
        ),
        make_fill(time=DAY + 9, px="105", sz="2", start_position="-2", closed_pnl="10"),
    ]
    long, short = follow(fills)[0]
    assert (long.direction, long.seq, long.closed_at) == ("long", 1, DAY + 5)
    assert (short.direction, short.seq, short.opened_at) == ("short", 2, DAY + 5)
    assert (long.fees, short.fees) == (Decimal("0.033333333333"), Decimal("0.066666666667"))
    assert (long.gross_pnl, short.gross_pnl) == (10, 10)
    assert (long.fill_count, short.fill_count) == (2, 2)
    assert (long.exit_size, long.exit_notional) == (1, 110)
    assert (short.entry_size, short.entry_notional) == (2, 220)
    assert (short.peak_size, short.size_ms, long.size_ms) == (2, 8, 5)


@pytest.mark.parametrize(
    ("fee", "closing", "opening"),
    [
        ("0.000000000001", "0", "0.000000000001"),
        ("-0.000000000001", "0", "-0.000000000001"),
        ("0.000000000003", "0.000000000001", "0.000000000002"),
        ("1.0000000000001", "0.500000000000", "0.5000000000001"),
        ("0", "0", "0"),
    ],
)
def test_the_fee_share_of_a_flip_is_cut_off_after_twelve_decimals(
    fee: str, closing: str, opening: str
) -> None:
    fills = [*walk((0, "B", "1", "0")), *walk((1, "A", "2", "1"), fee=fee)]
    long, short = follow(fills + walk((2, "B", "1", "-1")))[0]
    assert (long.fees, short.fees) == (Decimal(closing), Decimal(opening))


def test_a_flip_without_a_price_for_its_fee_spoils_both() -> None:
    fills = [
        *walk((0, "B", "1", "0")),
        *walk((1, "A", "2", "1"), fee="1", fee_token="HYPE", closed_pnl="7"),
        *walk((2, "B", "1", "-1")),
    ]
    for trip in follow(fills)[0]:
        assert (trip.fees, trip.net_pnl, trip.unpriced_fills) == (None, None, 1)
    assert [trip.gross_pnl for trip in follow(fills)[0]] == [7, 0]


@pytest.mark.parametrize(
    ("fee", "token", "usd"),
    [
        ("2", "USDC", "2"),
        ("-2", "USDH", "-2"),
        ("2", "HYPE", None),
        ("0", "HYPE", "0"),
        ("0", None, "0"),
        ("2", None, None),
        (None, "USDC", None),
    ],
)
def test_fees_in_usd(fee: str | None, token: str | None, usd: str | None) -> None:
    fill = make_fill(fee=fee, fee_token=token)
    assert fee_in_usd(fill) == (None if usd is None else Decimal(usd))
    closing = make_fill(time=DAY + 1, side="A", start_position="1")
    trip = only_trip([fill, closing])
    assert (trip.fees is None, trip.unpriced_fills) == (usd is None, int(usd is None))


def test_an_unknown_pnl_leaves_gross_and_net_unknown() -> None:
    fills = [make_fill(fee="1"), make_fill(time=DAY + 1, side="A", start_position="1")]
    trip = only_trip([fills[0], replace(fills[1], closed_pnl=None)])
    assert (trip.gross_pnl, trip.fees, trip.net_pnl) == (None, 1, None)


def test_left_censored() -> None:
    fills = walk((0, "B", "1", "-5"), (1, "A", "2", "-4"), (3, "B", "6", "-6"))
    trip = only_trip(fills)
    assert (trip.opened_at, trip.hold_ms, trip.direction) == (None, None, "short")
    assert (trip.peak_size, trip.fill_count) == (6, 3)
    assert (trip.entry_size, trip.exit_size) == (2, 7)
    assert trip.size_ms == (4 * 1 + 6 * 2) * HOUR_MS
    state = only_state(fills)
    assert (state.closed_trades, state.left_censored_trades, state.hold_ms) == (0, 1, 0)
    assert state.continuity_breaks == 0


def test_what_a_left_censored_position_was_before_its_first_fill_is_its_peak() -> None:
    assert only_trip(walk((0, "A", "5", "5"))).peak_size == 5
    assert only_trip(walk((0, "A", "5", "5"))).size_ms == 0


def test_while_left_censored_nothing_is_open_since() -> None:
    state = only_state(walk((0, "B", "1", "5")))
    assert (state.position, state.open_since) == (6, None)


def test_a_flip_out_of_the_unknown_opens_a_known_one() -> None:
    trips, states = follow(walk((0, "A", "3", "1"), (1, "B", "2", "-2")))
    assert [trip.opened_at for trip in trips] == [None, DAY]
    assert [(s.closed_trades, s.left_censored_trades) for s in states] == [(1, 1)]


@pytest.mark.parametrize(
    ("steps", "breaks", "openings"),
    [
        # from flat to a position never seen opening
        ([(0, "B", "1", "0"), (1, "A", "1", "1"), (2, "A", "2", "2")], 1, [0, None]),
        # from a position to another, which is left-censored from there on
        ([(0, "B", "1", "0"), (1, "A", "0.4", "0.4")], 1, [None]),
        # from a position to flat: opens normally
        ([(0, "B", "1", "0"), (1, "B", "1", "0"), (2, "A", "1", "1")], 1, [1]),
        # seen from flat alone
        ([(0, "B", "1", "0"), (1, "A", "1", "1"), (2, "B", "0", "2")], 1, [0]),
        # nothing moves at 0, which is not where it was
        ([(0, "B", "1", "0"), (1, "B", "0", "0"), (2, "B", "1", "0"), (3, "A", "1", "1")], 1, [2]),
        # into a flip
        ([(0, "B", "1", "0"), (1, "A", "7", "5"), (2, "B", "2", "-2")], 1, [None, 1]),
        # two in a row
        ([(0, "B", "1", "0"), (1, "B", "1", "5"), (2, "B", "1", "9")], 2, []),
        # the first fill of all breaks nothing
        ([(0, "B", "1", "5")], 0, []),
        # noise below the eighth decimal breaks nothing
        ([(0, "B", "0.3", "-0.0000000001"), (1, "A", "0.3", "0.3000000001")], 0, [0]),
        # one unit of the eighth decimal does
        ([(0, "B", "0.3", "0"), (1, "A", "0.30000001", "0.30000001")], 1, [None]),
    ],
)
def test_breaks(steps: list[Step], breaks: int, openings: list[int | None]) -> None:
    trips, states = follow(walk(*steps))
    assert sum(state.continuity_breaks for state in states) == breaks
    hours = [None if t.opened_at is None else (t.opened_at - DAY) // HOUR_MS for t in trips]
    assert hours == openings


def test_after_a_break_what_is_known_begins_there() -> None:
    trip = only_trip(walk((0, "B", "9", "0"), (1, "A", "1", "3"), (4, "A", "2", "2")))
    assert (trip.peak_size, trip.fill_count, trip.entry_size) == (3, 2, 0)
    assert trip.size_ms == 2 * 3 * HOUR_MS


def test_a_break_counts_on_the_day_of_the_fill_that_shows_it() -> None:
    states = follow(walk((1, "B", "1", "0"), (30, "A", "1", "3"), (31, "A", "2", "2")))[1]
    assert [(s.day, s.continuity_breaks) for s in states] == [(DAY, 0), (DAY + DAY_MS, 1)]
    assert [s.left_censored_trades for s in states] == [0, 1]


def test_positions_go_over_midnights() -> None:
    trips, states = follow(walk((23, "B", "1", "0"), (47, "B", "1", "1"), (72, "A", "2", "2")))
    (trip,) = trips
    assert (trip.day, trip.hold_ms) == (DAY + 3 * DAY_MS, 49 * HOUR_MS)
    assert trip.size_ms == (24 + 2 * 25) * HOUR_MS
    opened = DAY + 23 * HOUR_MS
    assert [(s.day, s.position, s.open_since) for s in states] == [
        (DAY, 1, opened),
        (DAY + DAY_MS, 2, opened),
        (DAY + 3 * DAY_MS, 0, None),  # the day between has no fill, and no state
    ]
    assert [(s.closed_trades, s.hold_ms) for s in states] == [(0, 0), (0, 0), (1, 49 * HOUR_MS)]


def test_round_trips_are_numbered_within_the_day_they_close_on() -> None:
    steps: list[Step] = []
    for hour in (1, 2, 3, 23, 25):
        steps += [(hour, "B", "1", "0"), (hour + 1, "A", "1", "1")]
    trips = follow(walk(*steps))[0]
    assert [(trip.day, trip.seq) for trip in trips] == [
        (DAY, 1),
        (DAY, 2),
        (DAY, 3),
        (DAY + DAY_MS, 1),
        (DAY + DAY_MS, 2),
    ]


def test_fills_of_one_ms_go_by_block_and_place() -> None:
    fills = [
        make_fill(block_number=9, event_index=3),
        make_fill(block_number=9, event_index=12, start_position="1"),
        make_fill(block_number=10, event_index=0, side="A", start_position="2"),
        make_fill(block_number=10, event_index=1, side="A", start_position="1"),
    ]
    for seed in range(10):
        random.Random(seed).shuffle(fills)
        trip = only_trip(fills)
        assert (trip.fill_count, trip.hold_ms, trip.size_ms) == (4, 0, 0)
        assert only_state(fills).continuity_breaks == 0


def test_a_fill_that_moves_nothing_brings_its_money_all_the_same() -> None:
    fills = there_and_back()
    plain = only_trip(fills)
    idle = make_fill(time=DAY + 5, sz="0", start_position="1", fee="3", closed_pnl="4")
    trip = only_trip([*fills, idle])
    assert plain.gross_pnl is not None
    assert plain.fees is not None
    assert (trip.fill_count, trip.gross_pnl, trip.fees) == (
        3,
        plain.gross_pnl + 4,
        plain.fees + 3,
    )


def test_a_fill_that_moves_nothing_while_flat_is_no_round_trip() -> None:
    trips, states = follow([make_fill(sz="0", fee="1")])
    assert trips == []
    assert [(s.position, s.open_since, s.continuity_breaks) for s in states] == [(0, None, 0)]


def test_a_fill_without_a_start_is_as_if_it_were_not_there() -> None:
    fills = there_and_back()
    lost = make_fill(time=DAY + 5, start_position=None, fee_token="HYPE", fee="1")
    assert follow([*fills, lost]) == follow(fills)
    assert follow([lost]) == ([], [])


def test_a_fill_without_a_start_does_not_end_the_time_a_size_was_held() -> None:
    fills = walk((10, "B", "1", "0"), (25, "A", "1", "1"))
    lost = make_fill(time=DAY + 20 * HOUR_MS, block_number=0, start_position=None)
    assert only_trip([*fills, lost]).size_ms == 15 * HOUR_MS


@pytest.mark.parametrize(
    ("closing", "opening", "liquidated"),
    [(ANN, None, True), (ANN.upper(), None, True), (BOB, None, False), (None, ANN, False)],
)
def test_liquidated_is_who_is_the_victim_of_the_close(
    closing: str | None, opening: str | None, liquidated: bool
) -> None:
    first, last = there_and_back()
    trip = only_trip(
        [replace(first, liquidated_user=opening), replace(last, liquidated_user=closing)]
    )
    assert trip.is_liquidated is liquidated


@pytest.mark.parametrize(
    ("coin", "count"), [("xyz:TSLA", 1), ("@107", 0), ("PURR/USDC", 0), ("#1890", 0)]
)
def test_round_trips_are_of_perps(coin: str, count: int) -> None:
    trips, states = follow([replace(fill, coin=coin) for fill in there_and_back()])
    assert (len(trips), len(states)) == (count, count)


def test_traders_and_coins_do_not_mix() -> None:
    fills = there_and_back()
    others = [replace(fill, user=BOB) for fill in fills] + [replace(fills[0], coin="ETH")]
    trips, states = follow([*fills, *others])
    assert [(trip.user_address, trip.seq) for trip in trips] == [(ANN, 1), (BOB, 1)]
    assert [(s.user_address, s.coin) for s in states] == [
        (ANN, "BTC"),
        (ANN, "ETH"),
        (BOB, "BTC"),
    ]


# The random market


def market(seed: int) -> list[Fill]:
    days = [DAY + number * DAY_MS for number in range(6)]
    return random_fills(random.Random(seed), [ANN, BOB], ["BTC", "xyz:TSLA", "@107"], days, 15)


def test_the_random_market_has_all_that_it_promises() -> None:
    fills = market(1)
    assert fills == market(1)
    assert fills != market(2)
    assert len({(fill.block_number, fill.event_index) for fill in fills}) == len(fills)
    times = [fill.time for fill in fills]
    assert len(set(times)) < len(times)
    executed = sorted(fills, key=lambda fill: (fill.block_number or 0, fill.event_index or 0))
    assert executed == sorted(fills, key=execution_order)
    fills = [fill for seed in range(4) for fill in market(seed)]
    known = [fill for fill in fills if fill.start_position is not None]
    around = [positions_around(fill) for fill in known]
    assert any(before < 0 < after for before, after in around)
    assert any(after < 0 < before for before, after in around)
    assert any(before == after == 0 for before, after in around)
    assert any(before == after != 0 for before, after in around)
    assert any(abs(after) < abs(before) and after * before > 0 for before, after in around)
    assert any(abs(after) > abs(before) > 0 for before, after in around)
    assert any(fill.start_position != positions_around(fill)[0] for fill in known)
    assert len(known) < len(fills)
    assert any(fill.fee is None for fill in fills)
    assert any(fill.closed_pnl is None for fill in fills)
    assert any(fill.fee_token not in USD_TOKENS and fill.fee for fill in fills)
    assert any(is_victim(fill) for fill in fills)
    assert any(fill.liquidated_user and not is_victim(fill) for fill in fills)


def test_round_trips_of_the_random_market_have_all_kinds() -> None:
    results = [follow(market(seed)) for seed in range(4)]
    trips = [trip for result in results for trip in result[0]]
    states = [state for result in results for state in result[1]]
    assert {trip.direction for trip in trips} == {"long", "short"}
    assert any(trip.opened_at is None for trip in trips)
    assert any(trip.is_liquidated for trip in trips)
    assert any(trip.fees is None for trip in trips)
    assert any(trip.seq > 1 for trip in trips)
    opened = [trip for trip in trips if trip.opened_at is not None]
    assert any(trip.day - day_of(trip.opened_at or 0) > DAY_MS for trip in opened)
    assert any(state.continuity_breaks for state in states)
    assert any(state.position and state.open_since is None for state in states)
    assert any(state.open_since and state.open_since < state.day for state in states)
    assert any(state.closed_trades and state.left_censored_trades for state in states)


@pytest.mark.parametrize("seed", range(5))
def test_round_trips_of_the_random_market_balance(seed: int) -> None:
    trips, states = follow(market(seed))
    by_day: dict[tuple[int, str, str], list[RoundTrip]] = defaultdict(list)
    for trip in trips:
        by_day[trip.day, trip.user_address, trip.coin].append(trip)
        assert trip.day == day_of(trip.closed_at)
        assert (trip.fees is None) == (trip.unpriced_fills > 0)
        left = trip.exit_size - trip.entry_size
        assert 0 <= left <= trip.peak_size
        if trip.opened_at is not None:
            assert (left, trip.hold_ms) == (0, trip.closed_at - trip.opened_at)
            assert trip.size_ms <= trip.peak_size * (trip.closed_at - trip.opened_at)
    for state in states:
        closed = by_day.pop((state.day, state.user_address, state.coin), [])
        assert [trip.seq for trip in closed] == list(range(1, len(closed) + 1))
        assert len(closed) == state.closed_trades + state.left_censored_trades
        assert sum(trip.hold_ms or 0 for trip in closed) == state.hold_ms
    assert not by_day


@pytest.mark.parametrize("seed", range(5))
def test_the_other_oracle_of_episodes_agrees(seed: int) -> None:
    fills = market(seed)
    trips, states = follow(fills)
    report = episodes(
        [
            {
                "user_address": fill.user,
                "coin": fill.coin,
                "side": fill.side,
                "sz": fill.sz,
                "start_position": fill.start_position,
                "time": fill.time,
                "block_number": fill.block_number,
                "event_index": fill.event_index,
            }
            for fill in fills
            if fill.start_position is not None
        ]
    )
    assert sorted(
        (t.user_address, t.coin, t.opened_at, t.closed_at) for t in trips if t.opened_at
    ) == (sorted(report.closed))
    assert sum(state.left_censored_trades for state in states) == report.censored_closes
    assert sum(state.continuity_breaks for state in states) == report.breaks
    assert open_trades(states) == report.still_open
