"""Paper trading on a tape of a few prints, where every figure can be worked out by hand."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal
from psycopg.types.json import Jsonb

from tests.conftest import Installation, installed
from tests.resources.desk import ADDRESS, add_trader, change_trader, insert
from vigil_core.calendar import DAY_MS, day_of
from vigil_core.errors import NotLoaded
from vigil_resources.desk.alerts import Alerts
from vigil_resources.desk.paper import PaperTrading

START = 1_757_289_600_000
FIRST = day_of(START)
OTHER = "0x" + "cd" * 20
HOUR = 3_600_000
POOR = "insufficient_capital"

DESK = ("signals", "copies", "copy_fills", "trader_performance", "trader_risk", "paper_accounts")


class Tape:
    """Writes fills, and what else an account is made of."""

    def __init__(self, vigil: Installation) -> None:
        self.vigil = vigil
        self._number = 0
        self._position: dict[str, Decimal] = {}

    def _fill(
        self, at: int, user: str, coin: str, side: str, px: str, sz: str, **more: Any
    ) -> None:
        self._number += 1
        with self.vigil.warehouse.connect() as connection:
            insert(
                connection, "fills", time=at, user_address=user, coin=coin, side=side,
                px=Decimal(px), sz=Decimal(sz), block_number=self._number, event_index=0,
                oid=more.pop("oid", self._number), tid=self._number, crossed=True,
                dir=more.pop("dir", "Open Long"), **more,
            )  # fmt: skip

    def leader(self, at: int, side: str, px: str, sz: str, coin: str = "BTC", **more: Any) -> None:
        start = self._position.get(coin, Decimal(0))
        self._position[coin] = start + (Decimal(sz) if side == "B" else -Decimal(sz))
        self._fill(at, ADDRESS, coin, side, px, sz, start_position=start, **more)

    def print(self, at: int, side: str, px: str, sz: str = "1000", coin: str = "BTC") -> None:
        self._fill(at, OTHER, coin, side, px, sz)

    def load(self, day: date, version: str = "1") -> None:
        at = (day - FIRST).days * DAY_MS + START
        with self.vigil.warehouse.connect() as connection:
            connection.execute("DELETE FROM day_state WHERE day = %s", [at])
            insert(
                connection, "day_state", day=at, source="test", content_version=version,
                generation=1, row_count=0, repeated_count=0, missing_hours=[], loaded_at="now",
            )  # fmt: skip

    def record(self, wins: int, losses: int, before: int = START) -> None:
        """The leader's round trips, closed an hour before."""
        with self.vigil.warehouse.connect() as connection:
            for n in range(wins + losses):
                insert(
                    connection, "round_trips", day=before - DAY_MS, user_address=ADDRESS,
                    coin="BTC", seq=n, direction="long", opened_at=before - 2 * HOUR,
                    closed_at=before - HOUR, hold_ms=HOUR, fill_count=2, peak_size=1, entry_size=1,
                    entry_notional=1, exit_size=1, exit_notional=1, unpriced_fills=0, size_ms=1,
                    is_liquidated=False, net_pnl=1 if n < wins else -1,
                )  # fmt: skip

    def balance(self, at: int, equity: str, notional: str) -> None:
        with self.vigil.warehouse.connect() as connection:
            insert(
                connection, "account_balances", day=at // DAY_MS * DAY_MS, address=ADDRESS,
                recorded_at=at, account_value=Decimal(equity), total_ntl_pos=Decimal(notional),
            )  # fmt: skip

    def rate(self, at: int, rate: str, coin: str = "BTC") -> None:
        with self.vigil.warehouse.connect() as connection:
            insert(
                connection, "funding_history", day=at // DAY_MS * DAY_MS, coin=coin, time=at + 7,
                rate=Decimal(rate), source="test",
            )  # fmt: skip


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("paper")
    with installed(folder, folder / "raw", module_patch) as vigil:
        with vigil.warehouse.connect() as connection:
            for n in range(4):
                at = START + n * DAY_MS
                connection.execute(
                    SQL("CREATE TABLE {} PARTITION OF fills FOR VALUES FROM ({}) TO ({})").format(
                        Identifier("fill_days", f"d{day_of(at):%Y%m%d}"),
                        Literal(at),
                        Literal(at + DAY_MS),
                    )
                )
        yield vigil


