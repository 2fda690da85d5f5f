"""Lines of `asset_ctxs/YYYYMMDD.csv` → one row per coin and minute, and what could not be read.

Whole batches are proved by regular expressions and only then cast, from text to decimals without
a float in between. A line that is not proved so goes to `check_line`, which is slow and exact and
has the last word: speed never decides what is accepted.

The file says what it says: a price of zero or a negative one is kept, not judged.
"""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from vigil_core.calendar import day_start_ms
from vigil_core.errors import VigilError
from vigil_core.fills.schema import MONEY
from vigil_core.rejections import Rejection

FIRST_DAY = date(2023, 5, 20)
"""First UTC day of the exchange's `asset_ctxs` files."""

MINUTE_MS = 60_000
MINUTES_PER_DAY = 1_440

VOLUME = pl.Decimal(38, 18)
"""`day_ntl_vlm` is a running sum of doubles and printed in full: 1534891576.0827198, and by the
same rule 1234.5000000000002. The other figures are multiplied with each other, which eighteen
decimals leave no room for in 38 digits; recorded ones have at most ten."""

SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Int64(),
    "coin": pl.String(),
    "funding": MONEY,
    "open_interest": MONEY,
    "prev_day_px": MONEY,
    "day_ntl_vlm": VOLUME,
    "premium": MONEY,
    "oracle_px": MONEY,
    "mark_px": MONEY,
    "mid_px": MONEY,
    "impact_bid_px": MONEY,
    "impact_ask_px": MONEY,
    "extra": pl.String(),
}
"""One row per coin and minute, sorted by `KEY`."""

KEY = ["time", "coin"]

COLUMN_DESCRIPTIONS: dict[str, str] = {
    "time": "ms since the epoch, UTC; nearly always a whole minute",
    "coin": "perp, as the exchange writes it",
    "funding": "hourly rate as estimated at that minute, not the one charged in the end",
    "open_interest": "base units, one side",
    "prev_day_px": "price 24 hours before",
    "day_ntl_vlm": "volume of the last 24 hours, USD, with the source's float noise",
    "premium": "of the impact price over the oracle price; NULL where there is no book",
    "oracle_px": "price on other exchanges",
    "mark_px": "price that margins and liquidations use",
    "mid_px": "between best bid and best ask; NULL where there is no book",
    "impact_bid_px": "average price of selling the impact notional; NULL where there is no book",
    "impact_ask_px": "average price of buying the impact notional; NULL where there is no book",
    "extra": "JSON of columns unknown to Vigil, as they came",
}

OBLIGATORY = tuple(name for name in SCHEMA if name != "extra")
MAY_BE_EMPTY = frozenset({"premium", "mid_px", "impact_bid_px", "impact_ask_px"})
_EMPTY = ("", "null")

_BLANK = b" \t\r"
_time = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_COIN = r"[^\x00-\x20\x7f]{1,64}"
_coin = re.compile(_COIN)


def _decimal_pattern(dtype: pl.DataType) -> str:
    assert isinstance(dtype, pl.Decimal)
    whole, scale = (dtype.precision or 38) - dtype.scale, dtype.scale
    return rf"-?[0-9]{{1,{whole}}}(?:\.[0-9]{{1,{scale}}})?"


FIGURES = {name: dtype for name, dtype in SCHEMA.items() if isinstance(dtype, pl.Decimal)}
_PATTERNS = {name: _decimal_pattern(dtype) for name, dtype in FIGURES.items()}
_figure = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}


class HeaderUnreadable(VigilError):
    """The first line does not name the columns that a row needs; no line can be read then."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"line 1 is no header of asset_ctxs: {reason}")


class LineRejected(Exception):
    """Why a line is no row; the text names the column and what was found."""


@dataclass(slots=True, kw_only=True)
class DecodedDay:
    """What one file held: lines = 1 header + rows + repeated + rejected + blank."""

    rows: pl.DataFrame
    """Columns of `SCHEMA`, sorted by `KEY`, which is unique."""
    rejected: list[Rejection]
    """By line number."""
    lines: int
    blank_lines: int
    repeated: int
    """Lines that say again what another says; kept once."""
    unknown_columns: Counter[str]
    """Rows per column that Vigil does not know."""


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a file, in its own order."""

    names: tuple[str, ...]

    @property
    def unknown(self) -> list[str]:
        """Columns that go to `extra`."""
        return [name for name in self.names if name not in OBLIGATORY]


