"""Where streamed rows are kept until the day's file confirms them.

A batch of messages is one transaction: its rows, the streams' progress, the gaps that were found
and what was quarantined. Rows that came before change nothing; one that says something else than
the row stored under its key is kept beside it, as a conflict.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql

from vigil_core.calendar import day_of, day_start_ms
from vigil_core.errors import VigilError
from vigil_core.live.messages import FILL_COLUMNS, TRADE_COLUMNS, Kind, Stream
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import query, template

KEPT_MS = 2 * 86_400_000
"""How long confirmed rows of a final day are kept: so long a corrected file can be compared."""


class SomebodyListens(VigilError):
    """Another process streams into this database; the exchange counts both as one address."""

    def __init__(self) -> None:
        super().__init__("another ./vigil live writes to this database; one is enough")


def now_ms() -> int:
    """Our clock."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows of a stream with start <= time < end, ms, may be missing."""

    stream: Stream
    start: int
    end: int
    reason: str
    is_lost: bool = False
    """Nobody can be asked for them."""
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of asking for a gap."""

    gap: Gap
    """As it is now."""
    is_closed: bool


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was no row, or no message."""

    stream: Stream | None
    reason: str
    raw: bytes


@dataclass(slots=True)
class Progress:
    """What a batch brought of one stream."""

    first_time: int | None = None
    known_until: int | None = None
    subscribed_at: int | None = None
    last_message_at: int | None = None
    lag_ms: int | None = None
    rejected: int = 0


@dataclass(slots=True)
class Batch:
    """Some messages, to be written at once."""

    fills: list[Sequence[Any]] = field(default_factory=list)
    """`received_at`, then `FILL_COLUMNS`."""
    trades: list[Sequence[Any]] = field(default_factory=list)
    """`received_at`, then `TRADE_COLUMNS`."""
    rejected: list[Rejected] = field(default_factory=list)
    gaps: list[Gap | Settled] = field(default_factory=list)
    progress: dict[Stream, Progress] = field(default_factory=dict)
    messages: int = 0
    connections: int = 0

    @property
    def rows(self) -> int:
        """What it weighs in memory."""
        return len(self.fills) + len(self.trades) + len(self.rejected)

    @property
    def is_worth_writing(self) -> bool:
        """Whether it says anything."""
        return bool(self.messages or self.rows or self.gaps)

    def of(self, stream: Stream) -> Progress:
        """The progress of a stream, to be added to."""
        return self.progress.setdefault(stream, Progress())


