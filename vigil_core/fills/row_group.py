"""Room for the columns of some ten thousand fills, as the kernel fills them and Arrow takes them.

The kernel sees one address: of a header that holds the addresses of all columns, in the order
of `PARTS`. A dictionary of texts has a header of its own.
"""

import numpy as np

from vigil_core.fills.machine_words import PADDING

INTEGER_COLUMNS = ("time", "oid", "tid", "twap_id", "block_number", "block_time", "local_time")
MONEY_COLUMNS = (
    "px",
    "sz",
    "start_position",
    "closed_pnl",
    "fee",
    "builder_fee",
    "deployer_fee",
    "priority_gas",
)
TEXT_COLUMNS = ("user_address", "coin", "dir", "fee_token", "hash", "builder")
"""Kept once each: a column of codes, and the texts in the order of their first appearance."""
SPAN_COLUMNS = ("cloid", "liquidation", "extra")
"""Kept one after the other."""
FLAG_COLUMNS = (
    "sells",
    "crossed",
    *(f"has_{name}" for name in ("twap_id", *MONEY_COLUMNS[5:], *SPAN_COLUMNS)),
)
COUNTS = ("lines", "blank", "empty", "breaks", "any_block", "first", "first_ms", "last", "last_ms")
TEXT_HEADER = ("slots", "taken", "starts", "arena", "count", "mask", "entries", "room")

PARTS = (
    *INTEGER_COLUMNS,
    *MONEY_COLUMNS,
    *TEXT_COLUMNS,
    *FLAG_COLUMNS,
    *(f"{name}_ends" for name in SPAN_COLUMNS),
    *SPAN_COLUMNS,
    *(f"{name}_room" for name in SPAN_COLUMNS),
    *(f"{name}_texts" for name in TEXT_COLUMNS),
    "event_index",
    "breaks",
    "counts",
    "scratch",
)

SPARE_ROWS = 16_384
"""Rows behind the limit for the block that reaches it. A larger block is a surprise."""

MAX_TEXT = 128
"""Bytes of a text that the kernel takes."""

MAX_BREAKS = 4_096

_ENTRIES = (None, 8_192, 1_024, 1_024, None, 8_192)
"""Distinct texts of a column that a group has room for; None: as many as rows."""
_TEXT_BYTES = (42, 16, 24, 16, 66, 42)
_SPAN_BYTES = (34, 64, 32)


class Texts:
    """A growing dictionary of texts; a text's code is its place of first appearance.

    Open addressing over `slots`, where -1 is free. `taken` remembers each entry's slot, so
    that the youngest entries can be taken back.
    """

    def __init__(self, entries: int, length: int) -> None:
        slots = 1 << ((entries - 1).bit_length() + 1)
        self.slots = np.full(slots, -1, np.int32)
        self.taken = np.zeros(entries, np.int32)
        self.starts = np.zeros(entries + 1, np.int32)
        self.arena = np.zeros(entries * length + MAX_TEXT + PADDING, np.uint8)
        self.count = np.zeros(1, np.int64)
        arrays = (self.slots, self.taken, self.starts, self.arena, self.count)
        addresses = [array.ctypes.data for array in arrays]
        self.header = np.array([*addresses, slots - 1, entries, entries * length], np.int64)

    def forget(self) -> None:
        """Empty the dictionary."""
        self.slots[self.taken[: self.count[0]]] = -1
        self.count[0] = 0


class RowGroup:
    """Columns filled from row 0 on, and counts that run on from group to group.

    Args:
        limit: Rows of a group.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.room = rows = limit + SPARE_ROWS
        self.integers = np.zeros((len(INTEGER_COLUMNS), rows), np.int64)
        self.money = np.zeros((len(MONEY_COLUMNS), rows, 2), np.int64)
        """At scale 12; of each number the low and the high word."""
        self.codes = np.zeros((len(TEXT_COLUMNS), rows), np.int32)
        """-1 is NULL."""
        self.flags = np.zeros((len(FLAG_COLUMNS), rows), np.uint8)
        self.ends = np.zeros((len(SPAN_COLUMNS), rows + 1), np.int32)
        self.spans = tuple(np.zeros(rows * n + 4_096, np.uint8) for n in _SPAN_BYTES)
        self.texts = tuple(
            Texts(rows if entries is None else entries, length)
            for entries, length in zip(_ENTRIES, _TEXT_BYTES, strict=True)
        )
        self.event_index = np.zeros(rows, np.int32)
        self.breaks = np.zeros((MAX_BREAKS, 4), np.int64)
        """Block and its ms before, block and its ms after, where the numbers do not follow."""
        self.counts = np.zeros(len(COUNTS), np.int64)
        self._scratch = np.zeros(64, np.int64)
        self.header = np.array(
            [
                *(
                    column.ctypes.data
                    for columns in (self.integers, self.money, self.codes, self.flags, self.ends)
                    for column in columns
                ),
                *(column.ctypes.data for column in self.spans),
                *(column.size - MAX_TEXT - PADDING for column in self.spans),
                *(texts.header.ctypes.data for texts in self.texts),
                self.event_index.ctypes.data,
                self.breaks.ctypes.data,
                self.counts.ctypes.data,
                self._scratch.ctypes.data,
            ],
            np.int64,
        )

    @property
    def address(self) -> int:
        """Of the header. Good as long as this object lives."""
        return int(self.header.ctypes.data)

    def count(self, name: str) -> int:
        """One of `COUNTS`."""
        return int(self.counts[COUNTS.index(name)])

    def forget_rows(self) -> None:
        """Make room for the next group."""
        for texts in self.texts:
            texts.forget()

    def forget_counts(self) -> None:
        """Begin another object."""
        self.counts[:] = 0
