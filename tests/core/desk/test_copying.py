"""The copy engine, by the shared vectors, by hand, and by what must always hold."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.desk.test_copy_filter import SETTINGS, settings_of
from tests.reference.shared_files import metric_vectors
from vigil_core.calendar import DAY_MS, HOUR_MS, day_of, day_start_ms
from vigil_core.desk.copying import Copy, CopyEngine, Market, SettingsFrom, Terms, exact
from vigil_core.desk.markets import (
    FixedMarket,
    Print,
    Stretch,
    TapeMarket,
    Window,
    copy_stretch,
)
from vigil_core.desk.signals import Signal, Step

D = Decimal
FOLLOWED = replace(
    SETTINGS, require_confidence=False, require_leverage=False, base_size_usd=D(1000),
    position_multiplier=D(1),
)  # fmt: skip


def opening(
    key: str, at: int, px: str, side: str = "buy", coin: str = "BTC", **more: Any
) -> Signal:
    return Signal(
        trader="t", key=key, action="open", coin=coin, side=side, time=at, px=D(px), **more
    )  # type: ignore[arg-type]


def ending(
    key: str, at: int, px: str, side: str = "sell", share: str = "1", coin: str = "BTC",
    of: str | None = None,
) -> Signal:  # fmt: skip
    return Signal(
        trader="t", key=key, action="close" if share == "1" else "reduce", coin=coin, side=side,
        time=at, px=D(px), of=of, steps=[Step(time=at, px=D(px), share=D(share))],
    )  # type: ignore[arg-type]  # fmt: skip


def ran(market: Market, signals: list[Signal], end: int, terms: Terms | None = None) -> CopyEngine:
    engine = CopyEngine(D(10_000), terms or Terms(fee_bps=D(5)), market)
    engine.run(0, end, signals, [SettingsFrom(trader="t", time=0, settings=FOLLOWED)])
    return engine


BACKTEST_CASES = [
    case
    for case in metric_vectors("copy_filter_backtest")
    if "trades" in case.values[0]["inputs"]  # type: ignore[index,call-overload]
]


@pytest.mark.parametrize("case", BACKTEST_CASES)
def test_backtest_vector(case: dict[str, Any]) -> None:
    given_, expected = case["inputs"], case["expected"]
    signals = []
    for trade in given_["trades"]:
        long, key = trade["side"] == "long", str(trade["id"])
        entry, exit_ = (
            day_start_ms(date.fromisoformat(trade[f"{end}_date"])) for end in ("entry", "exit")
        )
        signals += [
            opening(
                key, entry, str(trade["entry_px"]), "buy" if long else "sell", trade["token"],
                confidence=trade["confidence"], leverage=trade["leverage"],
            ),
            ending(
                f"{key} ends", exit_, str(trade["exit_px"]), "sell" if long else "buy",
                coin=trade["token"], of=key,
            ),
        ]  # fmt: skip
    start, end = (
        day_start_ms(date.fromisoformat(given_[name])) for name in ("start", "end_exclusive")
    )
    capital = D(str(given_["initial_capital_usd"]))
    terms = Terms(fee_bps=D(str(given_["fee_bps"])), lag_ms=0)
    engine = CopyEngine(capital, terms, FixedMarket(D(str(given_["slippage_bps"]))))
    filter_ = settings_of(given_["config"], given_["base_size_usd"])
    engine.run(start, end, signals, [SettingsFrom(trader="t", time=start, settings=filter_)])
    pnl = {copy.key: copy.net_pnl_usd for copy in engine.closed}
    for trade in expected.get("trades_pnl", []):
        assert float(pnl[str(trade["id"])] or 0) == pytest.approx(trade["pnl_usd"], abs=1e-9)
    assert len(pnl) == expected["trade_count"]
    curve = [(day_of(point.at - 1).isoformat(), float(point.equity_usd)) for point in engine.equity]
    for point in expected.get("equity_curve", [])[1:]:
        assert (point["date"], pytest.approx(point["equity_usd"], abs=1e-9)) in curve
    assert float(engine.equity[-1].equity_usd) == pytest.approx(
        expected["final_value_usd"], abs=1e-9
    )
    rejected: dict[str, int] = {}
    for outcome in engine.outcomes:
        if outcome.signal.action == "open" and not outcome.decision.is_accepted:
            code = outcome.decision.outcome
            rejected[code] = rejected.get(code, 0) + 1
    assert rejected == expected["rejected"]


def taker(side: str, *prints: tuple[int, str, str]) -> list[Print]:
    return [Print(time, D(px), D(sz), side) for time, px, sz in prints]  # type: ignore[arg-type]


def tape(windows: dict[Window, list[Print]], **funding: dict[int, Decimal]) -> TapeMarket:
    market = TapeMarket()
    market.load(windows, {("BTC", DAY_MS): D(120)}, funding)
    return market


def test_copy_walks_the_prints_and_its_costs_add_up_to_the_last_digit() -> None:
    at = HOUR_MS
    prints = [
        *taker("buy", (at, "100", "1"), (at + 2_000, "101", "1")),  # the last: as our order came
        *taker("sell", (at + 2_500, "50", "1000")),  # nothing for a buyer to take
        *taker("buy", (at + 3_000, "102", "50"), (at + 4_000, "104", "1000")),
        *taker("sell", (2 * at, "110", "9"), (2 * at + 2_000, "109", "9")),
        *taker("sell", (2 * at + 2_001, "108", "900")),
    ]
    engine = ran(
        tape({Window("BTC", at, 3 * at): prints}, BTC={2 * at: D("0.5")}),
        [opening("a", at, "100"), ending("b", 2 * at, "110")],
        DAY_MS,
    )
    (copy,) = engine.closed
    q = copy.quantity
    with exact():
        assert q == (5 + (D(1000) - 5 * 102) / 104).quantize(q)
        assert (copy.submitted_at, copy.opened_at) == (at + 2_000, at + 4_000)
        assert copy.closed_at == 2 * at + 2_001
        assert abs(copy.entry_px - 1000 / q) < D(1).scaleb(-15)
        assert copy.gross_at_leader_usd == 10 * q
        assert copy.lag_usd == (D(101) - 100) * q + (D(110) - 109) * q
        assert copy.slippage_usd == (copy.entry_px - 101) * q + (D(109) - 108) * q
        assert copy.fees_usd == (copy.entry_px + 108) * q * D("0.0005")
        assert copy.funding_usd == D("-0.5") * q
        net = (108 - copy.entry_px) * q - copy.fees_usd + copy.funding_usd
        assert copy.net_pnl_usd == net
        assert engine.equity[0].equity_usd == 10_000 + net
    assert [o.decision.outcome for o in engine.outcomes] == ["paper", "followed"]


def test_no_print_in_time_is_no_liquidity_and_what_followed_is_void() -> None:
    late = taker("buy", (62_000, "100", "1000"))
    engine = ran(
        tape({Window("BTC", 0, DAY_MS): late}),
        [opening("a", 0, "100"), ending("b", 30_000, "100"), ending("c", 70_000, "100")],
        DAY_MS,
    )
    told = {o.signal.key: o.decision.outcome for o in engine.outcomes}
    assert told == {"a": "no_liquidity", "b": "followed", "c": "nothing_open"}
    assert (engine.closed, engine.open_copies, engine.unanswered) == ([], [], [])


def test_order_takes_what_there_is_and_an_exit_goes_on_the_next_day() -> None:
    midnight = DAY_MS
    prints = [
        *taker("buy", (3_000, "100", "20")),
        *taker("sell", (HOUR_MS, "90", "5"), (midnight + 5, "80", "1000")),
    ]
    market = tape(
        {Window("BTC", 0, 2 * DAY_MS): prints}, BTC=dict.fromkeys(range(0, 10**9, HOUR_MS), D(0))
    )
    engine = ran(market, [opening("a", 0, "100"), ending("b", 10_000, "99")], 2 * DAY_MS)
    (copy,) = engine.closed
    assert copy.quantity == 2
    assert [(fill.time, fill.quantity, fill.px) for fill in copy.fills] == [
        (62_000, D(2), D(100)),
        (midnight, D("0.5"), D(90)),
        (midnight + 5, D("1.5"), D(80)),
    ]  # fmt: skip
    assert copy.net_pnl_usd == D(45) + 120 - 200 - copy.fees_usd


def test_missing_rates_make_funding_unknown_and_leave_it_out() -> None:
    engine = ran(
        FixedMarket(D(0)), [opening("a", 0, "100"), ending("b", 2 * HOUR_MS, "110")], DAY_MS
    )
    (copy,) = engine.closed
    assert copy.funding_usd is None
    assert copy.net_pnl_usd == 100 - copy.fees_usd


def test_reductions_shrink_every_open_copy_by_the_leaders_share() -> None:
    signals = [
        opening("a", 0, "100"), opening("b", 1, "100"), opening("c", 1, "100", coin="ETH"),
        ending("r", 2, "100", share="0.25"),
    ]  # fmt: skip
    engine = ran(FixedMarket(D(0)), signals, DAY_MS, Terms(lag_ms=0))
    assert [(c.key, c.open_quantity) for c in engine.open_copies] == [
        ("a", D("7.5")), ("b", D("7.5")), ("c", D(10)),
    ]  # fmt: skip


def test_account_that_is_full_takes_nothing_more() -> None:
    signals = [opening(str(n), n * 10, "100") for n in range(55)]
    engine = ran(FixedMarket(D(0)), signals, DAY_MS)
    codes = [o.decision.outcome for o in engine.outcomes]
    # Five times 10,000; what is still being opened counts.
    assert (codes.count("paper"), codes.count("insufficient_capital")) == (50, 5)


def test_switched_off_takes_nothing_new_and_follows_what_is_open() -> None:
    engine = CopyEngine(D(10_000), Terms(), FixedMarket(D(0)))
    versions = [
        SettingsFrom(trader="t", time=0, settings=FOLLOWED, version=1),
        SettingsFrom(trader="t", time=50, settings=replace(FOLLOWED, active=False), version=2),
    ]
    signals = [opening("a", 49, "100"), opening("b", 50, "100"), ending("c", 9_000, "101")]
    engine.run(0, DAY_MS, signals, versions)
    told = {o.signal.key: (o.decision.outcome, o.version) for o in engine.outcomes}
    assert told == {"a": ("paper", 1), "b": ("trader_inactive", 2), "c": ("followed", 2)}
    assert len(engine.closed) == 1


HOURS = 60


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Signal], dict[str, list[Print]]]:
    """Two days and a half of a leader's signals, and a thin tape under them."""
    signals, prints = [], {}
    for coin in ("BTC", "ETH"):
        times = draw(st.lists(st.integers(0, HOURS * 60), max_size=8, unique=True))
        for n, minute in enumerate(sorted(times)):
            at, px = minute * 60_000, str(draw(st.integers(90, 110)))
            kind = draw(st.sampled_from(("open", "open", "0.3", "1")))
            side = draw(st.sampled_from(("buy", "sell")))
            key = f"{coin}{n}"
            signals.append(
                opening(key, at, px, side, coin)
                if kind == "open"
                else ending(key, at, px, side, kind, coin)
            )
        offsets = draw(st.lists(st.integers(0, HOURS * 3600), max_size=60))
        near = [s.time // 1000 + draw(st.integers(0, 70)) for s in signals if s.coin == coin]
        prints[coin] = [
            Print(
                second * 1000, D(draw(st.integers(9_000, 11_000))).scaleb(-2),
                D(draw(st.integers(1, 900))), draw(st.sampled_from(("buy", "sell"))),
            )
            for second in sorted(offsets + near)
        ]  # fmt: skip
    return signals, prints


def last_before(prints: list[Print], at: int) -> Decimal | None:
    return next((one.px for one in reversed(prints) if one.time < at), None)


def copied(
    signals: list[Signal], prints: dict[str, list[Print]], cuts: list[int]
) -> tuple[list[Any], list[Copy], list[Any], list[Copy]]:
    """Through stretches that end at the cuts: outcomes, closed copies, equity, open copies."""
    market, terms = TapeMarket(), Terms(lag_ms=2_000, wait_ms=60_000)
    state = CopyEngine(D(10_000), terms, market).state()
    outcomes: list[Any] = []
    closed: list[Copy] = []
    equity: list[Any] = []
    start = 0
    for end in cuts:
        marks = {
            (coin, day): px
            for coin, those in prints.items()
            for day in range(0, end + 1, DAY_MS)
            if (px := last_before(those, day))
        }
        stretch = Stretch(
            start=start, end=end, signals=[s for s in signals if start <= s.time < end],
            settings=[SettingsFrom(trader="t", time=0, settings=FOLLOWED)] if not start else [],
            marks=marks,
            funding={c: dict.fromkeys(range(0, 10**9, HOUR_MS), D("0.01")) for c in prints},
        )  # fmt: skip
        engine = copy_stretch(
            terms, market, state, stretch,
            lambda windows: {
                w: [p for p in prints[w.coin] if w.start <= p.time < w.end] for w in windows
            },
        )  # fmt: skip
        outcomes += [(o.signal.key, o.decision.outcome) for o in engine.outcomes]
        closed += engine.closed
        equity += engine.equity
        state = json.loads(json.dumps(engine.state()))
        start = end
    return outcomes, closed, equity, engine.open_copies


END = HOURS * HOUR_MS


@given(worlds())
@settings(max_examples=60, deadline=None)
def test_money_adds_up_exactly(world: tuple[list[Signal], dict[str, list[Print]]]) -> None:
    _, closed, equity, still_open = copied(*world, [END])
    with exact():
        _check_sums(closed, still_open, equity)


def _check_sums(closed: list[Copy], still_open: list[Copy], equity: list[Any]) -> None:
    for copy in [*closed, *still_open]:
        moved = sum((f.px * f.quantity * (-1 if f.side == "buy" else 1) for f in copy.fills), D(0))
        fees = sum((f.fee_usd for f in copy.fills), D(0))
        carried = copy.entry_px * copy.open_quantity * copy.direction
        booked = moved + carried - fees + (copy.funding_usd or 0)
        assert copy.booked_usd(with_open_fee=True) == booked
        assert copy.fees_usd == fees
    if not still_open and equity:
        done = [c for c in closed if (c.closed_at or 0) < equity[-1].at]
        if len(done) == len(closed):
            assert equity[-1].equity_usd == 10_000 + sum((c.net_pnl_usd or D(0)) for c in closed)


@given(worlds(), st.lists(st.integers(1, HOURS * 60), max_size=4))
@settings(max_examples=60, deadline=None)
def test_stretches_give_the_same_as_one(
    world: tuple[list[Signal], dict[str, list[Print]]], minutes: list[int]
) -> None:
    cuts = [*sorted({minute * 60_000 for minute in minutes} - {END}), END]
    assert copied(*world, cuts) == copied(*world, [END])


@given(worlds(), st.integers(1, HOURS * 60))
@settings(max_examples=60, deadline=None)
def test_nothing_later_changes_what_was_before(
    world: tuple[list[Signal], dict[str, list[Print]]], minute: int
) -> None:
    cut = minute * 60_000
    signals, prints = world
    known = [s for s in signals if s.time < cut]
    tape_then = {coin: [p for p in those if p.time < cut] for coin, those in prints.items()}
    outcomes, closed, equity, _ = copied(known, tape_then, [cut])
    later_outcomes, later_closed, later_equity, _ = copied(signals, prints, [END])
    assert later_outcomes[: len(outcomes)] == outcomes
    assert later_closed[: len(closed)] == closed
    assert later_equity[: len(equity)] == equity
    assert not any((copy.closed_at or 0) < cut for copy in later_closed[len(closed) :])


@given(worlds(), st.randoms())
@settings(max_examples=40, deadline=None)
def test_order_of_what_came_at_once_does_not_matter(
    world: tuple[list[Signal], dict[str, list[Print]]], random: Any
) -> None:
    signals, prints = world
    shuffled = list(signals)
    random.shuffle(shuffled)
    assert copied(shuffled, prints, [END]) == copied(signals, prints, [END])