class LiveStore:
    """Writes, over one connection that is renewed when it broke. Not for two threads.

    Args:
        warehouse: Where to.
        patience_s: How long to wait for another process that may just have ended: the server
            notices a killed one only when it next turns to it.
    """

    def __init__(self, warehouse: Warehouse, *, patience_s: float = 5.0) -> None:
        self._warehouse = warehouse
        self._patience = patience_s
        self._connection: psycopg.Connection | None = None
        self._session: int | None = None

    def __enter__(self) -> Self:
        """Raises `SomebodyListens` where another process does."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                self._connect()
                break
            except SomebodyListens:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        with self._working() as connection:
            [(self._session,)] = connection.execute(
                query("live/begin_session"), {"now": now_ms()}
            ).fetchall()
            connection.execute(query("live/disconnect_streams"))
            connection.commit()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with self._working() as connection:
                connection.execute(query("live/disconnect_streams"))
                ended = {"session_id": self._session, "now": now_ms()}
                connection.execute(query("live/end_session"), ended)
                connection.commit()
        finally:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def want(self, streams: Collection[Stream]) -> dict[Stream, int | None]:
        """Note which streams are wanted, and no others.

        Returns:
            For each, the time of the newest row known without a hole, ms.
        """
        with self._working() as connection:
            for stream in sorted(streams):
                connection.execute(query("live/want_stream"), _names(stream))
            wanted = connection.execute(query("live/wanted_streams")).fetchall()
            known = {Stream(Kind(kind), subject): until for kind, subject, until in wanted}
            for stream in known.keys() - set(streams):
                connection.execute(query("live/drop_stream"), _names(stream))
            connection.commit()
        return {stream: known[stream] for stream in streams}

    def write(self, batch: Batch, connected_at: int | None, heard_at: int) -> None:
        """Write a batch; may be called again with it where it is not known whether it arrived.

        Args:
            batch: What came.
            connected_at: Since when there is a connection, our clock; None without one.
            heard_at: When the exchange last said anything, likewise.
        """
        with self._working() as connection:
            counts = self._take(connection, batch)
            for one in batch.rejected:
                kind, subject = (
                    (one.stream.kind, one.stream.subject) if one.stream else (None, None)
                )
                rejected = {
                    "received_at": heard_at,
                    "kind": kind,
                    "subject": subject,
                    "reason": one.reason,
                    "raw": one.raw,
                }
                connection.execute(query("live/quarantine"), rejected)
            for gap in batch.gaps:
                _save_gap(connection, gap)
            if connected_at is None:
                connection.execute(query("live/disconnect_streams"))
            for stream in sorted(batch.progress.keys() | counts.keys()):
                progress = batch.progress.get(stream, Progress())
                came, new = counts.get(stream, (0, 0))
                values = {
                    "first_time": progress.first_time,
                    "known_until": progress.known_until,
                    "subscribed_at": progress.subscribed_at if connected_at else None,
                    "last_message_at": progress.last_message_at,
                    "lag_ms": progress.lag_ms,
                    "rejected": progress.rejected,
                    "stored": new,
                    "repeated": came - new,
                }
                connection.execute(query("live/save_stream"), _names(stream) | values)
            session = {
                "session_id": self._session,
                "connected_at": connected_at,
                "heard_at": heard_at,
                "connections": batch.connections,
                "messages": batch.messages,
            }
            connection.execute(query("live/save_session"), session)
            connection.commit()

    def open_gaps(self) -> list[Gap]:
        """Gaps of wanted streams that somebody can still be asked about."""
        with self._working() as connection:
            rows = connection.execute(query("live/open_gaps")).fetchall()
            connection.commit()
        return [Gap(Stream(Kind(kind), subject), *rest) for kind, subject, *rest in rows]

    def unstored(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of some fills whose keys are not stored."""
        keys = {
            "times": [row["time"] for row in rows],
            "addresses": [row["user_address"] for row in rows],
            "coins": [row["coin"] for row in rows],
            "oids": [row["oid"] for row in rows],
            "tids": [row["tid"] for row in rows],
        }
        with self._working() as connection:
            places = connection.execute(query("live/unstored_fills"), keys).fetchall()
            connection.commit()
        return [rows[place - 1] for (place,) in places]

    def _take(self, connection: psycopg.Connection, batch: Batch) -> dict[Stream, tuple[int, int]]:
        """Sort the rows in; gives how many came of each stream, and how many were new."""
        counts: dict[Stream, tuple[int, int]] = {}
        for rows, relation, columns, take, conflicts in (
            (
                batch.fills,
                "live_fills_in",
                FILL_COLUMNS,
                query("live/take_fills"),
                query("live/note_fill_conflicts"),
            ),
            (
                batch.trades,
                "live_trades_in",
                TRADE_COLUMNS,
                query("live/take_trades"),
                query("live/note_trade_conflicts"),
            ),
        ):
            if not rows:
                continue
            names = sql.SQL(", ").join(map(sql.Identifier, ("received_at", *columns)))
            copy = template("live/copy_rows", relation=sql.Identifier(relation), columns=names)
            with connection.cursor().copy(copy) as target:
                for row in rows:
                    target.write_row(row)
            found = connection.execute(take).fetchall()
            counts |= {Stream(Kind(kind), name): (came, new) for kind, name, came, new in found}
            if any(new < came for _, _, came, new in found):
                connection.execute(conflicts)
        return counts

    def _working(self) -> "_Working":
        return _Working(self)

    def _connect(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            connection = self._warehouse.connect()
            [(is_ours,)] = connection.execute(query("live/lock")).fetchall()
            if not is_ours:
                connection.close()
                raise SomebodyListens
            connection.execute(query("live/limit_waits"))
            connection.execute(query("live/create_fills_in"))
            connection.execute(query("live/create_trades_in"))
            connection.commit()
            self._connection = connection
        return self._connection

    def _forget(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Working:
    """The store's connection for one piece of work; a failure leaves it to be made anew."""

    def __init__(self, store: LiveStore) -> None:
        self._store = store

    def __enter__(self) -> psycopg.Connection:
        return self._store._connect()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._store._forget()


NOBODY: dict[str, str | None] = {"kind": None, "subject": None}


def _names(stream: Stream) -> dict[str, str]:
    return {"kind": stream.kind.value, "subject": stream.subject}


def _save_gap(connection: psycopg.Connection, entry: Gap | Settled) -> None:
    gap = entry.gap if isinstance(entry, Settled) else entry
    values: dict[str, Any] = _names(gap.stream) | {
        "from_time": gap.start,
        "until_time": gap.end,
        "reason": gap.reason,
        "is_lost": gap.is_lost,
        "detail": gap.detail,
    }
    if isinstance(entry, Settled):
        closed = (now_ms(), "api") if entry.is_closed else (None, None)
        values |= {"closed_at": closed[0], "closed_by": closed[1]}
        connection.execute(query("live/settle_gap"), values)
    else:
        connection.execute(query("live/open_gap"), values | {"noted_at": now_ms()})


# --- the day's file beside it --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What a loaded day's file says of what was streamed, of one kind of stream."""

    day: date
    kind: Kind
    live_rows: int
    """Streamed: confirmed + differing + missing_in_file."""
    confirmed: int
    differing: int
    missing_in_file: int
    file_rows: int
    """Of watched streams: confirmed + differing + unseen + unseen_in_gaps + unseen_later."""
    unseen: int
    """Never streamed, for no reason known."""
    unseen_in_gaps: int
    unseen_later: int
    """Later than what the stream has brought so far."""
    is_final: bool
    is_pruned: bool

    @property
    def holds(self) -> bool:
        """Whether the stream brought what the file has, and nothing else, but for known gaps.

        A file that is not final may lack rows; a stream that is behind may, too.
        """
        is_short = self.is_final and self.missing_in_file
        return not (self.differing or self.unseen or is_short)


class LiveConfirmations:
    """Compares loaded days with what was streamed of them, and drops what is confirmed."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def stale_days(self) -> list[date]:
        """Loaded days whose comparison is missing, or of other rows than are there now."""
        return [day_of(ms) for (ms,) in self._warehouse.rows("live/stale_confirmations")]

    def confirm(self, day: date) -> list[Confirmation]:
        """Compare a loaded day, by kind of stream; empty where nothing of it was streamed."""
        start = day_start_ms(day)
        with self._warehouse.connect() as connection, connection.transaction():
            # One snapshot: rows that arrive meanwhile are in neither the counts nor the digest.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute(query("live/confirm_day"), {"day": start, "now": now_ms()})
        return self.of([day])

    def of(self, days: Collection[date]) -> list[Confirmation]:
        """The comparisons that were made of these days."""
        asked = {"days": [day_start_ms(day) for day in days]}
        return [
            Confirmation(
                day=day_of(day),
                kind=Kind(kind),
                live_rows=counts[0],
                confirmed=counts[1],
                differing=counts[2],
                missing_in_file=counts[3],
                file_rows=counts[4],
                unseen=counts[5],
                unseen_in_gaps=counts[6],
                unseen_later=counts[7],
                is_final=is_final,
                is_pruned=pruned_at is not None,
            )
            for day, kind, *counts, is_final, pruned_at in self._warehouse.rows(
                "live/confirmations", asked
            )
        ]

    def keep(self) -> None:
        """Compare what is stale, and drop what is confirmed for long."""
        for day in self.stale_days():
            self.confirm(day)
        self.prune()

    def prune(self, *, kept_ms: int = KEPT_MS, clock: Callable[[], int] = now_ms) -> list[date]:
        """Drop the confirmed rows of days that are final, and have been confirmed so long.

        Rows that differ from the file, or are missing in it, stay.
        """
        asked = {"before": clock() - kept_ms}
        days = [ms for (ms,) in self._warehouse.rows("live/prunable_days", asked)]
        for day in days:
            with self._warehouse.connect() as connection, connection.transaction():
                at = {"day": day, "now": clock()}
                connection.execute(query("live/mark_pruned"), at)
                connection.execute(query("live/prune_fills"), at)
                connection.execute(query("live/prune_trades"), at)
                connection.execute(query("live/prune_days"), at)
        return [day_of(day) for day in days]
