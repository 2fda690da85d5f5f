"""Backtests by the public class: shared vectors, a tape by hand, repetition, workers and kills."""

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from psycopg import sql

from tests.conftest import Installation, installed
from tests.reference.shared_files import metric_vectors
from vigil_core.calendar import DAY_MS, HOUR_MS, day_of, day_start_ms
from vigil_core.desk.backtest_result import STEPS
from vigil_core.desk.copying import exact
from vigil_core.errors import BacktestMissing, InvalidBacktest
from vigil_resources.desk.backtests import Backtests
from vigil_resources.wiring import open_backtests

FIRST = date(2025, 9, 1)
START = day_start_ms(FIRST)
DAYS = [START + n * DAY_MS for n in range(4)]
LEADER, OTHER, MAKER = ("0x" + letter * 40 for letter in "abc")
D = Decimal


class Tape:
    """Writes both rows of each trade, and keeps who holds what."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._held: dict[tuple[str, str], Decimal] = {}
        self._cost: dict[tuple[str, str], Decimal] = {}

    def trade(self, at: int, coin: str, px: Decimal, sz: Decimal, buyer: str, seller: str) -> None:
        taker = buyer if buyer != MAKER else seller
        for user, side in ((buyer, "B"), (seller, "A")):
            signed = sz if side == "B" else -sz
            held = self._held.get((user, coin), D(0))
            cost = self._cost.get((user, coin), D(0))
            closed = D(0)
            if held * signed < 0:
                part = min(abs(signed), abs(held)) / abs(held)
                closed = ((px * held - cost) * part).quantize(D("1e-12"))
                cost -= cost * part
                if abs(signed) > abs(held):
                    cost = px * (held + signed)
            else:
                cost += px * signed
            self._held[user, coin] = held + signed
            self._cost[user, coin] = cost
            opens = held * signed >= 0
            long = (held or signed) > 0
            self.rows.append(
                {
                    "user": user, "coin": coin, "px": px, "sz": sz, "side": side, "time": at,
                    "start": held, "closed": closed, "fee": px * sz * D("0.00035"),
                    "crossed": user == taker, "n": len(self.rows),
                    "dir": f"{'Open' if opens else 'Close'} {'Long' if long else 'Short'}",
                }
            )  # fmt: skip


def planted_tape() -> Tape:
    """Four days: BTC climbs and ETH falls in steps, somebody trades every half minute, and a
    leader buys BTC and sells ETH for some hours, several times a day."""
    chance, tape = random.Random(5), Tape()
    for day in DAYS:
        for second in range(0, 86_400, 30):
            at = day + second * 1_000
            climb = D(at - START) / DAY_MS
            for coin, px in (("BTC", 60_000 + 600 * climb), ("ETH", 3_000 - 100 * climb)):
                px = (px + chance.randint(-3, 3)).quantize(D(1))
                size = D(chance.randint(1, 40)) / 10
                sides = (OTHER, MAKER) if chance.random() < 0.5 else (MAKER, OTHER)
                tape.trade(at, coin, px, size, *sides)
                hour, rest = divmod(second, 3_600)
                if rest == 600 and hour % 6 == 1:
                    leader = (LEADER, MAKER) if coin == "BTC" else (MAKER, LEADER)
                    tape.trade(at + 5, coin, px, D("2"), *leader)
                if rest == 600 and hour % 6 == 4:
                    leader = (MAKER, LEADER) if coin == "BTC" else (LEADER, MAKER)
                    tape.trade(at + 5, coin, px, D("2"), *leader)
    return tape


def load(vigil: Installation, rows: list[dict[str, Any]], day: int, version: str = "1") -> None:
    """A day of the tape, as a load leaves it, and its round trips."""
    partition = sql.Identifier("fill_days", f"d{day_of(day):%Y%m%d}")
    bounds = {"day": partition, "start": sql.Literal(day), "end": sql.Literal(day + DAY_MS)}
    create = "CREATE TABLE {day} PARTITION OF fills FOR VALUES FROM ({start}) TO ({end})"
    with vigil.warehouse.connect() as connection:
        connection.execute(sql.SQL(create).format(**bounds))
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO fills (user_address, coin, px, sz, side, time, block_number,"
                " event_index, start_position, closed_pnl, fee, fee_token, crossed, dir, oid, tid)"
                " VALUES (%(user)s, %(coin)s, %(px)s, %(sz)s, %(side)s, %(time)s, %(time)s, %(n)s,"
                " %(start)s, %(closed)s, %(fee)s, 'USDC', %(crossed)s, %(dir)s, %(n)s, %(n)s)",
                [row for row in rows if day <= row["time"] < day + DAY_MS],
            )
        connection.execute(
            "INSERT INTO day_state (day, source, content_version, generation, row_count,"
            " repeated_count, missing_hours, loaded_at)"
            " VALUES (%s, 'test', %s, nextval('generation'), 0, 0, '{}', now())",
            [day, version],
        )
    vigil.warehouse.build_day("round_trips", day_of(day))


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("backtests")
    (folder / "raw").mkdir()
    with installed(folder, folder / "raw", module_patch) as installation:
        rows = planted_tape().rows
        for day in DAYS:
            load(installation, rows, day)
        yield installation


@pytest.fixture
def backtests(vigil: Installation) -> Backtests:
    with vigil.warehouse.connect() as connection:
        connection.execute("TRUNCATE backtests, account_balances, balance_collapses, trader_labels")
    return open_backtests(vigil.settings)


def asked(**changes: Any) -> dict[str, Any]:
    return {
        "traders": [LEADER], "start": str(FIRST), "end": str(FIRST + timedelta(days=3)),
        "base_size_usd": 1_000, "require_confidence": False, "require_leverage": False,
        "settings": {"min_confidence": 0}, "lag_s": 40, "wait_s": 600, **changes,
    }  # fmt: skip


def done(backtests: Backtests, request: dict[str, Any]) -> dict[str, Any]:
    number = backtests.submit(request, "a test")
    backtests.run_queued([number])
    found = backtests.get(number)
    assert found.status == "done", found.error
    result: dict[str, Any] = json.loads(found.result or "")
    return result


BACKTEST_CASES = [
    case
    for case in metric_vectors("copy_filter_backtest")
    if "trades" in case.values[0]["inputs"]  # type: ignore[index,call-overload]
]


@pytest.mark.parametrize("case", BACKTEST_CASES)
def test_shared_vector_as_it_is_written(backtests: Backtests, case: dict[str, Any]) -> None:
    result, expected = done(backtests, case["inputs"]), case["expected"]
    for name in ("roi", "max_drawdown", "sharpe_ratio", "win_rate"):
        wanted = expected[name]
        assert result[name] == (None if wanted is None else pytest.approx(wanted, abs=1e-9)), name
        if wanted is None:
            assert result[f"{name}_reason"] == case["null_reasons"][name]
    assert float(result["final_value_usd"]) == pytest.approx(expected["final_value_usd"], abs=1e-9)
    assert (result["trade_count"], result["rejected"]) == (
        expected["trade_count"], expected["rejected"],
    )  # fmt: skip
    for trade in expected.get("trades_pnl", []):
        [found] = [t for t in result["trades"] if t["id"] == str(trade["id"])]
        assert float(found["pnl_usd"]) == pytest.approx(trade["pnl_usd"], abs=1e-9)
    curve = {point["date"]: float(point["equity_usd"]) for point in result["equity_curve"]}
    for point in expected.get("equity_curve", []):
        assert curve[point["date"]] == pytest.approx(point["equity_usd"], abs=1e-9)


def test_bridge_leads_from_the_leaders_result_to_ours(
    vigil: Installation, backtests: Backtests
) -> None:
    result = done(backtests, asked())
    [trader] = result["traders"]
    steps = {step["step"]: D(step["usd"]) for step in trader["bridge"]}
    assert tuple(steps) == STEPS
    end = DAYS[3]
    [his] = vigil.records(
        "SELECT sum(closed_pnl - fee) AS net, sum(fee) AS fees FROM fills"
        f" WHERE user_address = '{LEADER}' AND time < {end}"
    )
    # He is flat at each midnight: what he realized is all there is.
    assert abs(steps["leader_net_ex_funding"] - his["net"]) < D("0.000001")
    assert steps["leader_fees"] == his["fees"]
    assert steps["held_before_or_transferred"] == steps["not_copied"] == 0
    # Each intent is one row here, and was closed by one.
    assert abs(steps["first_price"]) < D("0.000001")
    assert sum(steps.values()) == D(trader["our_net_usd"])
    assert abs(D(result["pnl_usd"]) - sum(steps.values())) < D("0.000001")
    assert result["trade_count"] == 24
    assert steps["lag"] != 0
    assert steps["slippage"] != 0
    assert steps["fees"] < 0
    for trade in result["trades"]:
        parts = [D(trade[f"{name}_usd"]) for name in ("gross_at_leader", "lag", "slippage", "fees")]
        # Positions of three hours pass funding hours without a rate.
        assert trade["funding_usd"] is None
        with exact():
            assert D(trade["pnl_usd"]) == parts[0] - parts[1] - parts[2] - parts[3]
    assert result["funding_unknown_count"] == 24


def test_what_somebody_runs_is_not_for_others(vigil: Installation, backtests: Backtests) -> None:
    number = backtests.submit(asked(), "me")
    seen: list[tuple[list[int], list[int]]] = []

    def report(*_: object) -> None:
        if not seen:
            other = open_backtests(vigil.settings)
            seen.append((other.claimable(), other.run_queued()))

    assert backtests.run_queued(report=report) == [number]
    assert seen == [([], [])]


def test_fixed_slippage_leaves_no_lag(backtests: Backtests) -> None:
    result = done(backtests, asked(slippage={"model": "fixed", "bps": 5}))
    assert D(result["costs"]["lag_usd"]) == 0
    for trade in result["trades"]:
        # A long of 1,000 USD, at 5 bps on either side.
        assert float(trade["slippage_usd"]) == pytest.approx(1.0, rel=0.02)
    assert result["equity_basis"] == "marked"


def test_btc_is_held_beside(backtests: Backtests) -> None:
    curve = done(backtests, asked())["equity_curve"]
    assert [point["date"] for point in curve] == [
        str(FIRST + timedelta(days=n)) for n in range(-1, 3)
    ]
    assert curve[0]["btc_usd"] == "10000"
    assert float(curve[-1]["btc_usd"]) == pytest.approx(10_000 * 61_800 / 60_000, rel=1e-3)


def test_same_request_is_the_same_row_and_another_is_not(backtests: Backtests) -> None:
    first = backtests.submit(asked(), "one")
    assert backtests.submit(asked(base_size_usd="1000.00"), "another") == first
    backtests.run_queued()
    assert backtests.submit(asked(), "one") == first
    other = backtests.submit(asked(fee_bps=9), "one")
    assert other != first
    backtests.run_queued([other])
    dearer, cheaper = backtests.get(other), backtests.get(first)
    fees = [D((found.summary or {})["costs"]["fees_usd"]) for found in (dearer, cheaper)]
    with exact():
        assert fees[0] == 2 * fees[1] > 0
    assert [found.backtest_id for found in backtests.newest()] == [other, first]
    assert backtests.newest(before=other)[0].result is None


def test_same_inputs_give_the_same_bytes_and_new_ones_a_new_row(
    vigil: Installation, backtests: Backtests
) -> None:
    first = backtests.submit(asked(), "me")
    backtests.run_queued()
    text = backtests.get(first).result
    with vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM backtests")
    again = backtests.submit(asked(), "me")
    backtests.run_queued()
    assert backtests.get(again).result == text
    with vigil.warehouse.connect() as connection:
        connection.execute("UPDATE day_state SET content_version = '2' WHERE day = %s", [DAYS[1]])
    try:
        assert backtests.submit(asked(), "me") != again
    finally:
        with vigil.warehouse.connect() as connection:
            connection.execute("UPDATE day_state SET content_version = '1'")


def test_days_after_the_window_change_nothing_in_it(backtests: Backtests) -> None:
    two = done(backtests, asked(end=str(FIRST + timedelta(days=2))))
    three = done(backtests, asked())
    assert three["equity_curve"][:3] == two["equity_curve"]
    assert three["trades"][: len(two["trades"])] == two["trades"]


def test_leverage_is_of_the_latest_snapshot_that_was_not_known_to_be_a_fault(
    vigil: Installation, backtests: Backtests
) -> None:
    snapshots = [(START - 2 * HOUR_MS, 1_000, 900), (START + 2 * HOUR_MS, 1_000, 9_000)]
    snapshots += [(START + 8 * HOUR_MS, 10, 900)]
    with vigil.warehouse.connect() as connection:
        for at, value, notional in snapshots:
            connection.execute(
                "INSERT INTO account_balances (day, address, recorded_at, account_value,"
                " total_ntl_pos) VALUES (0, %s, %s, %s, %s)",
                [LEADER, at, value, notional],
            )
        columns = [
            name
            for (name,) in connection.execute(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_name = 'balance_collapses' AND is_nullable = 'NO'"
            )
        ]
        known = {"address": LEADER, "recorded_at": START + 8 * HOUR_MS}
        known |= {"known_at": START + 9 * HOUR_MS}
        values = [known.get(name, 0) for name in columns]
        connection.execute(
            sql.SQL("INSERT INTO balance_collapses ({}) VALUES ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join(map(sql.Literal, values)),
            )
        )
    result = done(backtests, asked(require_leverage=True))
    # 01:10: 0.9 x. 07:10, 13:10 and 19:10: 9 x, for the fall of 08:00 was known by then. So the
    # next day, until the snapshot is 36 hours old; then nothing is known.
    assert result["trades"][0]["leader_entry_at"] // HOUR_MS == START // HOUR_MS + 1
    assert result["rejected"] == {"leverage_above_maximum": 12, "leverage_missing": 10}
    assert result["trade_count"] == 2


def test_funding_is_the_settled_rate_times_the_last_close(
    vigil: Installation, backtests: Backtests
) -> None:
    with vigil.warehouse.connect() as connection:
        for hour in range(START, START + DAY_MS, HOUR_MS):
            for coin, rate in (("BTC", "0.0001"), ("ETH", "-0.0002")):
                connection.execute(
                    "INSERT INTO funding_history (day, coin, time, rate, source)"
                    " VALUES (0, %s, %s, %s, 'test')",
                    [coin, hour + 7, rate],
                )
                connection.execute(
                    "INSERT INTO candles (day, coin, interval, open_time, open, high, low, close,"
                    " volume, trades, filled, source)"
                    " VALUES (0, %s, '5m', %s, 1, 1, 1, 1000, 0, 0, false, 'fills')",
                    [coin, hour - 300_000],
                )
    try:
        result = done(backtests, asked(end=str(FIRST + timedelta(days=1))))
    finally:
        with vigil.warehouse.connect() as connection:
            connection.execute("TRUNCATE funding_history, candles")
    assert result["funding_unknown_count"] == 0
    for trade in result["trades"]:
        # From ten past one to ten past four: three hours. The long of BTC pays; so does the short
        # of ETH, whose rate is negative.
        paid = 3 * {"BTC": D("0.1"), "ETH": D("0.2")}[trade["token"]]
        with exact():
            assert D(trade["funding_usd"]) == -paid * D(trade["quantity"])


def test_confidence_is_of_what_was_closed_before(backtests: Backtests) -> None:
    result = done(backtests, asked(require_confidence=True, settings={"min_confidence": "0.6"}))
    # The tenth close comes on the second day; from 10 of 10 on the bound is above 0.7.
    assert result["rejected"] == {"confidence_missing": 10}
    assert result["trade_count"] == 14


def test_universe_is_of_the_label_as_it_stood_at_the_start(
    vigil: Installation, backtests: Backtests
) -> None:
    universe = asked(universe={"label": "SMART", "rule_set": "r"}, start=str(FIRST + timedelta(1)))
    del universe["traders"]
    number = backtests.submit(universe, "me")
    backtests.run_queued()
    assert "trader_labels" in (backtests.get(number).error or "")
    with vigil.warehouse.connect() as connection:
        connection.execute("INSERT INTO label_state VALUES (%s, 'x', 0)", [DAYS[0]])
        for address, since, until in (
            (LEADER, DAYS[1], DAYS[2]), (OTHER, DAYS[2], None), (MAKER, DAYS[0], DAYS[1]),
        ):  # fmt: skip
            connection.execute(
                "INSERT INTO trader_labels VALUES (%s, 'r', %s, %s, 'SMART', '', '{}')",
                [address, since, until],
            )
    result = done(backtests, universe)
    assert result["universe"] == [LEADER]
    assert result["trade_count"] > 0


def test_what_cannot_be_run_says_why(backtests: Backtests) -> None:
    number = backtests.submit(asked(end=str(FIRST + timedelta(days=9))), "me")
    assert backtests.run_queued() == [number]
    found = backtests.get(number)
    assert (found.status, found.result) == ("failed", None)
    assert "2025-09-05" in (found.error or "")
    # Somebody asks again, now that the day may be there.
    assert backtests.submit(asked(end=str(FIRST + timedelta(days=9))), "me") != number
    with pytest.raises(BacktestMissing, match="4711"):
        backtests.get(4711)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"traders": ["0x12"]}, "traders"),
        ({"traders": []}, "traders"),
        ({"universe": {"label": "a", "rule_set": "b"}}, "traders"),
        ({"start": "yesterday"}, "start"),
        ({"end": str(FIRST)}, "end"),
        ({"fee_bps": "NaN"}, "fee_bps"),
        ({"fee_bps": "1e999999"}, "fee_bps"),
        ({"base_size_usd": 0}, "base_size_usd"),
        ({"settings": {"position_multiplier": 3}}, "position_multiplier"),
        ({"settings": {"stop_loss": 3}}, "settings.stop_loss"),
        ({"require_confidence": "no"}, "require_confidence"),
        ({"slippage": {"model": "fixed"}}, "slippage"),
        ({"colour": 1}, "colour"),
        ({"traders": None, "trades": []}, "slippage"),
    ],
)
def test_request_that_is_wrong_names_its_field(
    backtests: Backtests, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidBacktest) as raised:
        backtests.submit(asked(**changes), "me")
    assert raised.value.field == field
    assert backtests.newest() == []


def test_several_workers_run_each_backtest_once(vigil: Installation, backtests: Backtests) -> None:
    numbers = [backtests.submit(asked(fee_bps=n), "me") for n in range(6)]
    ran: list[int] = []
    workers = [
        threading.Thread(target=lambda: ran.extend(open_backtests(vigil.settings).run_queued()))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(ran) == numbers
    assert {found.status for found in backtests.newest()} == {"done"}


KILLED = """
import os, signal
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_backtests

def report(number, fraction, line):
    if fraction > 0.5:
        os.kill(os.getpid(), signal.SIGKILL)

open_backtests(Settings.from_environment()).run_queued(report=report)
"""


def test_killed_worker_leaves_its_backtest_to_the_next(
    vigil: Installation, backtests: Backtests
) -> None:
    wanted = done(backtests, asked())
    with vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM backtests")
    number = backtests.submit(asked(), "me")
    worker = subprocess.run([sys.executable, "-c", KILLED], check=False, timeout=60)
    assert worker.returncode == -9
    assert backtests.get(number).status == "running"
    assert backtests.claimable() == [number]
    assert backtests.run_queued() == [number]
    assert backtests.claimable() == []
    assert json.loads(backtests.get(number).result or "") == wanted