@pytest.fixture
def tape(installation: Installation) -> Tape:
    """With nothing on it but the leader's good name and a balance of 2 x."""
    with installation.warehouse.connect() as connection:
        connection.execute(
            "TRUNCATE traders, desk_state, deliveries, fills, day_state, round_trips,"
            " account_balances, balance_collapses, funding_history RESTART IDENTITY CASCADE"
        )
    made = Tape(installation)
    made.record(wins=20, losses=0)
    made.balance(START, "1000", "2000")
    return made


def follow(tape: Tape, **values: Any) -> int:
    with tape.vigil.warehouse.connect() as connection:
        return add_trader(connection, START, **values)


def contents(vigil: Installation) -> dict[str, str]:
    return {
        name: json.dumps(vigil.records(f"SELECT to_jsonb(t) AS row FROM {name} AS t ORDER BY 1"))
        for name in DESK
    }


def rows(tape: Tape, relation: str, order: str = "1") -> list[dict[str, Any]]:
    return tape.vigil.records(f"SELECT * FROM {relation} ORDER BY {order}")


def round_trip(tape: Tape, at: int = START + HOUR) -> None:
    """In at 100, out in full at 110 an hour later; our orders meet 101 and 109."""
    tape.leader(at, "B", "100", "5")
    tape.print(at + 3_000, "B", "101")
    tape.leader(at + HOUR, "A", "110", "5", dir="Close Long")
    tape.print(at + HOUR + 3_000, "A", "109")


def test_costs_of_a_copy_are_kept_apart_and_add_up(tape: Tape) -> None:
    follow(tape)
    round_trip(tape)
    tape.rate(START + 2 * HOUR, "0.0001")
    tape.load(FIRST)

    built = PaperTrading(tape.vigil.warehouse).build(FIRST)

    assert built == {"paper_trades": 3, "trader_performance": 1, "trader_risk": 1}
    opened, closed = rows(tape, "signals", "leader_time")
    assert (opened["action"], opened["outcome"], opened["size_usd"]) == ("open", "paper", 200)
    assert (opened["leverage"], opened["settings_version"]) == (2, 1)
    assert opened["confidence"] == pytest.approx(0.8388, abs=1e-3)
    assert opened["evidence"]["confidence_basis"] == "wilson_win_rate"
    assert (closed["action"], closed["outcome"]) == ("close", "followed")
    assert closed["reduced_share"] == 1
    [copy] = rows(tape, "copies")
    quantity = (Decimal(200) / 101).quantize(Decimal(1).scaleb(-18))
    assert copy["copy_id"] == copy["signal_id"] == opened["signal_id"]
    assert copy["quantity"] == quantity
    assert copy["open_quantity"] == 0
    assert (copy["submitted_at"], copy["opened_at"]) == (START + HOUR + 2000, START + HOUR + 3000)
    assert (copy["leader_entry_px"], copy["leader_exit_px"]) == (100, 110)
    assert (copy["entry_px"], copy["exit_px"]) == (101, 109)
    assert copy["gross_at_leader_usd"] == quantity * 10
    # Nothing was printed between his fill and our order: all of it is slippage.
    assert copy["lag_usd"] == 0
    assert copy["slippage_usd"] == quantity * 2
    assert copy["fees_usd"] == quantity * 210 * Decimal("0.00045")
    assert copy["funding_usd"] == -quantity * 101 * Decimal("0.0001")
    assert copy["net_pnl_usd"] == (
        copy["gross_at_leader_usd"] - copy["lag_usd"] - copy["slippage_usd"] - copy["fees_usd"]
        + copy["funding_usd"]
    )  # fmt: skip
    fills = rows(tape, "copy_fills", "n")
    assert [(f["side"], f["px"], f["signal_id"]) for f in fills] == [
        ("buy", 101, opened["signal_id"]),
        ("sell", 109, closed["signal_id"]),
    ]
    [day] = rows(tape, "trader_performance")
    assert day["equity_usd"] == 10_000 + copy["net_pnl_usd"]
    assert (day["signals_count"], day["trades_executed"], day["win_count"]) == (1, 1, 1)
    assert (day["pnl"], day["leverage_avg"]) == (copy["net_pnl_usd"], 2)
    assert (day["fees_usd"], day["funding_usd"]) == (copy["fees_usd"], copy["funding_usd"])
    [risk] = rows(tape, "trader_risk")
    assert (risk["win_rate"], risk["decided_trades"], risk["consecutive_losses"]) == (1, 1, 0)
    assert (risk["current_drawdown"], risk["open_notional_usd"]) == (0, 0)


