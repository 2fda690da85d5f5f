"""JSON lines of Artemis' balances → positions and accounts, and what a day of them says.

Ordinary lines are read many at a time (`balances_kernel`), all others one by one
(`balances_lines`), with the same verdict whichever reads them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice

import numpy as np
import polars as pl
import pyarrow as pa

from vigil_core.artemis.balances_kernel import (
    LEVELS,
    TOTALS,
    Rows,
    Table,
    read_ordinary,
)
from vigil_core.artemis.balances_lines import ImpossibleTime, LineRejected, NoRecord, checked
from vigil_core.calendar import HOUR_MS
from vigil_core.errors import VigilError
from vigil_core.fills.machine_words import PADDING
from vigil_core.fills.schema import MONEY, MONEY_SCALE
from vigil_core.rejections import Rejection

POSITION_SCHEMA: dict[str, pl.DataType] = {
    "address": pl.String(),
    "coin": pl.String(),
    "szi": MONEY,
    "position_value": MONEY,
    "liquidation_px": MONEY,
    "recorded_at": pl.Int64(),
    "entry_px": MONEY,
    "leverage": pl.Int64(),
    "margin_used": MONEY,
    "max_leverage": pl.Int64(),
}
"""One row per position: `szi` signed, in base units, never 0; `position_value` in USD; ms UTC."""

ACCOUNT_SCHEMA: dict[str, pl.DataType] = {
    "address": pl.String(),
    "recorded_at": pl.Int64(),
    "account_value": MONEY,
    "total_ntl_pos": MONEY,
    "total_margin_used": MONEY,
    "total_raw_usd": MONEY,
}
"""One row per account, with positions or without; USD."""

ADDRESS_SCHEMA: dict[str, pl.DataType] = {
    "address": pl.String(),
    "tier": pl.Int64(),
    "first_seen": pl.Int64(),
    "last_seen": pl.Int64(),
    "trade_count": pl.Int64(),
    "total_size_usd": MONEY,
}
"""One row per address that was once seeded; days as the ms of their start, UTC."""

MINIMUM_SEED_USD = 50_000
SEEDED_TIER = 3

MAXIMUM_IMPOSSIBLE_TIMES = 0.001
"""An object with a larger share of impossible times is refused."""

COLLAPSED_PART = Decimal("0.01")
COLLAPSE_FROM_USD = 1_000
ONE_DAY_APART_MS = 36 * HOUR_MS

REAL_LAYOUT, DOCUMENTED_LAYOUT = "response.perpetual.assetPositions", "assetPositions"

_NTH: dict[str, pl.DataType] = {"_nth": pl.UInt32()}
_BLANK = b" \t\r"
_BUFFER_BYTES = 1 << 20
_LINES_AT_ONCE = 256


class BalancesRefused(VigilError, ValueError):
    """An object of balances cannot be what it should be; none of it may be used."""


@dataclass(slots=True, kw_only=True)
class BalancesDay:
    """What one object, or several, held.

    lines = records + metadata + without positions + rejected + blank; a record that a later one
    of the same address replaces is counted as well.
    """

    positions: pl.DataFrame
    """Columns of `POSITION_SCHEMA`, sorted by address and coin, which are unique."""
    accounts: pl.DataFrame
    """Columns of `ACCOUNT_SCHEMA`, sorted by address, which is unique."""
    lines: int = 0
    records: int = 0
    positions_read: int = 0
    """Before later records replaced earlier ones."""
    blank_lines: int = 0
    metadata_lines: int = 0
    lines_without_positions: int = 0
    """Without a list of positions, that is; an empty list is an account that holds none."""
    rejected: list[Rejection] = field(default_factory=list)
    """By line number within the object."""
    impossible_times: int = 0
    """Of the rejected."""
    layouts: Counter[str] = field(default_factory=Counter)
    """Records per place of the list of positions."""
    time_encodings: Counter[str] = field(default_factory=Counter)
    """Records per encoding of their time: `iso`, `ms`, or `none`."""

    def recorded_at(self, day_end: int) -> int:
        """The instant all of it was known, ms UTC: the latest record's time.

        Where a record has no time, that is `day_end`, the end of the day the files are for.
        """
        times = self.accounts["recorded_at"]
        return day_end if times.is_empty() or times.null_count() else times.max()  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Probe:
    """What an object looks like, to be stored beside its name."""

    layouts: dict[str, int]
    time_encodings: dict[str, int]
    record_share: float
    """Records among all lines that are neither blank nor metadata."""
    first_ms: int | None
    last_ms: int | None


def read_object(pieces: Iterable[bytes]) -> BalancesDay:
    """Read one object.

    Of several records of one address the latest is kept; of those with equal times, or without,
    the last.

    Args:
        pieces: The object's bytes, decompressed, cut anywhere: lines of either layout.
    """
    reading = _Reading()
    for piece in pieces:
        reading.feed(piece)
    return reading.result()


def read_lines(lines: Iterable[bytes]) -> BalancesDay:
    """Read one object as `read_object` does, from its lines in order without their line feeds."""
    return read_object(_pieces(lines))


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    remaining = iter(lines)
    while some := list(islice(remaining, _LINES_AT_ONCE)):
        yield b"\n".join([*some, b""])


def read_line(line: bytes) -> BalancesDay:
    """Read a single line, as `read_lines` does."""
    return read_lines([line])


def merged(parts: Sequence[BalancesDay]) -> BalancesDay:
    """Several objects of one day as one: of each address the latest record, whichever has it.

    Args:
        parts: In the order of the objects' names, which decides between records of equal time.
    """
    first = 0
    accounts = [pl.DataFrame(schema=_NTH | ACCOUNT_SCHEMA)]
    positions = [pl.DataFrame(schema=_NTH | POSITION_SCHEMA)]
    for part in parts:
        numbered = part.accounts.with_row_index("_nth", offset=first)
        own = numbered.select("_nth", "address")
        accounts.append(numbered)
        positions.append(part.positions.join(own, on="address").select(*_NTH, *POSITION_SCHEMA))
        first += part.accounts.height
    all_positions = pl.concat(positions)
    coins = pl.Enum(all_positions["coin"].unique().sort())
    kept, held = _latest(pl.concat(accounts), all_positions.cast({"coin": coins}))
    return BalancesDay(
        positions=held,
        accounts=kept,
        lines=sum(part.lines for part in parts),
        records=sum(part.records for part in parts),
        positions_read=sum(part.positions_read for part in parts),
        blank_lines=sum(part.blank_lines for part in parts),
        metadata_lines=sum(part.metadata_lines for part in parts),
        lines_without_positions=sum(part.lines_without_positions for part in parts),
        rejected=[rejection for part in parts for rejection in part.rejected],
        impossible_times=sum(part.impossible_times for part in parts),
        layouts=sum((part.layouts for part in parts), Counter()),
        time_encodings=sum((part.time_encodings for part in parts), Counter()),
    )


def probe(balances: BalancesDay) -> Probe:
    """Judge one object by what was read of it, before any of it is used.

    Raises:
        BalancesRefused: It has lines, but no account or no position in them, or more than
            0.1 % of its times are impossible.
    """
    expected = balances.lines - balances.blank_lines - balances.metadata_lines
    if balances.lines and not balances.records:
        first = f", the first: {balances.rejected[0].reason}" if balances.rejected else ""
        raise BalancesRefused(
            f"no account in {balances.lines} lines: {balances.metadata_lines} metadata, "
            f"{balances.lines_without_positions} without a list of positions, "
            f"{len(balances.rejected)} rejected{first}"
        )
    if balances.impossible_times > expected * MAXIMUM_IMPOSSIBLE_TIMES:
        raise BalancesRefused(
            f"{balances.impossible_times} of {expected} records have an impossible time: "
            f"expected at most {MAXIMUM_IMPOSSIBLE_TIMES:.1%}"
        )
    if balances.records and not balances.positions_read:
        raise BalancesRefused(f"{balances.records} accounts, and not one position among them")
    times = balances.accounts["recorded_at"]
    return Probe(
        layouts=dict(balances.layouts),
        time_encodings=dict(balances.time_encodings),
        record_share=balances.records / expected if expected else 0.0,
        first_ms=times.min(),  # type: ignore[arg-type]
        last_ms=times.max(),  # type: ignore[arg-type]
    )


def collapsed(accounts: pl.DataFrame) -> pl.DataFrame:
    """Find days on which a funded account was recorded as all but empty.

    Such a record is a fault of the source: it is to be treated as missing. A record counts as one
    if those before and after it are at most 36 hours away, both are of 1,000 USD or more, and it
    is below a hundredth of the smaller one. So it takes the next day's record to tell, and
    whatever must not look ahead may not use the answer before that.

    Args:
        accounts: Records of any number of accounts over several days: `address, recorded_at,
            account_value`.

    Returns:
        The same, sorted by address and time, with a Boolean column `collapsed`.
    """
    time, value = pl.col("recorded_at"), pl.col("account_value")
    before, after = value.shift(1).over("address"), value.shift(-1).over("address")
    since = time - time.shift(1).over("address")
    until = time.shift(-1).over("address") - time
    around = pl.min_horizontal(before, after)
    is_near = (since <= ONE_DAY_APART_MS) & (until <= ONE_DAY_APART_MS)
    was_funded = before.is_not_null() & after.is_not_null() & (around >= COLLAPSE_FROM_USD)
    part = pl.Decimal(38, MONEY_SCALE + 2)
    is_empty = value.abs().cast(part) < around.cast(part) * pl.lit(COLLAPSED_PART)
    verdict = (is_near & was_funded & is_empty).fill_null(value=False)
    in_order = accounts.sort("address", "recorded_at", maintain_order=True)
    return in_order.with_columns(verdict.alias("collapsed"))


def seeded_addresses(
    positions: pl.DataFrame, minimum: Decimal | int = MINIMUM_SEED_USD
) -> pl.Series:
    """Addresses with a position of at least `minimum` USD, long or short; sorted.

    A single position decides, not the sum of several.
    """
    large = positions.filter(pl.col("position_value").abs() >= Decimal(minimum))
    return large["address"].unique().sort()


def merge_addresses(existing: pl.DataFrame, day: int, seeded: pl.Series) -> pl.DataFrame:
    """Enter a day's addresses; days may come in any order, and more than once.

    Args:
        existing: Columns of `ADDRESS_SCHEMA`.
        day: Start of the day, ms UTC.
        seeded: Addresses of that day.

    Returns:
        Columns of `ADDRESS_SCHEMA`, sorted by address. A new one has tier 3 and nothing traded; a
        known one keeps tier, counts and totals, and was seen from the earlier day to the later.
    """
    found = pl.DataFrame({"address": seeded.unique()}, schema={"address": pl.String})
    both = existing.select(list(ADDRESS_SCHEMA)).join(
        found.with_columns(pl.lit(day, pl.Int64).alias("_day")),
        on="address",
        how="full",
        coalesce=True,
    )
    rows = both.select(
        "address",
        pl.col("tier").fill_null(SEEDED_TIER),
        pl.min_horizontal("first_seen", "_day"),
        pl.max_horizontal("last_seen", "_day"),
        pl.col("trade_count").fill_null(0),
        pl.col("total_size_usd").fill_null(Decimal(0)),
    )
    types = [pl.col(name).cast(dtype) for name, dtype in ADDRESS_SCHEMA.items()]
    return rows.select(types).sort("address")


def _latest(accounts: pl.DataFrame, positions: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of each address the latest record, with its positions.

    Args:
        accounts: Columns of `ACCOUNT_SCHEMA`, and the row's number as `_nth`.
        positions: Those of `POSITION_SCHEMA` that are no account's, and as `_nth` the number of
            their account's row. Coins are of an enumeration, in the order of their names.
    """
    # A record without a time is older than any with one.
    by_time = accounts.sort("address", "recorded_at", "_nth", nulls_last=False)
    is_last = pl.col("address").ne_missing(pl.col("address").shift(-1))
    kept = by_time.filter(is_last)
    ranks = np.full(accounts.height, -1)
    ranks[kept["_nth"].to_numpy()] = np.arange(kept.height)
    rank = ranks[positions["_nth"].to_numpy()]
    # Sorting by one number costs half of sorting by two columns.
    coin = positions["coin"].to_physical().to_numpy().astype(np.int64)
    rows = np.flatnonzero(rank >= 0)
    rows = rows[np.argsort((rank * (coin.max(initial=0) + 1) + coin)[rows])]
    of_accounts = kept.select("address", "recorded_at")[rank[rows]]
    held = positions[rows].with_columns(pl.col("coin").cast(pl.String), *of_accounts)
    return kept.select(*ACCOUNT_SCHEMA), held.select(*POSITION_SCHEMA)


