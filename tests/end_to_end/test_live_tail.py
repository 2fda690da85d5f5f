"""`./vigil live` beside the files of the same days: killed, cut off and lied to, then confirmed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.conftest import Installation, installed
from tests.resources.live import FillKey, Truth, eventually, fill_key, keys_of
from tests.resources.loading import load_day, take_in
from vigil_assets.fills.live_check import live_fills_are_confirmed
from vigil_assets.partitions import FILL_DAYS
from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms
from vigil_core.live.messages import Kind
from vigil_resources.live.store import Confirmation, LiveConfirmations
from vigil_sandbox.info_server import InfoServer, Manners
from vigil_sandbox.stream_server import StreamFault, StreamManners, StreamServer
from vigil_sandbox.world import TINY, write_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FIRST = TINY.first_day
SECOND = FIRST + timedelta(days=1)
START = day_start_ms(FIRST)
MIDNIGHT = START + DAY_MS
COINS = ("SOL", "HYPE", "BTC")
SPOILED = [fault for fault in StreamFault if fault is not StreamFault.DISCONNECT]
"""A client that was cut off hears nothing that could be spoiled: that is done once, by hand."""


@contextmanager
def live(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The recipe as a process of its own; ended in order if it still runs."""
    command = [sys.executable, "-m", "vigil_cli", "live", *arguments]
    with subprocess.Popen(command, env=dict(os.environ)) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)


class Play:
    """A world that goes by while processes come and go."""

    def __init__(self, vigil: Installation, world: Path, server: StreamServer) -> None:
        self.vigil = vigil
        self.world = world
        self.server = server
        self.truth = Truth(world)
        self.accounts = list(vigil.settings.accounts)
        self.seen: set[FillKey] = set()

    @property
    def streams(self) -> int:
        return 2 * len(self.accounts) + len(COINS)

    def until(self, time_ms: int) -> None:
        """Play on, look at every step, and wait until all streams are subscribed to again."""
        while (self.server.next_ms or time_ms) < time_ms:
            self.server.play(min((self.server.next_ms or 0) + 2 * HOUR_MS, time_ms))
            self.look()
            self.server.wait_for(self.streams, 60)

    def look(self) -> None:
        """Nothing twice, and nothing gone that was there before."""
        found = keys_of(self.vigil, "fills_now")
        assert len(found) == len(set(found))
        gone = self.seen - set(found)
        assert gone == set()
        self.seen |= set(found)

    def arrive(self, day: date, hours: range) -> None:
        """Some of the day's objects are there now."""
        for hour in hours:
            name = Path("node_fills_by_block", "hourly", f"{day:%Y%m%d}", f"{hour}.lz4")
            target = Path(self.vigil.settings.node_data) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.world / name, target)

    def load(self, day: date) -> None:
        take_in(self.vigil, day)
        load_day(self.vigil, day)


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    world, raw = tmp_path / "world", tmp_path / "raw"
    write_world(TINY, world)
    raw.mkdir()
    shutil.copy(world / "sandbox.json", raw)
    accounts = Truth(world).busiest(10, start=START, end=MIDNIGHT)
    with (
        StreamServer(world, StreamManners(snapshot_rows=20)) as server,
        InfoServer(server.answers, Manners(weight_per_window=10**6)) as info,
    ):
        monkeypatch.setenv("VIGIL_WS_URL", server.url)
        monkeypatch.setenv("HYPERLIQUID_API_URL", info.url)
        monkeypatch.setenv("VIGIL_ACCOUNTS", ",".join(accounts))
        monkeypatch.setenv("VIGIL_COINS", ",".join(COINS))
        with installed(tmp_path, raw, monkeypatch) as vigil:
            yield Play(vigil, world, server)


