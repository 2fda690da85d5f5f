"""The live tail against the simulated exchange: what comes, what breaks, what is missing."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Installation, installed
from tests.resources.live import (
    FAST,
    Truth,
    eventually,
    keys_of,
    listening,
    streams_of,
)
from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms
from vigil_core.live.messages import Kind, Stream
from vigil_resources.exchange import api as exchange_api
from vigil_resources.live.store import LiveStore, SomebodyListens
from vigil_resources.live.tail import LiveTail
from vigil_sandbox.info_server import Fault, InfoServer, Manners
from vigil_sandbox.stream_server import StreamFault, StreamManners, StreamServer
from vigil_sandbox.world import TINY, write_world

EASY = Manners(weight_per_window=1_000_000)
"""Whose audits come every half second would soon have no weight left."""
START = day_start_ms(TINY.first_day)
END = START + 2 * DAY_MS
STEP_MS = 5 * 60_000
COINS = ("SOL", "HYPE", "BTC")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    write_world(TINY, root)
    return root


@pytest.fixture(scope="module")
def truth(world: Path) -> Truth:
    return Truth(world)


@pytest.fixture(scope="module")
def accounts(truth: Truth) -> list[str]:
    return truth.busiest(10)


@pytest.fixture(scope="module")
def vigil_of_all(
    tmp_path_factory: pytest.TempPathFactory, world: Path, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("live"), world, module_patch) as installation:
        yield installation


@pytest.fixture
def vigil(vigil_of_all: Installation) -> Installation:
    """Without anything streamed so far."""
    tables = (
        "live_fills, live_trades, live_streams, live_sessions, live_gaps, live_conflicts, "
        "live_quarantine, live_days, live_confirmations"
    )
    with vigil_of_all.warehouse.connect() as connection:
        connection.execute(f"TRUNCATE {tables}")  # type: ignore[arg-type]
    return vigil_of_all


def count(vigil: Installation, relation: str, where: str = "true") -> int:
    [row] = vigil.records(f"SELECT count(*) AS n FROM {relation} WHERE {where}")
    return int(row["n"])


def test_everything_that_is_streamed_is_kept_once(
    vigil: Installation, world: Path, truth: Truth, accounts: list[str], tmp_path: Path
) -> None:
    wanted = streams_of(accounts, COINS)
    with (
        StreamServer(world) as server,
        listening(vigil.warehouse, server.url, lambda: wanted, None, tmp_path),
    ):
        server.wait_for(len(wanted))
        server.play(END)
        fills, trades = truth.fills(accounts, START, END), truth.trades(COINS, START, END)
        eventually(lambda: count(vigil, "live_fills") == len(fills))
        eventually(lambda: count(vigil, "live_trades") == len(trades))

    assert set(keys_of(vigil, "live_fills")) == fills
    assert {row["twap_id"] is None for row in vigil.records("SELECT twap_id FROM live_fills")} == {
        True,
        False,
    }
    found = vigil.records("SELECT coin, time, tid FROM live_trades")
    assert {tuple(row.values()) for row in found} == trades
    assert count(vigil, "live_gaps") == count(vigil, "live_quarantine") == 0
    [days] = vigil.records("SELECT sum(row_count) AS n FROM live_days")
    assert days["n"] == len(fills) + len(trades)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_faults_of_every_kind_lose_no_fill_and_double_none(
    vigil: Installation,
    world: Path,
    truth: Truth,
    accounts: list[str],
    tmp_path: Path,
    seed: int,
) -> None:
    wanted = streams_of(accounts, COINS)
    with (
        StreamServer(world, StreamManners(snapshot_rows=25)) as server,
        InfoServer(server.answers, EASY) as info,
        listening(vigil.warehouse, server.url, lambda: wanted, info.url, tmp_path) as reported,
    ):
        server.wait_for(len(wanted))
        server.spoil(0.12, seed, StreamFault)
        # In small steps: to a slow client that comes back, nothing is said that could be spoiled.
        for until in range(START + STEP_MS, END + STEP_MS, STEP_MS):
            server.play(until)
            server.wait_for(len(wanted))
        expected = truth.fills(accounts, START, END)
        # What the stream left out silently comes with the next audit.
        eventually(lambda: set(keys_of(vigil, "live_fills")) == expected)
        eventually(lambda: count(vigil, "live_gaps", "NOT is_lost AND closed_at IS NULL") == 0)

    assert min(server.faults[kind] for kind in StreamFault) > 0, server.faults
    assert len(keys_of(vigil, "live_fills")) == len(expected)
    reasons = {row["reason"] for row in vigil.records("SELECT DISTINCT reason FROM live_gaps")}
    assert reasons >= {"disconnected", "silent"}, reported
    # Nobody has the trades that were lost: each lies in a gap that says so.
    lost = truth.trades(COINS, START, END) - {
        tuple(row.values()) for row in vigil.records("SELECT coin, time, tid FROM live_trades")
    }
    assert lost
    assert count(vigil, "live_gaps", "kind = 'trades' AND is_lost") > 0
    reasons = {row["reason"] for row in vigil.records("SELECT reason FROM live_quarantine")}
    assert any(reason.startswith("channel: unknown") for reason in reasons)
    assert any("decimal text" in reason for reason in reasons)
    assert any(reason.startswith("message:") for reason in reasons)
    assert (
        count(vigil, "live_conflicts", "columns = '{px}'")
        >= server.faults[StreamFault.CONFLICT] - server.faults[StreamFault.DISCONNECT]
    )


def test_hole_is_closed_by_the_info_api_as_far_as_it_reaches(
    vigil: Installation,
    world: Path,
    truth: Truth,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So few that a small world has more of them.
    monkeypatch.setattr(exchange_api, "_FILLS_KEPT", 60)
    morning, evening = START + 6 * HOUR_MS, START + 36 * HOUR_MS
    [busy] = truth.busiest(1, start=START, end=evening)
    quiet = truth.busiest(12)[-1]
    wanted = streams_of([busy, quiet], ())
    manners = Manners(fills_kept=60, fills_page=20)
    with (
        StreamServer(world, StreamManners(snapshot_rows=5)) as server,
        InfoServer(server.answers, manners) as info,
    ):
        with listening(vigil.warehouse, server.url, lambda: wanted, info.url, tmp_path):
            server.wait_for(len(wanted))
            server.play(morning)
            before = truth.fills([busy, quiet], START, morning)
            eventually(lambda: set(keys_of(vigil, "live_fills")) == before)
        server.play(evening)
        with listening(vigil.warehouse, server.url, lambda: wanted, info.url, tmp_path):
            eventually(lambda: count(vigil, "live_gaps", "is_lost OR closed_at > 0") == 2)

    gaps = {row["subject"]: row for row in vigil.records("SELECT * FROM live_gaps")}
    assert gaps[quiet]["closed_by"] == "api"
    assert set(keys_of(vigil, "live_fills", f"user_address = '{quiet}'")) == truth.fills(
        [quiet], START, evening
    )
    lost = gaps[busy]
    assert (lost["is_lost"], lost["reason"], lost["closed_at"]) == (True, "beyond_api", None)
    found = set(keys_of(vigil, "live_fills", f"user_address = '{busy}'"))
    missing = truth.fills([busy], START, evening) - found
    assert missing
    assert all(lost["from_time"] <= key[0] < lost["until_time"] for key in missing)


def test_gap_stays_open_while_the_info_api_fails_and_is_closed_later(
    vigil: Installation, world: Path, truth: Truth, tmp_path: Path
) -> None:
    [busy] = truth.busiest(1)
    wanted = {Stream(Kind.FILLS, busy)}
    noon = START + 12 * HOUR_MS
    with (
        StreamServer(world, StreamManners(snapshot_rows=5)) as server,
        InfoServer(server.answers, EASY) as info,
    ):
        with listening(vigil.warehouse, server.url, lambda: wanted, info.url, tmp_path):
            server.wait_for(1)
            server.play(START + 6 * HOUR_MS)
            eventually(lambda: count(vigil, "live_fills") > 0)
        server.play(noon)
        # Refused for good, so that nobody waits for the next attempt.
        info.spoil(1.0, 1, [Fault.NULL])
        with listening(vigil.warehouse, server.url, lambda: wanted, info.url, tmp_path):
            eventually(lambda: count(vigil, "live_gaps", "detail LIKE '%attempts%'") == 1)
            assert count(vigil, "live_gaps", "closed_at IS NULL AND NOT is_lost") == 1
            info.spoil(0, 1, [])
            eventually(lambda: count(vigil, "live_gaps", "closed_by = 'api'") == 1)
    expected = truth.fills([busy], START, noon)
    assert set(keys_of(vigil, "live_fills")) == expected


def test_silent_connection_is_given_up(
    vigil: Installation, world: Path, accounts: list[str], tmp_path: Path
) -> None:
    wanted = streams_of(accounts[:1], ())
    pace = replace(FAST, silence_s=0.6)
    with (
        StreamServer(world) as server,
        listening(vigil.warehouse, server.url, lambda: wanted, None, tmp_path, pace),
    ):
        server.wait_for(len(wanted))
        # Pings are answered in time.
        time.sleep(1.0)
        assert server.connections == 1
        server.pong_delay_s = 3.0
        eventually(lambda: server.connections > 1)


def test_exchange_ends_an_idle_connection_unless_it_is_pinged(
    vigil: Installation, world: Path, accounts: list[str], tmp_path: Path
) -> None:
    wanted = streams_of(accounts[:1], ())
    with (
        StreamServer(world, StreamManners(idle_s=0.8)) as server,
        listening(vigil.warehouse, server.url, lambda: wanted, None, tmp_path),
    ):
        server.wait_for(len(wanted))
        time.sleep(1.6)
        assert server.connections == 1


def test_change_of_the_watchlist_needs_no_new_connection(
    vigil: Installation, world: Path, truth: Truth, accounts: list[str], tmp_path: Path
) -> None:
    first, second = streams_of(accounts[:1], ("SOL",)), streams_of(accounts[1:2], ("SOL",))
    wanted = [first]
    noon = START + 12 * HOUR_MS
    with (
        StreamServer(world) as server,
        listening(vigil.warehouse, server.url, lambda: wanted[0], None, tmp_path),
    ):
        server.wait_for(3)
        server.play(noon)
        eventually(lambda: count(vigil, "live_fills") > 0)
        wanted[0] = second
        eventually(lambda: count(vigil, "live_streams", "until IS NOT NULL") == 2)
        eventually(lambda: count(vigil, "live_streams", "subscribed_at > 0") == 3)
        server.play(END)
        mine = truth.fills(accounts[1:2], START, END)
        eventually(lambda: set(keys_of(vigil, "live_fills")) >= mine)
        assert server.connections == 1

    others = set(keys_of(vigil, "live_fills", f"user_address = '{accounts[0]}'"))
    assert others == truth.fills(accounts[:1], START, noon)


def test_database_that_fails_for_a_while_loses_nothing(
    vigil: Installation, world: Path, truth: Truth, accounts: list[str], tmp_path: Path
) -> None:
    wanted = streams_of(accounts, COINS)
    kill = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE application_name = 'vigil' AND pid <> pg_backend_pid()"
    )
    with (
        StreamServer(world) as server,
        listening(vigil.warehouse, server.url, lambda: wanted, None, tmp_path),
    ):
        server.wait_for(len(wanted))
        for hour in range(START, END, 4 * HOUR_MS):
            server.play(hour + 4 * HOUR_MS)
            with vigil.warehouse.connect() as connection:
                connection.execute(kill)  # type: ignore[arg-type]
        fills, trades = truth.fills(accounts, START, END), truth.trades(COINS, START, END)
        eventually(lambda: count(vigil, "live_trades") == len(trades))
        eventually(lambda: set(keys_of(vigil, "live_fills")) == fills)
        assert server.connections == 1
    assert count(vigil, "live_gaps") == 0


def test_memory_is_bounded_while_the_database_does_not_answer(
    vigil: Installation, world: Path, truth: Truth, accounts: list[str], tmp_path: Path
) -> None:
    wanted = streams_of(accounts, COINS)
    pace = replace(FAST, most_rows=40)
    tails: list[LiveTail] = []
    # Of one message: a block brings no more of a stream.
    largest = max(len(block["events"]) for block in truth.blocks)
    with (
        StreamServer(world) as server,
        listening(vigil.warehouse, server.url, lambda: wanted, None, tmp_path, pace, tails.append),
    ):
        server.wait_for(len(wanted))
        player = threading.Thread(target=server.play, args=(END,))
        with vigil.warehouse.connect() as connection:
            connection.execute("LOCK TABLE live_days")
            player.start()
            [tail] = tails
            eventually(lambda: tail.waiting_rows >= pace.most_rows)
            held = set()
            for _ in range(30):
                time.sleep(0.02)
                held.add(tail.waiting_rows)
        # What is being written, and what is gathered meanwhile.
        assert max(held) <= 2 * (pace.most_rows + largest)
        player.join()
        fills, trades = truth.fills(accounts, START, END), truth.trades(COINS, START, END)
        eventually(lambda: count(vigil, "live_trades") == len(trades))
        eventually(lambda: set(keys_of(vigil, "live_fills")) == fills)
        assert server.connections == 1


def test_second_listener_is_refused(vigil: Installation) -> None:
    with (
        LiveStore(vigil.warehouse),
        pytest.raises(SomebodyListens),
        LiveStore(vigil.warehouse, patience_s=0.2),
    ):
        pass