def test_open_copies_are_marked_and_go_on_the_next_day(tape: Tape) -> None:
    follow(tape)
    at = START + 23 * HOUR
    tape.leader(at, "B", "100", "4")
    tape.print(at + 3_000, "B", "100")
    tape.print(at + 1_800_000, "A", "90")
    tape.leader(at + 2 * HOUR, "A", "95", "1", dir="Close Long")
    tape.print(at + 2 * HOUR + 5_000, "A", "94")
    for n in range(3):
        tape.load(FIRST + timedelta(days=n))
    paper = PaperTrading(tape.vigil.warehouse)
    for n in range(3):
        paper.build(FIRST + timedelta(days=n))

    [copy] = rows(tape, "copies")
    fee = Decimal("0.00045")
    days = rows(tape, "trader_performance", "date")
    assert [day["unrealized_usd"] for day in days] == [-20, -9, -9]
    assert days[0]["equity_usd"] == 10_000 - 20 - 200 * fee
    # A quarter at 94; the rest is marked at the last price, a quiet day later, too.
    booked = Decimal("0.5") * 94 * fee + 200 * fee
    assert days[1]["equity_usd"] == 10_000 - 3 - 9 - booked
    assert days[2]["equity_usd"] == days[1]["equity_usd"]
    assert (copy["open_quantity"], copy["closed_at"], copy["net_pnl_usd"]) == (
        Decimal("1.5"),
        None,
        None,
    )
    assert copy["funding_usd"] is None  # no rate is there
    assert [day["funding_usd"] for day in days] == [0, None, None]  # none was due on the first
    assert [day["signals_count"] for day in days] == [1, 0, 0]
    risk = rows(tape, "trader_risk", "date")
    assert risk[0]["current_drawdown"] == pytest.approx(float(days[0]["equity_usd"]) / 10_000 - 1)


@pytest.mark.parametrize(
    ("settings", "outcome"),
    [
        ({"active": False}, "trader_inactive"),
        ({"token_blacklist": ["btc"]}, "token_blacklisted"),
        ({"token_whitelist": ["ETH"]}, "token_not_in_whitelist"),
        ({"min_confidence": Decimal("0.84")}, "confidence_below_minimum"),
        ({"max_leverage": Decimal("1.5")}, "leverage_above_maximum"),
        ({"paper_capital_usd": 100, "max_leverage": 2, "base_size_usd": 201}, POOR),
    ],
)  # fmt: skip
def test_rejected_signals_are_kept_with_their_reason(
    settings: dict[str, Any], outcome: str, tape: Tape
) -> None:
    follow(tape, **settings)
    round_trip(tape)
    tape.load(FIRST)
    PaperTrading(tape.vigil.warehouse).build(FIRST)

    assert [row["outcome"] for row in rows(tape, "signals", "leader_time")] == [
        outcome,
        "nothing_open",
    ]
    assert rows(tape, "copies") == []
    [day] = rows(tape, "trader_performance")
    assert day["equity_usd"] == (100 if outcome == POOR else 10_000)


