"""The text of an object, piece by piece → tables of fills, row group by row group.

What the kernel does not take for ordinary is read by `node_format`, slowly and exactly. Which of
the two read a line shows nowhere in the tables: a row group ends with the first line that
brings it to its limit, whatever the pieces, and its dictionaries are in order of appearance.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

import msgspec
import numpy as np
import pyarrow as pa

from vigil_core.fills import kernel
from vigil_core.fills.arrow import frame_table, group_table, joined, plain
from vigil_core.fills.machine_words import PADDING
from vigil_core.fills.node_format import (
    LineCheck,
    check_block,
    check_event,
    check_trade,
    decode_lines,
)
from vigil_core.fills.row_group import COUNTS, RowGroup
from vigil_core.rejections import Rejection

GROUP_ROWS = 65_536
"""Rows of a row group: small enough that a trader who was away is skipped with it."""

_BUFFER_BYTES = 8 << 20
_MOST_SLOW_LINES = 4_096
_LINE_FEED = ord("\n")


class LineFormat(Enum):
    """How the lines of an object are read: by the kernel, where it can, and exactly."""

    BLOCK = (kernel.BLOCKS, check_block)
    EVENT = (kernel.EVENTS, check_event)
    TRADE = (None, check_trade)

    @property
    def layout(self) -> int | None:
        """The kernel's name for it."""
        layout: int | None = self.value[0]
        return layout

    @property
    def check(self) -> LineCheck:
        """What reads one line."""
        check: LineCheck = self.value[1]
        return check


@dataclass(frozen=True, slots=True)
class Break:
    """Two blocks that follow one another in an object, but not in their numbers."""

    after: int
    after_ms: int
    before: int
    before_ms: int


@dataclass(slots=True)
class Found:
    """What an object held: lines = blocks + rejected + blank.

    Where a line is no block but a fill or a trade, read so for blocks.
    """

    lines: int = 0
    blank_lines: int = 0
    empty_blocks: int = 0
    slow_lines: int = 0
    """Lines that were not ordinary: they make decoding slow, and nothing else."""
    rejected: int = 0
    first_block: int | None = None
    first_ms: int | None = None
    last_block: int | None = None
    last_ms: int | None = None
    breaks: list[Break] = field(default_factory=list)
    unknown_keys: Counter[str] = field(default_factory=Counter)