def killed_while_playing(play: Play, process: subprocess.Popen[bytes], until_ms: int) -> None:
    """SIGKILL at some moment of a stretch that takes two seconds to play."""
    speed = (until_ms - (play.server.next_ms or 0)) / 2_000
    chance = random.Random(until_ms)
    timer = threading.Timer(chance.uniform(0.3, 1.7), process.kill)
    timer.start()
    play.server.play(until_ms, speed=speed)
    timer.join()
    process.wait()


def expected_counts(play: Play, kind: Kind, day_start: int) -> dict[str, int]:
    """What a confirmation of the day should say, from the world, and from gaps and streams."""
    streams = {
        row["subject"]: row
        for row in play.vigil.records(f"SELECT * FROM live_streams WHERE kind = '{kind}'")
    }
    gaps = play.vigil.records(f"SELECT * FROM live_gaps WHERE kind = '{kind}'")
    live: set[Any]
    file: dict[Any, str]
    if kind is Kind.TRADES:
        rows = play.vigil.records("SELECT coin, time, tid FROM live_trades")
        live = {tuple(row.values()) for row in rows}
        file = {key: key[0] for key in play.truth.trades(COINS, day_start, day_start + DAY_MS)}
    else:
        is_null = "IS NULL" if kind is Kind.FILLS else "IS NOT NULL"
        live = set(keys_of(play.vigil, "live_fills", f"twap_id {is_null}"))
        file = {
            fill_key(address, fill): address
            for address, fill in play.truth.legs
            if address in play.accounts
            and day_start <= fill["time"] < day_start + DAY_MS
            and (fill.get("twapId") is None) == (kind is Kind.FILLS)
        }
    place = 1 if kind is Kind.TRADES else 0
    live = {key for key in live if day_start <= key[place] < day_start + DAY_MS}
    unseen = in_gaps = later = 0
    for key in file.keys() - live:
        stream = streams[file[key]]
        if stream["since"] is None or key[place] < stream["since"]:
            continue
        if any(
            gap["subject"] == file[key] and gap["from_time"] <= key[place] < gap["until_time"]
            for gap in gaps
        ):
            in_gaps += 1
        elif key[place] > stream["known_until"]:
            later += 1
        else:
            unseen += 1
    return {
        "live_rows": len(live),
        "confirmed": len(live & file.keys()),
        "missing_in_file": len(live - file.keys()),
        "unseen": unseen,
        "unseen_in_gaps": in_gaps,
        "unseen_later": later,
    }


def counts(one: Confirmation) -> dict[str, int]:
    names = (
        "live_rows",
        "confirmed",
        "missing_in_file",
        "unseen",
        "unseen_in_gaps",
        "unseen_later",
    )
    return {name: getattr(one, name) for name in names}


def checked(vigil: Installation, day: date) -> dg.AssetCheckEvaluation:
    @dg.asset(partitions_def=FILL_DAYS)
    def fills() -> None:
        """Loaded before: only the check is asked."""

    result = dg.materialize(
        [fills, live_fills_are_confirmed],
        partition_key=str(day),
        resources={"warehouse": vigil.warehouse},
    )
    [evaluation] = result.get_asset_check_evaluations()
    return evaluation


