"""The simulated exchange's WebSocket on loopback: a world's blocks, played as they happened.

    with StreamServer(root) as server, InfoServer(server.answers) as info:
        …  # a client subscribes at server.url
        server.play(until_ms)

Time stands still but while `play` runs, and neither the stream nor the answers of the info API know
what is still to come. Which messages are spoiled depends on the seed, the block and the stream,
never on chance or on when somebody connected.
"""

import asyncio
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from vigil_core.live.messages import GREETING, Kind, Stream
from vigil_sandbox.info_server import Answers, WireRow, world_blocks

TYPES = {"userFills": Kind.FILLS, "userTwapSliceFills": Kind.TWAP_FILLS, "trades": Kind.TRADES}
TOO_MANY = "Cannot track more than 10 total users."


class StreamFault(StrEnum):
    """What may happen to a message."""

    DISCONNECT = "the connection breaks instead"
    REPEAT = "it comes twice"
    DROP = "it never comes"
    SWAP = "it comes after the next one"
    MALFORMED = "it is cut in the middle"
    BROKEN_ROW = "one of its rows is none"
    CONFLICT = "it comes again with another price"
    UNKNOWN_CHANNEL = "a message of an unknown channel comes with it"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamManners:
    """Limits of the stream."""

    snapshot_rows: int = 2_000
    """Latest fills that a subscription begins with."""
    recent_trades: int = 0
    """Latest trades that a subscription begins with; the exchange does not document any."""
    most_users: int = 10
    idle_s: float = 60.0
    """A connection on which the server had nothing to say for so long is ended."""


@dataclass(slots=True)
class _Client:
    socket: ServerConnection
    streams: set[Stream] = field(default_factory=set)
    held: list[str] = field(default_factory=list)
    """Messages that come after the next one."""
    said_at: float = field(default_factory=time.monotonic)

    @property
    def users(self) -> set[str]:
        return {stream.subject for stream in self.streams if stream.kind is not Kind.TRADES}