# --- reading -------------------------------------------------------------------------------


class _Reading:
    """Collects an object's rows, in the order of its lines."""

    def __init__(self) -> None:
        self._table = Table()
        self._buffer = bytearray()
        self._filled = self._offset = self._blank = 0
        self._others: Counter[NoRecord] = Counter()
        self._rejected: list[Rejection] = []
        self._impossible_times = 0
        self._accounts: list[pl.DataFrame] = []
        self._positions: list[pl.DataFrame] = []
        self._grow(_BUFFER_BYTES)

    def _grow(self, size: int) -> None:
        kept = self._buffer[: self._filled]
        self._buffer = bytearray(size + PADDING)
        self._buffer[: self._filled] = kept
        self._address = np.frombuffer(self._buffer, np.uint8).ctypes.data

    def feed(self, piece: bytes) -> None:
        """Read what there is of whole lines, and keep the rest for the next piece."""
        view = memoryview(piece)
        while view:
            room = len(self._buffer) - PADDING - self._filled
            if not room:
                self._read_whole_lines()
                if self._filled + PADDING == len(self._buffer):
                    # A line longer than the buffer.
                    self._grow(2 * self._filled)
                continue
            part, view = view[:room], view[room:]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)

    def _read_whole_lines(self) -> None:
        end = self._buffer.rfind(b"\n", 0, self._filled) + 1
        if not self._table.has_room(end):
            self._take_rows()
            if not self._table.has_room(end):
                self._table.make_room(end)
        at = 0
        while at < end:
            place = read_ordinary(self._address + at, self._address + end, self._table.address)
            at = place - self._address
            if at < end:
                stop = self._buffer.index(b"\n", at, end)
                self._read_slowly(bytes(self._buffer[at:stop]), self._offset + at)
                at = stop + 1
        rest = self._filled - end
        self._buffer[:rest] = self._buffer[end : self._filled]
        self._offset, self._filled = self._offset + end, rest

    def _take_rows(self) -> None:
        accounts, positions = self._table.take()
        self._accounts.append(_account_rows(accounts))
        self._positions.append(_position_rows(positions))

    def _read_slowly(self, line: bytes, offset: int) -> None:
        number = self._table.count("lines", 1)
        if not line.strip(_BLANK):
            self._blank += 1
            return
        try:
            found = checked(line)
        except LineRejected as error:
            self._impossible_times += isinstance(error, ImpossibleTime)
            self._rejected.append(Rejection(number, offset, str(error), line))
            return
        if isinstance(found, NoRecord):
            self._others[found] += 1
        else:
            self._table.put(found)

    def result(self) -> BalancesDay:
        """What was read so far, the last line without a line feed included."""
        self._read_whole_lines()
        if self._filled:
            self.feed(b"\n")
            self._read_whole_lines()
        self._take_rows()
        names = self._table.coins.names
        in_order = sorted(range(len(names)), key=names.__getitem__)
        ranks = np.zeros(len(names), np.uint32)
        ranks[in_order] = np.arange(len(names))
        positions = pl.concat(self._positions)
        coins = pl.Series("coin", ranks[positions["coin"].to_numpy()])
        kept, held = _latest(
            pl.concat(self._accounts).with_row_index("_nth"),
            positions.with_columns(coins.cat.to(pl.Enum([names[nth] for nth in in_order]))),
        )
        count = self._table.count
        return BalancesDay(
            positions=held,
            accounts=kept,
            lines=count("lines"),
            records=self._table.records,
            positions_read=positions.height,
            blank_lines=self._blank,
            metadata_lines=self._others[NoRecord.METADATA],
            lines_without_positions=self._others[NoRecord.WITHOUT_POSITIONS],
            rejected=self._rejected,
            impossible_times=self._impossible_times,
            layouts=+Counter({REAL_LAYOUT: count("real"), DOCUMENTED_LAYOUT: count("documented")}),
            time_encodings=+Counter({name: count(name) for name in ("iso", "ms", "none")}),
        )