def test_what_is_not_known_of_the_leader_is_a_rejection(tape: Tape) -> None:
    follow(tape)
    with tape.vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM round_trips WHERE seq >= 9")
    tape.leader(START + HOUR, "B", "100", "5")
    tape.load(FIRST)
    paper = PaperTrading(tape.vigil.warehouse)
    paper.build(FIRST)
    assert [row["outcome"] for row in rows(tape, "signals")] == ["confidence_missing"]

    tape.record(wins=20, losses=0, before=START - DAY_MS)
    with tape.vigil.warehouse.connect() as connection:
        connection.execute("UPDATE account_balances SET recorded_at = %s", [START - 36 * HOUR])
    paper.build(FIRST)
    assert [row["outcome"] for row in rows(tape, "signals")] == ["leverage_missing"]


def test_no_print_in_time_is_no_liquidity_and_over_midnight_it_is_pending(tape: Tape) -> None:
    follow(tape)
    tape.leader(START + HOUR, "B", "100", "5")
    tape.leader(START + 2 * HOUR, "A", "100", "5", dir="Close Long")
    tape.leader(START + DAY_MS - 1_000, "B", "100", "5")
    tape.print(START + DAY_MS + 5_000, "B", "100")
    for n in range(2):
        tape.load(FIRST + timedelta(days=n))
    paper = PaperTrading(tape.vigil.warehouse)
    paper.build(FIRST)
    first = [row["outcome"] for row in rows(tape, "signals", "leader_time")]
    paper.build(FIRST + timedelta(days=1))
    second = [row["outcome"] for row in rows(tape, "signals", "leader_time")]
    paper.build(FIRST)

    assert first == ["no_liquidity", "nothing_open", "pending"]
    assert second == ["no_liquidity", "nothing_open", "paper"]
    assert [row["outcome"] for row in rows(tape, "signals", "leader_time")] == first
    assert rows(tape, "copies") == []


def test_settings_hold_from_their_time_on_and_not_before(tape: Tape) -> None:
    trader = follow(tape)
    for n in range(3):
        round_trip(tape, START + n * DAY_MS + HOUR)
        tape.balance(START + n * DAY_MS + 1, "1000", "2000")
        tape.load(FIRST + timedelta(days=n))
    with tape.vigil.warehouse.connect() as connection:
        change_trader(connection, trader, START + DAY_MS, position_multiplier=2)
        change_trader(
            connection, trader, START + 2 * DAY_MS + HOUR, position_multiplier=Decimal("1.5")
        )
    paper = PaperTrading(tape.vigil.warehouse)
    for n in range(3):
        paper.build(FIRST + timedelta(days=n))
    found = [
        (row["settings_version"], row["size_usd"]) for row in rows(tape, "signals", "leader_time")
    ]
    assert found[::2] == [(1, 200), (2, 400), (3, 300)]


def test_later_version_that_holds_from_earlier_takes_the_others_place(tape: Tape) -> None:
    """Somebody decides by day 3; then an alert of day 2, decided later, pauses from day 2 on."""
    trader = follow(tape)
    for n in range(4):
        round_trip(tape, START + n * DAY_MS + HOUR)
        tape.load(FIRST + timedelta(days=n))
    with tape.vigil.warehouse.connect() as connection:
        change_trader(connection, trader, START + 3 * DAY_MS, position_multiplier=2)
        change_trader(connection, trader, START + 2 * DAY_MS, active=False)
    paper = PaperTrading(tape.vigil.warehouse)
    for n in range(4):
        paper.build(FIRST + timedelta(days=n))
    outcomes = [
        row["outcome"] for row in rows(tape, "signals", "leader_time") if row["action"] == "open"
    ]
    assert outcomes == ["paper", "paper", "trader_inactive", "trader_inactive"]


def test_switched_off_it_opens_nothing_and_follows_what_is_open(tape: Tape) -> None:
    trader = follow(tape)
    at = START + HOUR
    tape.leader(at, "B", "100", "4")
    tape.print(at + 3_000, "B", "100")
    tape.leader(at + 2 * HOUR, "B", "100", "4")
    tape.print(at + 2 * HOUR + 3_000, "B", "100")
    tape.leader(at + 3 * HOUR, "A", "120", "8", dir="Close Long")
    tape.print(at + 3 * HOUR + 3_000, "A", "120")
    tape.load(FIRST)
    with tape.vigil.warehouse.connect() as connection:
        change_trader(connection, trader, at + HOUR, active=False)
    PaperTrading(tape.vigil.warehouse).build(FIRST)

    assert [row["outcome"] for row in rows(tape, "signals", "leader_time")] == [
        "paper",
        "trader_inactive",
        "followed",
    ]
    [copy] = rows(tape, "copies")
    assert (copy["exit_px"], copy["closed_at"]) == (120, at + 3 * HOUR + 3_000)


