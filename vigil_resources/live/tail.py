"""Listens to the exchange's WebSocket, and keeps what it says.

    with LiveStore(warehouse) as store:
        tail = LiveTail(url, store, streams, api)
        asyncio.run(tail.run(stop))

After every start the exchange sends the latest fills of an account; where they do not reach back
to what was known, its info API is asked, and what cannot be had is a row of `live_gaps`. Trades
have neither: each interruption is a gap that only the day's file closes. Nothing is kept in memory
that a new start needs: killed at any moment, it goes on from what was committed.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from vigil_core.errors import VigilError
from vigil_core.live.holes import Hole, hole_before
from vigil_core.live.messages import (
    FILL_COLUMNS,
    PING,
    TRADE_COLUMNS,
    Complaint,
    Confirmed,
    Kind,
    MessageRejected,
    Rows,
    SignOfLife,
    Stream,
    read_message,
)
from vigil_resources.exchange.answers import UserFills
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.transport import is_loopback
from vigil_resources.live.store import (
    Batch,
    Gap,
    LiveStore,
    Rejected,
    Settled,
    SomebodyListens,
    now_ms,
)

LARGEST_MESSAGE = 16 << 20
"""Bytes. A snapshot of 2,000 fills takes one million."""

HEARTBEAT_S = 5.0
"""So often a sign of life is written where there is nothing else."""

LAST_WORDS_S = 10.0
"""So long an ending process tries to write what it still has."""

SHOWN = 300

T = TypeVar("T")


class NothingCame(VigilError):
    """The exchange did not send what it sends at the start of a subscription."""

    def __init__(self, streams: Iterable[Stream], seconds: float) -> None:
        names = ", ".join(map(str, sorted(streams)))
        super().__init__(f"nothing came of {names} within {seconds:.0f} s")


class _Unreadable(Exception):
    """A message that may have held rows was not readable: only a new start can say which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often things are done, in seconds."""

    ping_s: float = 20.0
    silence_s: float = 50.0
    """Without any message, pongs included, a connection counts as dead."""
    flush_s: float = 0.2
    first_pause_s: float = 1.0
    """Before the first attempt to connect again; each further one waits twice as long."""
    longest_pause_s: float = 60.0
    healthy_s: float = 30.0
    """A connection that lived so long does not count as a failed attempt."""
    keep_s: float = 60.0
    """Between looks at who is to be watched, and at gaps that are still open."""
    audit_s: float = 600.0
    """Between questions to the info API whether the stream left anything out."""
    audit_margin_ms: int = 5_000
    """What is younger may still be on its way."""
    most_rows: int = 50_000
    """Rows waiting for the database; from there on nothing more is read from the socket."""


class LiveTail:
    """One process's listening.

    Args:
        url: Of the WebSocket.
        store: Entered; what it is told.
        streams: Says which streams are wanted; asked again now and then, from another thread.
        api: Asked about holes; None: there is none that belongs to the stream.
        pace: How often things are done.
        report: Is told what an operator should see.
        jitter: From 0 to 1.
    """

    def __init__(
        self,
        url: str,
        store: LiveStore,
        streams: Callable[[], Collection[Stream]],
        api: ExchangeApi | None,
        *,
        pace: Pace | None = None,
        report: Callable[[str], None] = lambda _: None,
        chores: Callable[[], None] = lambda: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._url = url
        self._store = store
        self._streams = streams
        self._api = api
        self._pace = pace or Pace()
        self._report = report
        self._chores = chores
        self._jitter = jitter
        self._batch = Batch()
        self._pending: Batch | None = None
        """A batch that is being written, or could not be yet."""
        self._known: dict[Stream, int | None] = {}
        """Time of the newest row that follows on what was known, by wanted stream."""
        self._following: set[Stream] = set()
        """Streams whose start in this connection has been held against what was known."""
        self._confirmed: set[Stream] = set()
        self._audited: dict[Stream, int] = {}
        """From where on the next audit of a stream asks, ms."""
        self._asking: dict[tuple[Stream, int], asyncio.Task[None]] = {}
        self._socket: ClientConnection | None = None
        self._connected_at: int | None = None
        self._heard, self._heard_at = time.monotonic(), now_ms()
        self._written = 0.0
        self._is_ending = False

    async def run(self, stop: asyncio.Event, *, once_s: float | None = None) -> None:
        """Listen until `stop` is set.

        Args:
            stop: May be set from outside at any time; what came is written before this returns.
            once_s: End as soon as every stream has begun and every gap was asked about, at the
                latest after so many seconds.

        Raises:
            NothingCame: `once_s` passed before that.
        """
        self._database = asyncio.Lock()
        self._room = asyncio.Condition()
        self._full = asyncio.Event()
        self._two_at_a_time = asyncio.Semaphore(2)
        async with self._database:
            wanted = await asyncio.to_thread(self._streams)
            self._known = await _to_its_end(self._store.want, wanted)
        writing = asyncio.create_task(self._write_forever())
        beside = self._keep_forever() if once_s is None else self._stop_when_settled(stop, once_s)
        listening, keeping = map(asyncio.create_task, (self._listen_forever(stop), beside))
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait(
                [listening, writing, keeping, stopping], return_when=asyncio.FIRST_COMPLETED
            )
            if all(task.exception() is None for task in done):
                # It ends by itself, unless it waits for a database that does not answer.
                await asyncio.wait([listening], timeout=LAST_WORDS_S)
        finally:
            stop.set()
            tasks = [listening, keeping, stopping, *self._asking.values()]
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            self._connected_at, self._is_ending = None, True
            self._full.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(writing, LAST_WORDS_S)
            await self._write(patience_s=0)
        for result in results:
            if isinstance(result, Exception):
                raise result

    @property
    def waiting_rows(self) -> int:
        """Rows that are in memory and not committed."""
        pending = self._pending
        return self._batch.rows + (0 if pending is None else pending.rows)

    # --- the connection ----------------------------------------------------------------------

    async def _listen_forever(self, stop: asyncio.Event) -> None:
        failures = 0
        host = urlsplit(self._url).hostname or ""
        while not stop.is_set():
            began = time.monotonic()
            try:
                async with connect(
                    self._url,
                    # Pings and answers are messages here, as the exchange documents them.
                    ping_interval=None,
                    compression=None,
                    close_timeout=1,
                    max_size=LARGEST_MESSAGE,
                    # No proxy knows what listens on our own loopback.
                    proxy=None if is_loopback(host) else True,
                ) as socket:
                    await self._session(socket, stop)
                    reason = f"ended by the exchange ({socket.close_code})"
            except (OSError, WebSocketException, _Unreadable) as error:
                reason = f"{type(error).__name__}: {error}"[:SHOWN]
            finally:
                self._socket, self._connected_at = None, None
                self._following.clear()
                self._confirmed.clear()
            if stop.is_set():
                return
            failures = 0 if time.monotonic() - began > self._pace.healthy_s else failures + 1
            pause = self._pause(failures)
            self._report(f"no connection: {reason}; again in {pause:.1f} s")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    def _pause(self, failures: int) -> float:
        """Half of it by chance, so that those who were cut off together do not return together."""
        longest = self._pace.first_pause_s * 2.0 ** min(max(failures - 1, 0), 16)
        return min(self._pace.longest_pause_s, longest) * (0.5 + self._jitter() / 2)

    async def _session(self, socket: ClientConnection, stop: asyncio.Event) -> None:
        self._socket, self._connected_at = socket, now_ms()
        self._heard, self._heard_at = time.monotonic(), now_ms()
        self._batch.connections += 1
        for stream in sorted(self._known):
            await socket.send(stream.request("subscribe"))
        self._report(f"connected to {self._url}: {len(self._known)} streams")
        guard = asyncio.create_task(self._guard(socket, stop))
        try:
            async for message in socket:
                self._take(message)
                if self._batch.rows >= self._pace.most_rows:
                    await self._wait_for_room()
        finally:
            guard.cancel()

    async def _guard(self, socket: ClientConnection, stop: asyncio.Event) -> None:
        """Keeps the connection alive, and ends it when it is dead or not wanted any more."""
        while not stop.is_set():
            if time.monotonic() - self._heard > self._pace.silence_s:
                self._report(f"nothing heard for {self._pace.silence_s:.0f} s")
                break
            with suppress(WebSocketException):
                await socket.send(PING)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._pace.ping_s)
        await socket.close()

    # --- a message ---------------------------------------------------------------------------

    def _take(self, raw: str | bytes) -> None:
        self._heard, self._heard_at = time.monotonic(), now_ms()
        self._batch.messages += 1
        try:
            message = read_message(raw)
        except MessageRejected as error:
            self._reject(None, str(error), raw)
            if error.may_hold_rows:
                raise _Unreadable(str(error)) from None
            return
        if isinstance(message, list):
            for rows in message:
                self._take_rows(rows)
        elif isinstance(message, Confirmed):
            if message.stream in self._known and message.method == "subscribe":
                self._confirmed.add(message.stream)
                self._batch.of(message.stream).subscribed_at = self._heard_at
        elif isinstance(message, Complaint):
            self._reject(None, f"error: {message.text}"[:SHOWN], raw)
        else:
            assert isinstance(message, SignOfLife)

    def _reject(self, stream: Stream | None, reason: str, raw: str | bytes) -> None:
        content = raw.encode("utf-8", "surrogatepass") if isinstance(raw, str) else raw
        self._batch.rejected.append(Rejected(stream, reason, content))
        self._report(f"quarantined: {reason}"[:SHOWN])

    def _take_rows(self, message: Rows) -> None:
        stream = message.stream
        if stream not in self._known:
            # Not wanted any more, or never: it is nobody's gap.
            return
        self._keep_rows(stream, message.rows)
        times = [row["time"] for row in message.rows]
        progress = self._batch.of(stream)
        progress.last_message_at = self._heard_at
        if times and not message.is_snapshot:
            progress.lag_ms = self._heard_at - max(times)
        known = self._known[stream]
        if stream not in self._following and (message.is_snapshot or stream.kind is Kind.TRADES):
            self._following.add(stream)
            # Of an account without any fills so far, all that it ever had can be asked for.
            self._audited.setdefault(stream, min(times, default=0) if known is None else known)
            hole = hole_before(known, times)
            if hole is not None:
                self._note_gap(stream, hole, "disconnected")
        for part in message.rejected:
            self._reject(stream, part.reason, part.raw)
        if message.rejected:
            progress.rejected += len(message.rejected)
            first = min(times, default=0) if known is None else known
            if first:
                self._note_gap(stream, Hole(first, max([first, *times]) + 1), "rejected")
        if times and stream in self._following:
            # Before, it is not known whether anything is missing in front of these.
            if progress.first_time is None:
                progress.first_time = min(times)
            self._known[stream] = progress.known_until = max([known or 0, *times])

    def _keep_rows(self, stream: Stream, rows: Iterable[dict[str, Any]]) -> None:
        received_at = now_ms()
        is_trades = stream.kind is Kind.TRADES
        columns = TRADE_COLUMNS if is_trades else FILL_COLUMNS
        target = self._batch.trades if is_trades else self._batch.fills
        target += [(received_at, *map(row.get, columns)) for row in rows]

    # --- what may be missing -----------------------------------------------------------------

    def _note_gap(self, stream: Stream, hole: Hole, reason: str) -> None:
        why = None
        if stream.kind is Kind.TRADES:
            why = "nobody keeps trades but the day's file"
        elif self._api is None:
            why = "no info API belongs to this stream"
        gap = Gap(stream, hole.start, hole.end, reason, is_lost=why is not None, detail=why)
        self._batch.gaps.append(gap)
        if not gap.is_lost:
            self._ask_about(gap)
        else:
            self._report(f"gap in {stream}: {reason}, {why}")

    def _ask_about(self, gap: Gap) -> None:
        key = (gap.stream, gap.start)
        if key not in self._asking:
            self._asking[key] = asyncio.create_task(self._then_forget(key, self._fetch(gap)))

    async def _then_forget(self, key: tuple[Stream, int], work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._asking.pop(key, None)

    async def _fetch(self, gap: Gap) -> None:
        """Ask for what a gap may hold, and say what became of it."""
        try:
            async with self._two_at_a_time:
                found = await asyncio.to_thread(self._history, gap.stream, gap.start, gap.end)
        except VigilError as error:
            self._report(f"gap in {gap.stream} stays open: {error}"[:SHOWN])
            still = replace(gap, detail=str(error)[:SHOWN])
            self._batch.gaps.append(Settled(still, is_closed=False))
            return
        rows = found.rows.to_dicts()
        self._keep_rows(gap.stream, rows)
        if found.history_complete:
            self._batch.gaps.append(Settled(gap, is_closed=True))
            self._report(f"gap in {gap.stream} closed: {len(rows)} fills asked for")
            return
        # The oldest that could be had may share its millisecond with one that could not.
        end = min(gap.end, rows[0]["time"] + 1) if rows else gap.end
        lost = replace(gap, end=end, reason="beyond_api", is_lost=True)
        self._batch.gaps.append(Settled(lost, is_closed=False))
        self._report(f"gap in {gap.stream} remains: too many fills ago for the info API")

    def _history(self, stream: Stream, start: int, end: int | None) -> UserFills:
        """Fills with start <= time < end from the info API, and whether that is all of them."""
        assert self._api is not None
        if stream.kind is Kind.FILLS:
            return self._api.user_fills_by_time(stream.subject, start, end)
        found = self._api.user_twap_fills(stream.subject)
        times = found.rows["time"]
        is_within = (times >= start) & (times < (end if end is not None else 1 << 62))
        is_complete = found.history_complete or bool((times < start).any())
        return UserFills(found.rows.filter(is_within), is_complete)

    async def _audit(self, stream: Stream) -> None:
        """Ask whether the stream left something out while it seemed to be whole."""
        if stream not in self._audited:
            return
        start = self._audited[stream]
        settled = (self._known[stream] or 0) - self._pace.audit_margin_ms
        try:
            async with self._two_at_a_time:
                found = await asyncio.to_thread(self._history, stream, start, None)
        except VigilError as error:
            self._report(f"{stream} could not be audited: {error}"[:SHOWN])
            return
        rows = found.rows.to_dicts()
        await self._write()
        async with self._database:
            missing = await _to_its_end(self._store.unstored, rows)
        self._keep_rows(stream, missing)
        lost = [row["time"] for row in missing if row["time"] < settled]
        if lost:
            gap = Gap(stream, min(lost), max(lost) + 1, "silent")
            self._batch.gaps += [gap, Settled(gap, is_closed=True)]
            self._report(f"{stream} left out {len(lost)} fills; asked for")
        self._audited[stream] = max(start, settled)

    # --- beside the listening ----------------------------------------------------------------

    async def _keep_forever(self) -> None:
        """Whom to watch, open gaps, audits, and the owner's chores."""
        audited = time.monotonic()
        while True:
            try:
                if self._api is not None:
                    async with self._database:
                        gaps = await _to_its_end(self._store.open_gaps)
                    for gap in gaps:
                        self._ask_about(gap)
                    if time.monotonic() - audited >= self._pace.audit_s:
                        audited = time.monotonic()
                        for stream in [s for s in self._known if s.kind is not Kind.TRADES]:
                            await self._audit(stream)
                await asyncio.to_thread(self._chores)
                await self._look_whom_to_watch()
            except (psycopg.Error, VigilError) as error:
                # Listening goes on without them; they wait for the next round.
                self._report(f"chores are left for later: {error}"[:SHOWN])
            await asyncio.sleep(self._pace.keep_s)

    async def _look_whom_to_watch(self) -> None:
        wanted = set(await asyncio.to_thread(self._streams))
        gone, new = self._known.keys() - wanted, wanted - self._known.keys()
        if not gone and not new:
            return
        await self._write()
        async with self._database:
            known = await _to_its_end(self._store.want, wanted)
        for stream in gone:
            del self._known[stream]
            self._following.discard(stream)
            self._confirmed.discard(stream)
            self._audited.pop(stream, None)
        self._known |= {stream: known[stream] for stream in new}
        socket = self._socket
        if socket is not None:
            with suppress(WebSocketException):
                for stream in sorted(gone):
                    await socket.send(stream.request("unsubscribe"))
                for stream in sorted(new):
                    await socket.send(stream.request("subscribe"))
        self._report(f"watching {len(self._known)} streams: {len(new)} new, {len(gone)} gone")

    async def _stop_when_settled(self, stop: asyncio.Event, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while True:
            users = {stream for stream in self._known if stream.kind is not Kind.TRADES}
            waited_for = (users - self._following) | (self._known.keys() - self._confirmed)
            if not waited_for and not self._asking:
                stop.set()
                return
            if time.monotonic() > deadline:
                raise NothingCame(waited_for or {one for one, _ in self._asking}, within_s)
            await asyncio.sleep(0.05)

    # --- writing -----------------------------------------------------------------------------

    async def _wait_for_room(self) -> None:
        self._full.set()
        async with self._room:
            await self._room.wait_for(lambda: self._batch.rows < self._pace.most_rows)

    async def _write_forever(self) -> None:
        while not self._is_ending:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self._pace.flush_s)
            self._full.clear()
            await self._write()

    async def _write(self, patience_s: float = float("inf")) -> None:
        """Write what there is; a database that does not answer is tried until it does.

        What is under way when this is cancelled ends first: nothing is written twice at a time,
        nor forgotten.
        """
        deadline = time.monotonic() + patience_s
        pause = 0.1
        async with self._database:
            while self._pending is not None or self._batch.is_worth_writing or self._is_due():
                if self._pending is None:
                    self._pending, self._batch = self._batch, Batch()
                    async with self._room:
                        self._room.notify_all()
                try:
                    await _to_its_end(
                        self._store.write, self._pending, self._connected_at, self._heard_at
                    )
                except (psycopg.OperationalError, SomebodyListens) as error:
                    if time.monotonic() > deadline:
                        raise
                    rows = self._pending.rows
                    self._report(f"{rows} rows wait for the database: {error}"[:SHOWN])
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, 10.0)
                else:
                    self._pending = None
                    self._written = time.monotonic()

    def _is_due(self) -> bool:
        return time.monotonic() - self._written > HEARTBEAT_S


async def _to_its_end(work: Callable[..., T], *arguments: Any) -> T:
    """Do it in a thread; whoever cancels this waits until the thread is done."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