def _account_rows(rows: Rows) -> pl.DataFrame:
    """Columns of `ACCOUNT_SCHEMA`."""
    starts = np.arange(0, 42 * len(rows) + 1, 42, dtype=np.int64)
    content = [None, pa.py_buffer(starts), pa.py_buffer(rows["address"].copy())]
    addresses = pl.from_arrow(pa.Array.from_buffers(pa.large_string(), len(rows), content))
    return pl.DataFrame(
        {
            "address": addresses,
            "recorded_at": _integers(rows, "recorded_at"),
            **{name: _figures(rows, name) for name in TOTALS},
        },
        schema=ACCOUNT_SCHEMA,
    )


def _position_rows(rows: Rows) -> pl.DataFrame:
    """Those columns of `POSITION_SCHEMA` that are not the account's, coins as codes; `_nth`."""
    return pl.DataFrame(
        {
            "_nth": rows["account"].astype(np.uint32),
            "coin": rows["coin"].astype(np.uint32),
            **{name: _figures(rows, name) for name in ("szi", "position_value", *LEVELS)},
            **{name: _integers(rows, name) for name in ("leverage", "max_leverage")},
        }
    )


def _integers(rows: Rows, name: str) -> pl.Series:
    """A column of numbers; those below 0 are NULL."""
    values = pl.Series(rows[name].copy())
    return values.set(values < 0, None)


def _figures(rows: Rows, name: str) -> pl.Series:
    """A column of `MONEY`."""
    has = f"has_{name}"
    is_optional = has in (rows.dtype.names or ())
    there = pa.py_buffer(np.packbits(rows[has], bitorder="little")) if is_optional else None
    units = pa.py_buffer(rows[name].copy())
    type_ = pa.decimal128(38, MONEY_SCALE)
    return pl.Series(pl.from_arrow(pa.Array.from_buffers(type_, len(rows), [there, units])))