class StreamServer:
    """Serves a world while its `with` block lasts; its methods may be called from any thread.

    Args:
        world: Where one was written, or its blocks.
        manners: Its limits.
    """

    def __init__(
        self, world: Path | Sequence[WireRow], manners: StreamManners | None = None
    ) -> None:
        blocks = world_blocks(world) if isinstance(world, Path) else world
        self._coming = deque(block for block in blocks if block["events"])
        self.manners = manners or StreamManners()
        self.now_ms = 0
        """Of the last block played."""
        self.connections = 0
        """How many there were so far."""
        self.messages = 0
        """Sent, snapshots and answers aside."""
        self.faults: Counter[StreamFault] = Counter()
        self.pong_delay_s = 0.0
        self.refuses = False
        """Whether those who connect are sent away."""
        self.sent_at: dict[tuple[str, int], float] | None = None
        """By kind of stream and trade: when it was first sent, `time.time()`; None: not noted."""
        self._share, self._seed = 0.0, 0
        self._kinds: tuple[StreamFault, ...] = ()
        self._clients: list[_Client] = []
        self._fills: dict[str, list[WireRow]] = {}
        self._trades: dict[str, list[WireRow]] = {}
        self.answers = Answers(fills=_SoFar(self._fills))
        """What the info API knows: fills until now."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="stream-server", daemon=True
        )
        self._thread.start()
        self._server = self._do(self._open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """As `VIGIL_WS_URL` names it."""
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/ws"

    @property
    def blocks_left(self) -> int:
        """Still to be played."""
        return len(self._coming)

    @property
    def next_ms(self) -> int | None:
        """Time of the next block."""
        return self._coming[0]["events"][0][1]["time"] if self._coming else None

    def spoil(self, share: float, seed: int, kinds: Iterable[StreamFault]) -> None:
        """From now on spoil a share of all messages, 0 to 1."""
        self._share, self._seed, self._kinds = share, seed, tuple(kinds)

    def play(self, until_ms: int, *, speed: float | None = None) -> int:
        """Let everything before `until_ms` happen; gives the number of blocks.

        Args:
            until_ms: The world's time.
            speed: Milliseconds of the world in one of ours; None: as fast as it is taken.
        """
        return int(self._do(self._play(until_ms, speed)))

    def disconnect(self) -> None:
        """Break all connections."""
        self._do(self._disconnect())

    def wait_for(self, streams: int, seconds: float = 20.0) -> None:
        """Wait until clients have subscribed to so many streams together.

        Raises:
            TimeoutError: They have not.
        """
        deadline = time.monotonic() + seconds
        while sum(len(client.streams) for client in self._clients) < streams:
            if time.monotonic() > deadline:
                raise TimeoutError(f"fewer than {streams} streams after {seconds} s")
            time.sleep(0.01)

    # --- below: in the server's own thread ---------------------------------------------------

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> Server:
        # Pings are messages here; nothing is compressed.
        server = await serve(
            self._serve, "127.0.0.1", 0, ping_interval=None, compression=None, close_timeout=1
        )
        self._idle = asyncio.create_task(self._end_idle())
        return server

    async def _close(self) -> None:
        self._idle.cancel()
        self._server.close()
        await self._server.wait_closed()

    async def _disconnect(self) -> None:
        for client in self._clients:
            client.socket.transport.abort()

    async def _end_idle(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self.manners.idle_s / 4))
            for client in self._clients:
                if time.monotonic() - client.said_at > self.manners.idle_s:
                    await client.socket.close()

    async def _serve(self, socket: ServerConnection) -> None:
        if self.refuses:
            socket.transport.abort()
            return
        self.connections += 1
        client = _Client(socket)
        self._clients.append(client)
        try:
            await self._say(client, GREETING)
            async for text in socket:
                await self._answer(client, json.loads(text))
        except ConnectionClosed:
            # A client that goes, or is cut off, is part of the play.
            pass
        finally:
            self._clients.remove(client)

    async def _answer(self, client: _Client, request: WireRow) -> None:
        method = request.get("method")
        if method == "ping":
            await asyncio.sleep(self.pong_delay_s)
            await self._say(client, {"channel": "pong"})
            return
        wanted = request.get("subscription", {})
        kind = TYPES.get(wanted.get("type"))
        if kind is None or method not in {"subscribe", "unsubscribe"}:
            await self._say(client, {"channel": "error", "data": f"Invalid: {request}"})
            return
        stream = Stream(kind, wanted["coin" if kind is Kind.TRADES else "user"])
        if method == "unsubscribe":
            client.streams.discard(stream)
        elif kind is not Kind.TRADES and len(client.users | {stream.subject}) > (
            self.manners.most_users
        ):
            await self._say(client, {"channel": "error", "data": TOO_MANY})
            return
        await self._say(client, {"channel": "subscriptionResponse", "data": request})
        if method == "subscribe":
            # Taken and noted without a pause: what happens next comes as an update.
            snapshot = self._snapshot(stream)
            client.streams.add(stream)
            if snapshot is not None:
                await self._say(client, snapshot)

    def _snapshot(self, stream: Stream) -> WireRow | None:
        if stream.kind is Kind.TRADES:
            recent = self._trades.get(stream.subject, [])
            count = self.manners.recent_trades
            return {"channel": "trades", "data": recent[-count:]} if count and recent else None
        fills = self._fills.get(stream.subject, [])
        mine = [fill for fill in fills if _is_slice(fill) == (stream.kind is Kind.TWAP_FILLS)]
        latest = mine[: -self.manners.snapshot_rows - 1 : -1]
        return _fills_message(stream, latest, is_snapshot=True)

    async def _play(self, until_ms: int, speed: float | None) -> int:
        played = 0
        began, from_ms = time.monotonic(), self.next_ms or 0
        while self._coming and (time_ms := self.next_ms or 0) < until_ms:
            if speed is not None:
                due = began + (time_ms - from_ms) / speed / 1000
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            block = self._coming.popleft()
            self.now_ms = time_ms
            played += 1
            happened = dict(self._happened(block["events"]))
            for client in list(self._clients):
                try:
                    for stream in sorted(happened.keys() & client.streams):
                        await self._tell(client, block["block_number"], stream, happened[stream])
                except ConnectionClosed:
                    # Cut off by a fault, or gone: what happens goes by.
                    continue
            # Requests are read in between.
            await asyncio.sleep(0)
        for client in list(self._clients):
            # One that is gone is told nothing more.
            with suppress(ConnectionClosed):
                await self._say_held(client)
        return played

    def _happened(self, events: list[Any]) -> Iterator[tuple[Stream, WireRow]]:
        """Messages of a block by stream; they are history from now on."""
        fills: dict[Stream, list[WireRow]] = {}
        for address, fill in events:
            self._fills.setdefault(address, []).append(fill)
            kind = Kind.TWAP_FILLS if _is_slice(fill) else Kind.FILLS
            fills.setdefault(Stream(kind, address), []).append(fill)
        for stream, rows in fills.items():
            yield stream, _fills_message(stream, rows)
        trades: dict[str, list[WireRow]] = {}
        for buyer, seller in zip(events, events[1:], strict=False):
            sides = (buyer[1]["side"], seller[1]["side"])
            if sides == ("B", "A") and buyer[1]["tid"] == seller[1]["tid"]:
                trade = _trade(buyer, seller)
                trades.setdefault(trade["coin"], []).append(trade)
        for coin, rows in trades.items():
            self._trades.setdefault(coin, []).extend(rows)
            yield Stream(Kind.TRADES, coin), {"channel": "trades", "data": rows}

    async def _tell(self, client: _Client, block: int, stream: Stream, message: WireRow) -> None:
        fault = self._fault(block, stream)
        if fault is not None:
            self.faults[fault] += 1
        text = _text(message)
        self.messages += 1
        if self.sent_at is not None:
            for row in _rows_of(message):
                self.sent_at.setdefault((stream.kind, row["tid"]), time.time())
        match fault:
            case StreamFault.DISCONNECT:
                client.socket.transport.abort()
                client.streams.clear()
                return
            case StreamFault.DROP:
                return
            case StreamFault.SWAP:
                client.held.append(text)
                return
            case StreamFault.MALFORMED:
                text = text[: len(text) // 2]
            case StreamFault.BROKEN_ROW:
                text = _text(_changed(message, "sz", "none"))
            case StreamFault.UNKNOWN_CHANNEL:
                await self._say(client, {"channel": "gossip", "data": [1, 2]})
            case _:
                pass
        await self._say(client, text)
        if fault is StreamFault.REPEAT:
            await self._say(client, text)
        elif fault is StreamFault.CONFLICT:
            await self._say(client, _changed(message, "px", "987654.5"))
        await self._say_held(client)

    async def _say_held(self, client: _Client) -> None:
        held, client.held = client.held, []
        for text in held:
            await self._say(client, text)

    async def _say(self, client: _Client, message: WireRow | str) -> None:
        client.said_at = time.monotonic()
        await client.socket.send(message if isinstance(message, str) else _text(message))

    def _fault(self, block: int, stream: Stream) -> StreamFault | None:
        key = f"{self._seed}/{block}/{stream}".encode()
        draw = int.from_bytes(sha256(key).digest()[:8]) / 2**64
        if draw >= self._share or not self._kinds:
            return None
        return self._kinds[int(draw / self._share * len(self._kinds))]


class _SoFar(Mapping[str, Sequence[WireRow]]):
    """Fills by address, as many as there are when they are asked for."""

    def __init__(self, fills: dict[str, list[WireRow]]) -> None:
        self._fills = fills

    def __getitem__(self, address: str) -> list[WireRow]:
        return list(self._fills[address])

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._fills))

    def __len__(self) -> int:
        return len(self._fills)


def _is_slice(fill: WireRow) -> bool:
    return fill.get("twapId") is not None


def _fills_message(stream: Stream, fills: list[WireRow], *, is_snapshot: bool = False) -> WireRow:
    data: WireRow = {"user": stream.subject}
    # The exchange leaves it out where it is false.
    if is_snapshot:
        data["isSnapshot"] = True
    if stream.kind is Kind.FILLS:
        return {"channel": "userFills", "data": data | {"fills": fills}}
    slices = [{"fill": fill, "twapId": fill["twapId"]} for fill in fills]
    return {"channel": "userTwapSliceFills", "data": data | {"twapSliceFills": slices}}


def _trade(buyer: Any, seller: Any) -> WireRow:
    fill = buyer[1]
    shared = {key: fill[key] for key in ("coin", "px", "sz", "time", "hash", "tid")}
    side = "B" if fill["crossed"] else "A"
    return shared | {"side": side, "users": [buyer[0], seller[0]]}


def _rows_of(message: WireRow) -> list[WireRow]:
    data = message["data"]
    if isinstance(data, list):
        return data
    if "fills" in data:
        rows: list[WireRow] = data["fills"]
        return rows
    return [one["fill"] for one in data["twapSliceFills"]]


def _changed(message: WireRow, key: str, value: str) -> WireRow:
    """The message with another value in its first row."""
    changed: WireRow = json.loads(_text(message))
    _rows_of(changed)[0][key] = value
    return changed


def _text(message: WireRow) -> str:
    return json.dumps(message, separators=(",", ":"))