@dataclass(slots=True)
class _Read:
    """What a run of lines held. `rows` have their places beside them, in columns of `_PLACE`."""

    rows: pl.DataFrame
    rejected: list[Rejection] = field(default_factory=list)
    blank_lines: int = 0


# No column of a file can have such a name: a line feed ends its header.
_NUMBER, _OFFSET, _RAW = "\nline_number", "\nbyte_offset", "\nraw"
_PLACE: dict[str, pl.DataType] = {_NUMBER: pl.Int64(), _OFFSET: pl.Int64(), _RAW: pl.Binary()}


def decode_day(batches: Iterable[Sequence[bytes]], day: date) -> DecodedDay:
    """Read the lines of one day's file.

    Of two lines for one coin and minute that contradict each other the first is kept and the
    other rejected: nothing in the file says which is right, and the first is what a reader of
    the stream would have seen.

    Args:
        batches: Consecutive lines without their line feeds, the header first.
        day: The UTC day the file is for.

    Raises:
        HeaderUnreadable: The file does not begin with the names of the columns.
    """
    header: Header | None = None
    reads: list[_Read] = []
    lines, offset = 0, 0
    for batch in batches:
        body = batch
        if header is None and batch:
            header = read_header(batch[0])
            body = batch[1:]
            lines, offset = 1, len(batch[0]) + 1
        if header is not None and body:
            reads.append(_read_lines(body, header, day, lines + 1, offset))
            lines += len(body)
            offset += sum(map(len, body)) + len(body)
    if header is None:
        raise HeaderUnreadable("the file is empty")
    empty = pl.DataFrame(schema=SCHEMA | _PLACE)
    rows, contradicting, repeated = _settle(pl.concat([empty, *(read.rows for read in reads)]))
    rejected = [*contradicting, *(r for read in reads for r in read.rejected)]
    return DecodedDay(
        rows=rows,
        rejected=sorted(rejected, key=lambda rejection: rejection.line_number),
        lines=lines,
        blank_lines=sum(read.blank_lines for read in reads),
        repeated=repeated,
        unknown_columns=Counter(dict.fromkeys(header.unknown, rows.height) if rows.height else {}),
    )