def test_day_built_again_is_the_same_and_so_are_those_after_it(tape: Tape) -> None:
    follow(tape)
    for n in range(3):
        round_trip(tape, START + n * DAY_MS + 22 * HOUR + HOUR // 2)
        tape.leader(START + n * DAY_MS + 3 * HOUR, "B", "50", "1", coin="ETH")
        tape.print(START + n * DAY_MS + 3 * HOUR + 5_000, "B", "51", coin="ETH")
        tape.load(FIRST + timedelta(days=n))
    paper = PaperTrading(tape.vigil.warehouse)
    days = [FIRST + timedelta(days=n) for n in range(3)]
    for day in days:
        paper.build(day)
    before = contents(tape.vigil)
    assert all(paper.is_current(day) for day in days)

    for day in [days[0], *days[1:], days[2], days[1], days[2]]:
        paper.build(day)

    assert contents(tape.vigil) == before
    assert all(paper.is_current(day) for day in days)


def test_killed_before_its_end_a_day_is_as_it_was(
    tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(tape, consecutive_losses_limit=1, pause_automatically=True)
    round_trip(tape)
    for n in range(2):
        tape.load(FIRST + timedelta(days=n))
    paper = PaperTrading(tape.vigil.warehouse)
    paper.build(FIRST)
    before = contents(tape.vigil)

    def killed(*_: Any) -> list[Any]:
        raise psycopg.OperationalError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Alerts, "evaluate_day", killed)
        for day in (FIRST, FIRST + timedelta(days=1)):
            with pytest.raises(psycopg.OperationalError):
                paper.build(day)
    assert contents(tape.vigil) == before
    assert paper.is_current(FIRST)
    assert not paper.is_current(FIRST + timedelta(days=1))


def test_what_a_day_was_made_of_leaves_it_and_later_ones_stale(tape: Tape) -> None:
    trader = follow(tape)
    days = [FIRST + timedelta(days=n) for n in range(3)]
    for day in days:
        tape.load(day)
    paper = PaperTrading(tape.vigil.warehouse)

    def current() -> list[bool]:
        found = [paper.is_current(day) for day in days]
        for day in days:
            paper.build(day)
        return found

    assert current() == [False] * 3
    assert current() == [True] * 3
    tape.load(days[1], version="2")
    assert current() == [True, False, False]
    with tape.vigil.warehouse.connect() as connection:
        change_trader(connection, trader, START + 2 * DAY_MS, note="from the third day on")
    assert current() == [True, True, False]
    with tape.vigil.warehouse.connect() as connection:
        add_trader(connection, START + DAY_MS, number=2, variant=2)
    assert current() == [True, False, False]
    with tape.vigil.warehouse.connect() as connection:
        insert(
            connection, "signals", trader_id=trader, source="api", source_key="1", action="open",
            coin="BTC", side="buy", leader_time=START, received_at=START + 2 * DAY_MS,
            outcome="pending",
        )  # fmt: skip
    assert current() == [True, True, False]
    assert current() == [True] * 3


def test_nobody_followed_costs_nothing_and_leaves_nothing(tape: Tape) -> None:
    paper = PaperTrading(tape.vigil.warehouse)
    assert paper.first_followed() is None
    with pytest.raises(NotLoaded):
        paper.build(FIRST)
    tape.load(FIRST)
    assert paper.is_current(FIRST)
    assert paper.build(FIRST) == {"paper_trades": 0, "trader_performance": 0, "trader_risk": 0}
    assert tape.vigil.records("SELECT * FROM desk_state") == []
    assert paper.is_current(FIRST)
    follow(tape)
    assert paper.first_followed() == START
    assert not paper.is_current(FIRST)


def test_signals_from_outside_take_their_turn_when_they_came(tape: Tape) -> None:
    trader = follow(tape)
    at = START + 5 * HOUR
    with tape.vigil.warehouse.connect() as connection:
        for key, action, came, px in [("1", "open", at, None), ("2", "close", at + HOUR, "130")]:
            insert(
                connection, "signals", trader_id=trader, source="api", source_key=key,
                action=action, coin="BTC", side="buy" if action == "open" else "sell",
                leader_time=START - HOUR, leader_px=px, confidence=0.9, leverage=1.0,
                received_at=came, outcome="pending", evidence=Jsonb({}),
            )  # fmt: skip
    tape.print(at - 1_000, "A", "100")
    tape.print(at + 3_000, "B", "104")
    tape.print(at + HOUR + 3_000, "A", "130")
    tape.load(FIRST)
    paper = PaperTrading(tape.vigil.warehouse)
    paper.build(FIRST)
    before = contents(tape.vigil)

    assert [row["outcome"] for row in rows(tape, "signals", "received_at")] == ["paper", "followed"]
    [copy] = rows(tape, "copies")
    assert (copy["leader_entry_px"], copy["entry_px"], copy["exit_px"]) == (100, 104, 130)
    assert copy["submitted_at"] == at + 2_000
    paper.build(FIRST)
    assert contents(tape.vigil) == before


def test_alert_of_a_day_pauses_the_next(tape: Tape) -> None:
    follow(tape, consecutive_losses_limit=1, pause_automatically=True)
    for n in range(3):
        at = START + n * DAY_MS + HOUR
        tape.leader(at, "B", "100", "5")
        tape.print(at + 3_000, "B", "101")
        tape.leader(at + HOUR, "A", "90", "5", dir="Close Long")
        tape.print(at + HOUR + 3_000, "A", "89")
        tape.load(FIRST + timedelta(days=n))
    paper = PaperTrading(tape.vigil.warehouse)
    days = [FIRST + timedelta(days=n) for n in range(3)]
    for day in days:
        paper.build(day)
    before = contents(tape.vigil)

    outcomes = [
        row["outcome"] for row in rows(tape, "signals", "leader_time") if row["action"] == "open"
    ]
    assert outcomes == ["paper", "trader_inactive", "trader_inactive"]
    [alert] = rows(tape, "alerts")
    assert (alert["as_of"], alert["paused"]) == (START + DAY_MS, True)
    assert [paper.is_current(day) for day in days] == [True] * 3
    for day in days:
        paper.build(day)
    assert contents(tape.vigil) == before
    assert len(rows(tape, "alerts")) == 1


def test_live_ready_traders_give_intents_once_and_they_outlive_their_signal(tape: Tape) -> None:
    trader = follow(tape, state="live_ready", paper_trade_only=False)
    round_trip(tape)
    tape.load(FIRST)
    paper = PaperTrading(tape.vigil.warehouse, channels=["webhook"])
    paper.build(FIRST)
    paper.build(FIRST)

    intents = rows(tape, "intents")
    assert [one["body"]["action"] for one in intents] == ["open", "close"]
    assert intents[0]["body"]["size_usd"] == "200"
    assert len(rows(tape, "deliveries")) == 2
    with tape.vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM fills WHERE user_address = %s", [ADDRESS])
    tape.load(FIRST, version="2")
    paper.build(FIRST)
    assert [row["outcome"] for row in rows(tape, "signals")] == ["withdrawn", "withdrawn"]
    assert rows(tape, "intents") == intents
    assert rows(tape, "copies") == []
    assert trader == intents[0]["trader_id"]


def test_days_built_at_once_wait_for_one_another(tape: Tape) -> None:
    follow(tape)
    round_trip(tape)
    tape.load(FIRST)
    paper = PaperTrading(tape.vigil.warehouse)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(paper.build, [FIRST] * 4))
    assert len(rows(tape, "copies")) == 1
    assert len(rows(tape, "trader_risk")) == 1