def test_the_files_confirm_what_was_streamed_through_kills_and_faults(play: Play) -> None:
    vigil, server = play.vigil, play.server
    confirmations = LiveConfirmations(vigil.warehouse)
    server.play(START + 4 * HOUR_MS)
    server.spoil(0.15, 11, SPOILED)

    with live() as process:
        server.wait_for(play.streams, 60)
        play.until(START + 8 * HOUR_MS)
        server.disconnect()
        server.play(START + 8 * HOUR_MS + HOUR_MS // 2)
        server.wait_for(play.streams, 60)
        killed_while_playing(play, process, START + 10 * HOUR_MS)
    # Nobody listens.
    server.play(START + 12 * HOUR_MS)
    play.look()
    with live() as process:
        server.wait_for(play.streams, 60)
        play.until(START + 15 * HOUR_MS)
        # The first half of the day arrives while more is streamed.
        play.arrive(FIRST, range(12))
        play.load(FIRST)
        play.look()
        half = confirmations.confirm(FIRST)
        assert {one.kind for one in half} == set(Kind)
        assert not any(one.is_final for one in half)
        assert {
            "confirmed": all(one.confirmed > 0 for one in half if one.kind is Kind.FILLS),
            "missing": any(one.missing_in_file > 0 for one in half),
        } == {"confirmed": True, "missing": True}
        killed_while_playing(play, process, START + 18 * HOUR_MS)
    with live() as process:
        server.wait_for(play.streams, 60)
        server.spoil(0, 0, [])
        play.until(MIDNIGHT + 6 * HOUR_MS)
        live_now = keys_of(vigil, "live_fills")
        eventually(
            lambda: (
                not vigil.records("SELECT 1 FROM live_gaps WHERE closed_at IS NULL AND NOT is_lost")
            ),
            90,
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert min(server.faults[kind] for kind in SPOILED) > 0, server.faults
    assert len(live_now) > 200

    # A streamed row that the file says otherwise, and one that it does not have.
    with vigil.warehouse.connect() as connection:
        changed = connection.execute(
            "UPDATE live_fills SET px = px + 1 WHERE (time, oid, tid) ="
            " (SELECT time, oid, tid FROM live_fills WHERE time < %s AND twap_id IS NULL LIMIT 1)",
            [MIDNIGHT],
        ).rowcount
        assert changed == 1
    play.arrive(FIRST, range(12, 24))
    play.arrive(SECOND, range(3))
    play.load(FIRST)
    play.load(SECOND)

    # The file is what there is of its day, and what came after is there as well.
    day_one = f"time >= {START} AND time < {MIDNIGHT}"
    everyone = [address for address, _ in play.truth.legs]
    expected = play.truth.fills(list(set(everyone)), START, MIDNIGHT)
    assert set(keys_of(vigil, "fills", day_one)) == expected
    assert sorted(keys_of(vigil, "fills_now", day_one)) == sorted(expected)
    play.look()
    streamed = set(keys_of(vigil, "live_fills", f"time >= {MIDNIGHT}"))
    assert set(keys_of(vigil, "fills_now", f"time >= {MIDNIGHT}")) >= streamed
    assert keys_of(vigil, "fills_now", "is_live")

    assert set(confirmations.stale_days()) == {FIRST, SECOND}
    for day in (FIRST, SECOND):
        for one in confirmations.confirm(day):
            wanted = expected_counts(play, one.kind, day_start_ms(day))
            is_changed = day == FIRST and one.kind is Kind.FILLS
            assert one.differing == int(is_changed)
            wanted["confirmed"] -= one.differing
            if day == SECOND:
                # Its file ends with hour 2: the day is not final, and less of it is compared.
                assert one.live_rows == wanted["live_rows"]
                assert not one.is_final
            else:
                assert counts(one) == wanted, one
                assert one.is_final
    assert confirmations.stale_days() == []
    found = {one.kind: one for one in confirmations.of([FIRST])}
    assert found[Kind.TRADES].unseen_in_gaps > 0
    assert found[Kind.TRADES].confirmed > 0
    assert found[Kind.TWAP_FILLS].confirmed > 0
    # The row that was changed is a warning.
    evaluation = checked(vigil, FIRST)
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN

    before = vigil.records("SELECT md5(string_agg(f::text, '|' ORDER BY f::text)) FROM fills_now f")
    assert confirmations.prune(kept_ms=-1_000) == [FIRST]
    after = vigil.records("SELECT md5(string_agg(f::text, '|' ORDER BY f::text)) FROM fills_now f")
    assert after == before
    assert len(keys_of(vigil, "live_fills", day_one)) == 1
    assert confirmations.stale_days() == []
    assert confirmations.of([FIRST])[0].is_pruned
    # A start that brings old rows once more does not bring them back.
    with live("--once") as process:
        assert process.wait(90) == 0
    assert len(keys_of(vigil, "live_fills", day_one)) == 1
    play.look()