def read_header(line: bytes) -> Header:
    """The columns that line 1 names; the order is the file's own.

    Raises:
        HeaderUnreadable: An obligatory column is missing, or one is named twice.
    """
    try:
        names = _fields(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise HeaderUnreadable(f"not UTF-8 at byte {error.start}") from None
    except LineRejected as error:
        raise HeaderUnreadable(str(error)) from None
    missing = [name for name in OBLIGATORY if name not in names]
    if missing:
        found = ascii(",".join(names))
        raise HeaderUnreadable(f"{', '.join(missing)} missing in {found[:200]}")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise HeaderUnreadable(f"{', '.join(map(ascii, repeated))} named more than once")
    return Header(tuple(names))


def minutes_present(rows: pl.DataFrame, day: date) -> set[int]:
    """Minutes of the day, 0 … 1439, for which there is at least one coin."""
    minutes = (rows["time"] - day_start_ms(day)) // MINUTE_MS
    return set(minutes.unique().to_list())


def missing_minutes(present: Iterable[int]) -> list[tuple[int, int]]:
    """Ranges of minutes of a day that are not there, both ends included.

    >>> missing_minutes([0, 1, *range(5, 1439)])
    [(2, 4), (1439, 1439)]
    """
    ranges = []
    expected = 0
    for minute in [*sorted(present), MINUTES_PER_DAY]:
        if minute > expected:
            ranges.append((expected, minute - 1))
        expected = minute + 1
    return ranges


# --- whole batches -------------------------------------------------------------------------


def _read_lines(
    lines: Sequence[bytes], header: Header, day: date, line_number: int, byte_offset: int
) -> _Read:
    raw = pl.Series(_RAW, lines, dtype=pl.Binary)
    sizes = raw.bin.size().cast(pl.Int64) + 1
    frame = pl.DataFrame(
        [
            pl.Series("_text", _texts(lines), dtype=pl.String),
            pl.int_range(line_number, line_number + len(lines), eager=True).alias(_NUMBER),
            (sizes.cum_sum() - sizes + byte_offset).alias(_OFFSET),
            raw,
        ]
    )
    last = len(header.names) - 1
    split = pl.col("_text").str.split_exact(",", last).struct.rename_fields(list(header.names))
    ordinary = _is_ordinary(header, day).fill_null(value=False)
    judged = frame.with_columns(split.alias("_fields")).with_columns(ordinary.alias("_ordinary"))
    quick = judged.filter("_ordinary").select(*_PLACE, "_fields").unnest("_fields")
    read = _Read(_typed(quick, header, day))
    odd = judged.filter(~pl.col("_ordinary")).select(*_PLACE)
    if odd.height:
        _read_singly(odd, header, day, read)
    return read


def _texts(lines: Sequence[bytes]) -> list[str | None]:
    try:
        return [line.decode() for line in lines]
    except UnicodeDecodeError:
        return [_text_or_none(line) for line in lines]


def _text_or_none(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _is_ordinary(header: Header, day: date) -> pl.Expr:
    """What makes a line a row beyond doubt: no quotes, all its fields, each of its own form."""
    text, part = pl.col("_text"), pl.col("_fields").struct.field
    moment = rf"\A{day.isoformat()}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z\z"
    proofs = [
        text.str.count_matches(",", literal=True) == len(header.names) - 1,
        # A carriage return may end a line, and a quote may hide a comma; NUL fits no database.
        ~text.str.contains('["\r\0]'),
        part("time").str.contains(moment),
        part("coin").str.contains(rf"\A{_COIN}\z"),
    ]
    for name, pattern in _PATTERNS.items():
        proof = part(name).str.contains(rf"\A(?:{pattern})\z")
        proofs.append(proof | part(name).is_in(_EMPTY) if name in MAY_BE_EMPTY else proof)
    return pl.all_horizontal(proofs)


def _typed(fields: pl.DataFrame, header: Header, day: date) -> pl.DataFrame:
    """Proved texts → values. Both readers end here, so they cannot differ in a value."""
    time = pl.col("time")
    hour, minute, second = (time.str.slice(at, 2).cast(pl.Int64) for at in (11, 14, 17))
    figures = [
        pl.when(~pl.col(name).is_in(_EMPTY)).then(pl.col(name)).cast(dtype).alias(name)
        for name, dtype in FIGURES.items()
    ]
    typed = fields.select(
        (day_start_ms(day) + (hour * 60 + minute) * MINUTE_MS + second * 1_000).alias("time"),
        "coin",
        *figures,
        _extra(fields, header.unknown),
        *_PLACE,
    )
    return typed.cast(SCHEMA | _PLACE)  # type: ignore[arg-type]


def _extra(fields: pl.DataFrame, unknown: list[str]) -> pl.Series:
    texts: list[str | None] = [None] * fields.height
    if unknown:
        values = fields.select(unknown).iter_rows()
        texts = [_json_text(dict(zip(unknown, row, strict=True))) for row in values]
    return pl.Series("extra", texts, dtype=pl.String)


def _json_text(value: dict[str, str]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# --- one line, exactly ---------------------------------------------------------------------


def _read_singly(odd: pl.DataFrame, header: Header, day: date, read: _Read) -> None:
    """Judge each line by itself, and add what it is to what was read."""
    places: list[tuple[int, int, bytes]] = []
    accepted: list[list[str]] = []
    for line_number, byte_offset, raw in odd.iter_rows():
        if not raw.strip(_BLANK):
            read.blank_lines += 1
            continue
        try:
            accepted.append(check_line(raw, header, day))
            places.append((line_number, byte_offset, raw))
        except LineRejected as error:
            read.rejected.append(Rejection(line_number, byte_offset, str(error), raw))
    texts = pl.DataFrame(
        accepted, schema=dict.fromkeys(header.names, pl.String()), orient="row", strict=True
    )
    beside = pl.DataFrame(places, schema=_PLACE, orient="row")
    rows = _typed(pl.concat([texts, beside], how="horizontal"), header, day)
    read.rows = pl.concat([read.rows, rows])


def check_line(line: bytes, header: Header, day: date) -> list[str]:
    """The fields a line holds, in the order of the header, each proved.

    Raises:
        LineRejected: The line is not one coin's minute of that day.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LineRejected(f"not UTF-8 at byte {error.start}") from None
    values = _fields(text)
    if len(values) != len(header.names):
        raise LineRejected(f"expected {len(header.names)} fields, found {len(values)}")
    found = dict(zip(header.names, values, strict=True))
    _check_time(found["time"], day)
    _expect(_coin.fullmatch(found["coin"]), "coin", "1 to 64 visible characters", found["coin"])
    for name, pattern in _figure.items():
        may_be_empty = name in MAY_BE_EMPTY
        holds = pattern.fullmatch(found[name]) or (may_be_empty and found[name] in _EMPTY)
        whole, scale = 38 - FIGURES[name].scale, FIGURES[name].scale
        expected = f"a decimal with at most {whole}.{scale} digits"
        _expect(holds, name, expected + (" or nothing" if may_be_empty else ""), found[name])
    return values


def _fields(text: str) -> list[str]:
    """Of a line, or of the header: names of columns are kept with their values."""
    if "\0" in text:
        raise LineRejected("a NUL, which no database can hold")
    text = text.removesuffix("\r")
    if '"' not in text:
        return text.split(",")
    try:
        # A quoted field that does not end on its line is refused, not continued on the next.
        return next(csv.reader([text], strict=True))
    except csv.Error as error:
        raise LineRejected(f"not CSV: {error}") from None


def _check_time(text: str, day: date) -> None:
    expected = "a time like 2025-01-01T00:00:00Z"
    _expect(_time.fullmatch(text), "time", expected, text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise LineRejected(f"time: expected {expected}, found {text!r}") from None
    _expect(text.startswith(day.isoformat()) and time.date() == day, "time", f"on {day}", text)


def _expect(holds: object, where: str, expected: str, found: str) -> None:
    if not holds:
        shown = found if len(found) <= 60 else found[:57] + "..."
        raise LineRejected(f"{where}: expected {expected}, found {shown!a}")


# --- the same coin and minute twice --------------------------------------------------------


def _settle(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[Rejection], int]:
    """Rows with a unique key, the lines that contradict them, and how many only repeat them."""
    in_order = rows.sort(_NUMBER)
    first = in_order.unique(KEY, keep="first", maintain_order=True)
    kept = first.select(list(SCHEMA)).sort(KEY)
    if first.height == rows.height:
        return kept, [], 0
    later = in_order.join(first.select(_NUMBER), on=_NUMBER, how="anti")
    pairs = later.join(first.drop(_OFFSET, _RAW), on=KEY, how="left", suffix="_first")
    values = [name for name in SCHEMA if name not in KEY]
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_first")) for name in values)
    wrong = pairs.filter(differs).sort(_NUMBER).select(*_PLACE, f"{_NUMBER}_first")
    contradicting = [
        Rejection(line_number, byte_offset, f"time, coin: contradicts line {before}", raw)
        for line_number, byte_offset, raw, before in wrong.iter_rows()
    ]
    return kept, contradicting, later.height - wrong.height
