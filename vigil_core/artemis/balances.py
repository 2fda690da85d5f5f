"""JSON lines of Artemis' balances → positions and accounts, and what a day of them says.

Two layouts are read: the one the files have (`response.perpetual.assetPositions`), and the one
once documented (`assetPositions` at the top). Figures go from text to decimals without a float
in between; a line that cannot be read so is rejected whole, and counted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import polars as pl

from vigil_core.calendar import EARLIEST_MS, HOUR_MS, LATEST_MS, iso_ns
from vigil_core.errors import VigilError
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

_NTH: dict[str, pl.DataType] = {"_nth": pl.Int64()}
_BLANK = b" \t\r"
_address = re.compile(r"0x[0-9a-f]{40}")
_coin = re.compile(r"[^\x00-\x20\x7f]{1,64}")
_figure = re.compile(rf"-?[0-9]{{1,{38 - MONEY_SCALE}}}(?:\.[0-9]{{1,{MONEY_SCALE}}})?")
_MOST_WHOLE = 2**31


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
        return day_end if times.is_empty() or times.null_count() else max(times)


@dataclass(frozen=True, slots=True)
class Probe:
    """What an object looks like, to be stored beside its name."""

    layouts: dict[str, int]
    time_encodings: dict[str, int]
    record_share: float
    """Records among all lines that are neither blank nor metadata."""
    first_ms: int | None
    last_ms: int | None


def read_lines(lines: Iterable[bytes]) -> BalancesDay:
    """Read one object.

    Of several records of one address the latest is kept; of those with equal times, or without,
    the last.

    Args:
        lines: The object's lines in order, without their line feeds, of either layout.
    """
    reading = _Reading()
    for line in lines:
        reading.add(line)
    return reading.result()


def read_line(line: bytes) -> BalancesDay:
    """Read a single line, as `read_lines` does."""
    return read_lines([line])


def merged(parts: Sequence[BalancesDay]) -> BalancesDay:
    """Several objects of one day as one: of each address the latest record, whichever has it.

    Args:
        parts: In the order of the objects' names, which decides between records of equal time.
    """
    numbered = list(enumerate(parts))
    accounts = [p.accounts.with_columns(pl.lit(n, pl.Int64).alias("_nth")) for n, p in numbered]
    positions = [p.positions.with_columns(pl.lit(n, pl.Int64).alias("_nth")) for n, p in numbered]
    kept, held = _latest(
        pl.concat([pl.DataFrame(schema=ACCOUNT_SCHEMA | _NTH), *accounts]),
        pl.concat([pl.DataFrame(schema=POSITION_SCHEMA | _NTH), *positions]),
    )
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
    """Of each address the latest record; `_nth` says which positions are of which record."""
    # A record without a time is older than any with one.
    by_time = accounts.sort("recorded_at", "_nth", nulls_last=False)
    kept = by_time.unique("address", keep="last", maintain_order=True)
    held = positions.join(kept.select("address", "_nth"), on=["address", "_nth"], how="semi")
    return (
        kept.select(list(ACCOUNT_SCHEMA)).sort("address"),
        held.select(list(POSITION_SCHEMA)).sort("address", "coin"),
    )


# --- lines ---------------------------------------------------------------------------------


class _LineRejected(Exception):
    """Why a line is no record."""


class _ImpossibleTime(_LineRejected):
    """Its time is none, or not of this century."""


class _Held(msgspec.Struct):
    coin: str
    szi: Any
    positionValue: Any  # noqa: N815
    liquidationPx: Any = None  # noqa: N815
    entryPx: Any = None  # noqa: N815
    marginUsed: Any = None  # noqa: N815
    leverage: Any = None
    maxLeverage: Any = None  # noqa: N815


class _Entry(msgspec.Struct):
    position: _Held


class _Margin(msgspec.Struct):
    accountValue: Any = None  # noqa: N815
    totalNtlPos: Any = None  # noqa: N815
    totalMarginUsed: Any = None  # noqa: N815
    totalRawUsd: Any = None  # noqa: N815


class _State(msgspec.Struct):
    assetPositions: list[_Entry] | None = None  # noqa: N815
    marginSummary: _Margin | None = None  # noqa: N815


class _Response(msgspec.Struct):
    perpetual: _State | None = None


class _Record(_State, rename={"metadata": "_metadata"}):
    metadata: Any = None
    address: Any = None
    user: Any = None
    timestamp: Any = None
    response: _Response | None = None


class _MetadataOnly(msgspec.Struct, rename={"metadata": "_metadata"}):
    metadata: Any = None


_records = msgspec.json.Decoder(_Record, float_hook=Decimal)
_metadata = msgspec.json.Decoder(_MetadataOnly)

_FIGURES = ("szi", "positionValue", "liquidationPx", "entryPx", "marginUsed")
_TOTALS = ("accountValue", "totalNtlPos", "totalMarginUsed", "totalRawUsd")


class _Reading:
    """Collects the values of an object's records as text, column by column."""

    def __init__(self) -> None:
        self._day = BalancesDay(
            positions=pl.DataFrame(schema=POSITION_SCHEMA),
            accounts=pl.DataFrame(schema=ACCOUNT_SCHEMA),
        )
        self._accounts: list[tuple[Any, ...]] = []
        self._positions: list[tuple[Any, ...]] = []
        self._offset = 0

    def add(self, line: bytes) -> None:
        day = self._day
        day.lines += 1
        offset, self._offset = self._offset, self._offset + len(line) + 1
        if not line.strip(_BLANK):
            day.blank_lines += 1
            return
        try:
            self._take(line)
        except _LineRejected as error:
            day.impossible_times += isinstance(error, _ImpossibleTime)
            day.rejected.append(Rejection(day.lines, offset, str(error), line))

    def _take(self, line: bytes) -> None:
        record = _decoded(line)
        if record.metadata is True:
            self._day.metadata_lines += 1
            return
        nested = record.response.perpetual if record.response else None
        is_real = nested is not None and nested.assetPositions is not None
        state = nested if nested is not None and is_real else record
        if state.assetPositions is None:
            self._day.lines_without_positions += 1
            return
        address = _checked_address(record)
        time, encoding = _checked_time(record.timestamp)
        held = _checked_positions(state.assetPositions)
        margin = state.marginSummary or _Margin()
        totals = [_optional(getattr(margin, name), name) for name in _TOTALS]
        # Nothing is kept of a line before all of it is known to be good.
        nth = self._day.records
        self._accounts.append((nth, address, time, *totals))
        self._positions.extend((nth, address, time, *values) for values in held)
        self._day.records += 1
        self._day.positions_read += len(held)
        self._day.layouts[REAL_LAYOUT if is_real else DOCUMENTED_LAYOUT] += 1
        self._day.time_encodings[encoding] += 1

    def result(self) -> BalancesDay:
        """What was read so far."""
        totals = [name for name, dtype in ACCOUNT_SCHEMA.items() if dtype == MONEY]
        start = _NTH | {"address": pl.String(), "recorded_at": pl.Int64()}
        accounts = _frame(self._accounts, start | dict.fromkeys(totals, pl.String()))
        texts = ("szi", "position_value", "liquidation_px", "entry_px", "margin_used")
        whole = {"leverage": pl.Int64(), "max_leverage": pl.Int64()}
        names = start | {"coin": pl.String()} | dict.fromkeys(texts, pl.String()) | whole
        positions = _frame(self._positions, names)
        self._day.accounts, self._day.positions = _latest(
            accounts.with_columns(pl.col(totals).cast(MONEY)),
            positions.with_columns(pl.col(texts).cast(MONEY)),
        )
        return self._day


