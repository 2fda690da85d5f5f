"""The simulated stream, seen by a plain client: what it tells, when, and its faults."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from vigil_core.live.messages import GREETING, PING, Kind, Rows, Stream, read_message
from vigil_sandbox.info_server import world_blocks
from vigil_sandbox.stream_server import StreamFault, StreamManners, StreamServer
from vigil_sandbox.world import TINY, World

START = TINY.start_ms
HOUR_MS = 3_600_000
EVER = 1 << 62


@pytest.fixture(scope="module")
def blocks(tiny: World) -> list[dict[str, Any]]:
    return [block for block in world_blocks(tiny.root) if block["events"]]


@pytest.fixture(scope="module")
def busy(blocks: list[dict[str, Any]]) -> str:
    addresses = [address for block in blocks for address, _ in block["events"]]
    return max(sorted(set(addresses)), key=addresses.count)


@contextmanager
def client(server: StreamServer, *streams: Stream) -> Iterator[ClientConnection]:
    """Subscribed; the greeting and the confirmations have been read."""
    with connect(server.url, compression=None, max_size=None, ping_interval=None) as socket:
        assert socket.recv(5) == GREETING
        for stream in streams:
            socket.send(stream.request("subscribe"))
            assert json.loads(socket.recv(5))["channel"] == "subscriptionResponse"
        yield socket


def rows(socket: ClientConnection) -> list[Rows]:
    """Of all messages up to the answer to a ping."""
    socket.send(PING)
    found: list[Rows] = []
    while True:
        message = read_message(socket.recv(5))
        if not isinstance(message, list):
            return found
        found += message


def test_what_happened_before_comes_first_and_then_what_happens(
    blocks: list[dict[str, Any]], busy: str
) -> None:
    mine = [f for block in blocks for address, f in block["events"] if address == busy]
    ordinary = [f for f in mine if f.get("twapId") is None]
    with StreamServer(blocks, StreamManners(snapshot_rows=10)) as server:
        server.play(START + 12 * HOUR_MS)
        with client(server, Stream(Kind.FILLS, busy)) as socket:
            [snapshot] = rows(socket)
            server.play(EVER)
            updates = rows(socket)
    before = [f for f in ordinary if f["time"] < START + 12 * HOUR_MS]
    assert snapshot.is_snapshot
    # The newest first.
    assert [row["oid"] for row in snapshot.rows] == [f["oid"] for f in before[:-11:-1]]
    assert not any(one.is_snapshot for one in updates)
    told = [row["oid"] for one in updates for row in one.rows]
    assert told == [f["oid"] for f in ordinary[len(before) :]]


def test_trades_have_the_taker_s_side_and_both_parties(blocks: list[dict[str, Any]]) -> None:
    with StreamServer(blocks) as server, client(server, Stream(Kind.TRADES, "SOL")) as socket:
        server.play(EVER)
        told = [row for one in rows(socket) for row in one.rows]
    legs = {
        (fill["time"], fill["tid"], address, fill["side"]): fill
        for block in blocks
        for address, fill in block["events"]
        if fill["coin"] == "SOL"
    }
    assert 2 * len(told) == len(legs)
    for row in told:
        buyer = legs[row["time"], row["tid"], row["buyer"], "B"]
        seller = legs[row["time"], row["tid"], row["seller"], "A"]
        assert (buyer if row["side"] == "B" else seller)["crossed"]


def test_info_api_knows_nothing_of_what_is_still_to_come(
    blocks: list[dict[str, Any]], busy: str
) -> None:
    with StreamServer(blocks) as server:
        assert busy not in server.answers.fills
        server.play(START + 12 * HOUR_MS)
        assert max(f["time"] for f in server.answers.fills[busy]) < START + 12 * HOUR_MS


def test_eleventh_account_and_unknown_subscription_are_refused(
    blocks: list[dict[str, Any]],
) -> None:
    ten = [Stream(Kind.FILLS, f"0x{n:040x}") for n in range(10)]
    with (
        StreamServer(blocks) as server,
        connect(server.url, compression=None) as socket,
    ):
        assert socket.recv(5) == GREETING
        for stream in [*ten, Stream(Kind.TWAP_FILLS, ten[0].subject), Stream(Kind.TRADES, "BTC")]:
            socket.send(stream.request("subscribe"))
        socket.send(Stream(Kind.FILLS, f"0x{10:040x}").request("subscribe"))
        socket.send('{"method":"subscribe","subscription":{"type":"weather"}}')
        channels = [json.loads(socket.recv(5))["channel"] for _ in range(12 + 11 + 2)]
    assert channels[-2:] == ["error", "error"]
    assert channels.count("error") == 2


@pytest.mark.parametrize("fault", StreamFault)
def test_each_fault_does_what_it_says(blocks: list[dict[str, Any]], fault: StreamFault) -> None:
    stream = Stream(Kind.TRADES, "SOL")
    with StreamServer(blocks) as server, client(server, stream) as socket:
        server.spoil(1.0, 1, [fault])
        # The first block with a trade of it, and the next.
        while server.messages == 0 and server.next_ms is not None:
            server.play(server.next_ms + 1)
        if fault is StreamFault.DISCONNECT:
            with pytest.raises(ConnectionClosed):
                socket.recv(5)
            return
        server.spoil(0, 0, [])
        socket.send(PING)
        told: list[str] = []
        while (text := str(socket.recv(5))) != '{"channel":"pong"}':
            told.append(text)
    assert server.faults[fault] == 1
    expected = {
        StreamFault.REPEAT: 2,
        StreamFault.CONFLICT: 2,
        StreamFault.UNKNOWN_CHANNEL: 2,
        StreamFault.DROP: 0,
    }
    assert len(told) == expected.get(fault, 1)
    if fault is StreamFault.REPEAT:
        assert told[0] == told[1]
    if fault is StreamFault.CONFLICT:
        assert "987654.5" in told[1]
        assert "987654.5" not in told[0]
    if fault is StreamFault.MALFORMED:
        with pytest.raises(ValueError, match=r"."):
            json.loads(told[0])


def test_idle_connection_is_ended(blocks: list[dict[str, Any]]) -> None:
    manners = StreamManners(idle_s=0.3)
    with StreamServer(blocks, manners) as server, client(server) as socket:
        began = time.monotonic()
        with pytest.raises(ConnectionClosed):
            socket.recv(5)
        assert time.monotonic() - began < 4