class FillReader:
    """Reads one object after another; its buffers serve all of them. Not for two threads.

    Args:
        group_rows: Rows of a row group.
    """

    def __init__(self, *, group_rows: int = GROUP_ROWS) -> None:
        self._group = RowGroup(group_rows)
        self._buffer = bytearray()
        self._grow(_BUFFER_BYTES)

    def read(
        self,
        pieces: Iterable[bytes],
        line_format: LineFormat,
        found: Found,
        reject: Callable[[Rejection], object],
    ) -> Iterator[pa.Table]:
        """Tables of `CODED_SCHEMA`, each valid until the next is asked for.

        Args:
            pieces: The decompressed object, cut anywhere.
            line_format: What its lines are.
            found: Is filled in as the reading goes on.
            reject: Is handed every line that is none of the format.
        """
        self._format, self._found, self._reject = line_format, found, reject
        self._filled = self._offset = 0
        self._rows = self._set_aside_rows = 0
        self._aside: list[pa.Table] = []
        self._slow_run = 1
        self._group.forget_rows()
        self._group.forget_counts()
        for piece in pieces:
            yield from self._feed(piece)
        if self._filled:
            # A last line without a line feed is a line.
            yield from self._feed(b"\n")
        if self._rows or self._aside:
            yield self._flush()

    # --- from pieces to lines ------------------------------------------------------------

    def _grow(self, size: int) -> None:
        kept = self._buffer
        self._buffer = bytearray(size + PADDING)
        self._buffer[: len(kept)] = kept
        self._address = np.frombuffer(self._buffer, np.uint8).ctypes.data

    def _feed(self, piece: bytes) -> Iterator[pa.Table]:
        view = memoryview(piece)
        while view:
            room = len(self._buffer) - PADDING - self._filled
            if not room:
                # A line longer than the buffer.
                self._grow(2 * len(self._buffer))
                continue
            part, view = view[:room], view[room:]
            start, self._filled = self._filled, self._filled + len(part)
            self._buffer[start : self._filled] = part
            end = self._buffer.rfind(b"\n", start, self._filled) + 1
            if end:
                yield from self._read_to(end)
                rest = self._filled - end
                self._buffer[:rest] = self._buffer[end : self._filled]
                self._offset, self._filled = self._offset + end, rest

    def _read_to(self, end: int) -> Iterator[pa.Table]:
        """Read the whole lines that end at `end`."""
        at, group, layout = 0, self._group, self._format.layout
        while at < end:
            begun, why = at, kernel.SURPRISE
            if layout is not None:
                why, place, self._rows = kernel.read_lines(
                    self._address + at,
                    self._address + end,
                    self._rows,
                    group.limit - self._set_aside_rows,
                    group.room,
                    layout,
                    group.address,
                )
                at = place - self._address
                self._take_counts()
            if why == kernel.SURPRISE:
                # One surprise is read alone; where all lines are surprises, many at a time.
                self._slow_run = 1 if at > begun else min(2 * self._slow_run, _MOST_SLOW_LINES)
                stop = at
                for _ in range(self._slow_run):
                    stop = self._buffer.index(b"\n", stop, end) + 1
                    if stop == end:
                        break
                yield from self._read_slowly(at, stop)
                at = stop
            if self._rows + self._set_aside_rows >= group.limit:
                yield self._flush()

    # --- what the kernel does not read ---------------------------------------------------

    def _read_slowly(self, at: int, stop: int) -> Iterator[pa.Table]:
        group = self._group
        decoded = decode_lines(
            bytes(self._buffer[at : stop - 1]).split(b"\n"),
            self._format.check,
            line_number=self._found.lines + 1,
            byte_offset=self._offset + at,
        )
        for number, ms in decoded.blocks:
            if not kernel.note_block(group.address, number, ms):
                self._take_counts()
                kernel.note_block(group.address, number, ms)
        for name, more in (
            ("lines", decoded.lines),
            ("blank", decoded.blank_lines),
            ("empty", decoded.empty_blocks),
        ):
            group.counts[COUNTS.index(name)] += more
        self._take_counts()
        self._found.slow_lines += decoded.lines
        self._found.rejected += len(decoded.rejected)
        self._found.unknown_keys.update(decoded.unknown_keys)
        for rejection in decoded.rejected:
            self._reject(rejection)
        if decoded.line_rows:
            self._set_rows_aside()
        first = last = 0
        for rows in decoded.line_rows:
            last += rows
            if self._set_aside_rows + last - first >= group.limit:
                self._put_aside(frame_table(decoded.fills[first:last]))
                first = last
                yield self._flush()
        if last > first:
            self._put_aside(frame_table(decoded.fills[first:last]))

    def _set_rows_aside(self) -> None:
        """Copy the kernel's rows, so that others may follow them."""
        if self._rows:
            table = self._table()
            self._rows = 0
            self._put_aside(plain(table))
            self._group.forget_rows()

    def _put_aside(self, table: pa.Table) -> None:
        self._aside.append(table)
        self._set_aside_rows += table.num_rows

    # --- results -------------------------------------------------------------------------

    def _flush(self) -> pa.Table:
        if self._aside:
            self._set_rows_aside()
            table = joined(self._aside)
        else:
            table = self._table()
            # What the table shows stays in place until rows are read again.
            self._group.forget_rows()
        self._aside, self._rows, self._set_aside_rows = [], 0, 0
        return table

    def _table(self) -> pa.Table:
        table = group_table(self._group, self._rows, blocks=self._format is LineFormat.BLOCK)
        for extra in table.column("extra").drop_null().to_pylist():
            self._found.unknown_keys.update(msgspec.json.decode(extra).keys())
        return table

    def _take_counts(self) -> None:
        group, found = self._group, self._found
        found.lines = group.count("lines")
        found.blank_lines = group.count("blank")
        found.empty_blocks = group.count("empty")
        if group.count("any_block"):
            found.first_block, found.first_ms = group.count("first"), group.count("first_ms")
            found.last_block, found.last_ms = group.count("last"), group.count("last_ms")
        count = group.count("breaks")
        found.breaks += [Break(*map(int, values)) for values in group.breaks[:count]]
        group.counts[COUNTS.index("breaks")] = 0