def _frame(rows: list[tuple[Any, ...]], schema: dict[str, pl.DataType]) -> pl.DataFrame:
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    values = zip(schema.items(), columns, strict=True)
    return pl.DataFrame([pl.Series(name, column, dtype=dtype) for (name, dtype), column in values])


def _decoded(line: bytes) -> _Record:
    try:
        return _records.decode(line)
    except (msgspec.MsgspecError, InvalidOperation, ValueError, RecursionError) as error:
        if _is_metadata(line):
            return _Record(metadata=True)
        raise _LineRejected(f"not a record: {error}") from None


def _is_metadata(line: bytes) -> bool:
    try:
        return _metadata.decode(line).metadata is True
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


def _checked_address(record: _Record) -> str:
    given = record.address if record.address is not None else record.user
    address = given.lower() if isinstance(given, str) else ""
    if not _address.fullmatch(address):
        raise _LineRejected(f"address: expected 0x and 40 hexadecimal digits, found {given!a:.60}")
    return address


def _checked_time(given: object) -> tuple[int | None, str]:
    if given is None:
        return None, "none"
    if isinstance(given, str):
        try:
            # Without an offset UTC is meant, with this one it is said.
            time, encoding = iso_ns(given.removesuffix("Z")) // 1_000_000, "iso"
        except ValueError:
            time, encoding = -1, "iso"
    else:
        is_whole = isinstance(given, int) and not isinstance(given, bool)
        time, encoding = int(given) if is_whole else -1, "ms"  # type: ignore[call-overload]
    if not EARLIEST_MS <= time < LATEST_MS:
        raise _ImpossibleTime(f"timestamp: expected naive ISO or ms, found {given!a:.60}")
    return time, encoding


def _checked_positions(entries: list[_Entry]) -> list[tuple[Any, ...]]:
    listed = [_checked_position(entry.position) for entry in entries]
    # What is listed with size 0 was closed.
    held = [values for values in listed if values[1].strip("-0.")]
    coins = Counter(values[0] for values in held)
    twice = [coin for coin, count in coins.items() if count > 1]
    if twice:
        raise _LineRejected(f"coin: more than one position in {twice[0]!a}")
    return held


def _checked_position(held: _Held) -> tuple[Any, ...]:
    if not _coin.fullmatch(held.coin):
        raise _LineRejected(f"coin: expected 1 to 64 visible characters, found {held.coin!a:.60}")
    leverage = held.leverage.get("value") if isinstance(held.leverage, dict) else held.leverage
    return (
        held.coin,
        _text(held.szi, "szi"),
        _text(held.positionValue, "positionValue"),
        _optional(held.liquidationPx, "liquidationPx"),
        _optional(held.entryPx, "entryPx"),
        _optional(held.marginUsed, "marginUsed"),
        _whole(leverage, "leverage"),
        _whole(held.maxLeverage, "maxLeverage"),
    )


def _optional(value: object, where: str) -> str | None:
    return None if value is None else _text(value, where)


def _text(value: object, where: str) -> str:
    """A figure as the text of a decimal that `MONEY` holds to the last digit."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = ""
    elif isinstance(value, int):
        text = str(value) if abs(value) < 10**38 else ""
    elif isinstance(value, Decimal) and value.is_finite() and -99 < value.adjusted() < 38:
        text = format(value, "f")
    else:
        text = ""
    if not _figure.fullmatch(text):
        expected = f"a decimal with at most {38 - MONEY_SCALE}.{MONEY_SCALE} digits"
        raise _LineRejected(f"{where}: expected {expected}, found {value!a:.60}")
    return text


def _whole(value: object, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_WHOLE:
        return value
    raise _LineRejected(f"{where}: expected a whole number, found {value!a:.60}")