def test_archived_traders_account_ends_with_its_last_copy(tape: Tape) -> None:
    trader = follow(tape)
    at = START + HOUR
    tape.leader(at, "B", "100", "5")
    tape.print(at + 3_000, "B", "100")
    tape.leader(at + DAY_MS, "A", "110", "5", dir="Close Long")
    tape.print(at + DAY_MS + 3_000, "A", "110")
    days = [FIRST + timedelta(days=n) for n in range(3)]
    for day in days:
        tape.load(day)
    with tape.vigil.warehouse.connect() as connection:
        change_trader(
            connection, trader, START + DAY_MS, state="archived", active=False, archived_at=1
        )
    paper = PaperTrading(tape.vigil.warehouse)
    for day in days:
        paper.build(day)
    assert [row["date"] for row in rows(tape, "trader_performance", "date")] == days[:2]
    [copy] = rows(tape, "copies")
    assert copy["closed_at"] == at + DAY_MS + 3_000


def message(tape: Tape, trader_id: int, at: int, **levels: Any) -> None:
    """A long from a chat; by its own levels it ends."""
    with tape.vigil.warehouse.connect() as connection:
        insert(
            connection, "signals", trader_id=trader_id, source="telegram", source_key="-1005:7",
            action="open", coin="BTC", side="buy", leader_time=at, leader_px=100, leverage=2,
            confidence=0.9, received_at=at, outcome="pending", evidence=Jsonb(levels),
        )  # fmt: skip


EXITS = (
    "SELECT source_key, action, leader_time, leader_px, outcome FROM signals"
    " WHERE evidence ? 'level' ORDER BY leader_time"
)


@pytest.mark.parametrize("prices", [("111", "119", "121"), ("111", "89", "121"), ("89", "111", "")])
def test_a_message_ends_at_its_own_levels(tape: Tape, prices: tuple[str, ...]) -> None:
    trader_id = follow(tape)
    message(tape, trader_id, START + HOUR, stop="90", targets=["110", "120"])
    tape.print(START + HOUR + 3_000, "B", "100")
    at = [START + n * HOUR for n in (3, 4, 5)]
    for when, px in zip(at, prices, strict=True):
        if px:
            tape.print(when, "A", px)
            tape.print(when + 3_000, "A", px)
    tape.load(FIRST)
    trading = PaperTrading(tape.vigil.warehouse)
    trading.build(FIRST)

    first, half, rest = "-1005:7:target1", ("reduce", "followed"), ("close", "followed")
    wanted = {
        ("111", "119", "121"): [(first, 0, *half), ("-1005:7:target2", 2, *rest)],
        ("111", "89", "121"): [(first, 0, *half), ("-1005:7:stop", 1, *rest)],
        ("89", "111", ""): [("-1005:7:stop", 0, *rest)],
    }[prices]
    found = tape.vigil.records(EXITS)
    assert [tuple(row.values()) for row in found] == [
        (key, action, at[n], Decimal(prices[n]), outcome) for key, n, action, outcome in wanted
    ]
    [copy] = rows(tape, "copies")
    assert copy["open_quantity"] == 0
    assert trading.is_current(FIRST)
    built = contents(tape.vigil)
    trading.build(FIRST)
    assert {name for name, text in contents(tape.vigil).items() if text != built[name]} == set()


def test_levels_are_looked_for_on_later_days_and_not_before_the_message(tape: Tape) -> None:
    trader_id = follow(tape)
    tape.print(START + HOUR - 1, "A", "80")
    message(tape, trader_id, START + HOUR, stop="90")
    tape.print(START + HOUR + 3_000, "B", "100")
    tape.load(FIRST)
    later = START + DAY_MS + HOUR
    tape.print(later, "A", "88")
    tape.print(later + 3_000, "A", "88")
    tape.load(FIRST + timedelta(days=1))
    trading = PaperTrading(tape.vigil.warehouse)
    trading.build(FIRST)
    assert tape.vigil.records(EXITS) == []
    trading.build(FIRST + timedelta(days=1))
    [stop] = tape.vigil.records(EXITS)
    assert (stop["leader_time"], stop["outcome"]) == (later, "followed")
