"""Odd bytes through the readers of balances and of market contexts, as `fuzz_fills` has it."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from chaos.campaigns import Campaign, Context, Outcome
from chaos.fuzz_fills import check_quarantined, cut, expect
from chaos.fuzz_people import check_json
from chaos.odd_lines import BAD_BYTES, DECIMALS, Leaves, OddLines
from tests.reference.slow_balances import (
    NO_RECORD,
    SlowPosition,
    SlowRecord,
    has_repeats,
    read_balances_line,
)
from tests.reference.slow_contexts import FIGURES, fields_of, read_context_line
from tests.reference.slow_reader import JSON_WHITESPACE, RejectedLineError
from vigil_core.artemis import balances
from vigil_core.artemis.balances import BalancesDay, read_object
from vigil_core.rejections import Rejection
from vigil_core.snapshots.asset_ctxs import HeaderUnreadable, decode_day

_LONG = re.compile(rb"[0-9]{300}")
_ADDRESSES = ["0x" + letter * 40 for letter in "abc"]
_POSITION = {
    "coin": "BTC",
    "szi": "-1.5",
    "positionValue": "150000.25",
    "liquidationPx": "3139259.083496369",
    "entryPx": "99000.1",
    "marginUsed": "7500.0125",
    "leverage": {"type": "cross", "value": 20},
    "maxLeverage": 40,
    "unrealizedPnl": "-1",
    "cumFunding": {"allTime": "442.5"},
}
_OTHER = _POSITION | {"coin": "xyz:TSLA", "szi": "0.0", "liquidationPx": None, "leverage": 3}
_MARGIN = {
    "accountValue": "58526426.0666060001",
    "totalNtlPos": "150000.25",
    "totalMarginUsed": "7500.0125",
    "totalRawUsd": "-5.5",
}


def _state(*positions: dict[str, Any]) -> dict[str, Any]:
    entries = [{"type": "oneWay", "position": position} for position in positions]
    return {"assetPositions": entries, "marginSummary": _MARGIN}


_RECORDS: list[Any] = [
    *(
        {
            "address": address,
            "timestamp": 1_762_041_600_000 + nth,
            "response": {"perpetual": _state(_POSITION, _OTHER), "spot": {"balances": []}},
        }
        for nth, address in enumerate(_ADDRESSES)
    ),
    {"user": "0x" + "AB" * 20, "timestamp": "2025-11-02T02:15:00.911", **_state(_POSITION)},
    {"address": _ADDRESSES[0], "response": {"perpetual": _state()}},
    # A coin of size 0 is read by the kernel only after one that was held.
    {"address": _ADDRESSES[1], **_state(_OTHER | {"szi": "2"}, _OTHER | {"coin": "BTC"})},
    {"_metadata": True, "records": 3},
]
_LEAVES: Leaves = {
    **dict.fromkeys((*_MARGIN, *("szi", "positionValue", "entryPx")), OddLines.decimal),
    **dict.fromkeys(("liquidationPx", "marginUsed"), OddLines.decimal),
    **dict.fromkeys(("maxLeverage", "value", "leverage"), OddLines.integer),
    **dict.fromkeys(("address", "user"), OddLines.address),
    "timestamp": lambda odd: odd.moment() if odd.chance.random() < 0.5 else odd.iso(),
    "coin": OddLines.text,
}


# --- balances ----------------------------------------------------------------------------------


def balances_text(odd: OddLines) -> bytes:
    """Some lines of an object."""
    lines = [odd.line(_RECORDS, _LEAVES) for _ in range(odd.chance.randint(1, 30))]
    return b"\n".join(lines) + odd.chance.choice([b"\n", b"", b"\n\n"])


def agree_on_balances(content: bytes, pieces: list[bytes]) -> BalancesDay:
    """Read an object both ways. Raises `Disagreement`.

    Only in what unknown keys hold may Vigil be content with less than JSON demands: it passes
    over their texts without reading them, and over numbers without counting their digits.
    """
    found = read_object(pieces)
    places = {r.line_number: r for r in found.rejected}
    latest: dict[str, tuple[int, SlowRecord]] = {}
    blank = others = records = offset = 0
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        rejection = places.pop(number, None)
        if rejection is not None:
            at = (rejection.byte_offset, rejection.raw)
            expect(at == (offset, line), "a rejected line's place", at, (offset, line))
            check_quarantined(rejection)
        offset += len(line) + 1
        if not line.strip(JSON_WHITESPACE):
            expect(rejection is None, "a blank line rejected", line)
            blank += 1
            continue
        says: SlowRecord | str | None = None
        try:
            says = read_balances_line(line)
        except RejectedLineError as refusal:
            says = _read_leniently(line) if rejection is None else None
            expect(says is not None or rejection is not None, f"taken, {refusal}", line)
        else:
            # The first of two values may be refused as well as the last, and what no float holds.
            is_deep = line.count(b"[") + line.count(b"{") > 100
            is_odd = is_deep or has_repeats(line) or _LONG.search(line)
            expect(rejection is None or is_odd, "rejected", rejection, line)
        if rejection is not None:
            continue
        if isinstance(says, str):
            others += 1
        elif says is not None:
            records += 1
            time = -1 if says.recorded_at is None else says.recorded_at
            if says.address not in latest or time >= latest[says.address][0]:
                latest[says.address] = (time, says)
    expect(not places, "rejected lines that there are not", places)
    counts = (found.lines, found.blank_lines, found.records)
    should = (len(lines), blank, records)
    expect(counts == should, "lines, blank, records", counts, should)
    passed = found.metadata_lines + found.lines_without_positions
    expect(passed == others, "lines that are no records", passed, others)
    _same_rows(found, [latest[address][1] for address in sorted(latest)])
    return found


def _read_leniently(line: bytes) -> SlowRecord | str | None:
    """What a line says, its odd characters replaced; None if even so it says nothing."""
    try:
        return read_balances_line(line.decode("utf-8", "replace").encode())
    except RejectedLineError:
        # Metadata may be malformed otherwise, as long as it is JSON and says what it is.
        return NO_RECORD if b"_metadata" in line else None


def _same_rows(found: BalancesDay, wanted: list[SlowRecord]) -> None:
    accounts = [(r.address, r.recorded_at, *(r.totals[nth] for nth in range(4))) for r in wanted]
    expect(found.accounts.rows() == accounts, "accounts", found.accounts.rows(), accounts)
    names = ["address", "recorded_at", *SlowPosition._fields]
    rows = found.positions.select(names).rows()
    held = [
        (r.address, r.recorded_at, *position)
        for r in wanted
        for position in sorted(r.positions, key=lambda p: p.coin)
    ]
    expect(rows == held, "positions", rows, held)


@contextmanager
def _buffers_of(size: int) -> Iterator[None]:
    usual, balances._BUFFER_BYTES = balances._BUFFER_BYTES, size
    try:
        yield
    finally:
        balances._BUFFER_BYTES = usual


# --- market contexts ---------------------------------------------------------------------------

_DAY = date(2025, 1, 1)
_COLUMNS = ["time", "coin", *FIGURES]


def contexts_text(odd: OddLines) -> bytes:
    """A header, mostly good, and some lines."""
    chance = odd.chance
    columns = list(_COLUMNS)
    if chance.random() < 0.4:
        columns.insert(
            chance.randint(0, 12), chance.choice(["new", "", "_text", "extra", "é", '"a"'])
        )
    if chance.random() < 0.2:
        chance.shuffle(columns)
    lines = [",".join(columns).encode()]
    if chance.random() < 0.1:
        lines[0] = odd.damaged(lines[0]).replace(b"\n", b" ")
    for _ in range(chance.randint(0, 30)):
        lines.append(_context_line(odd, columns))
    return chance.choice([b"\n", b"\n", b"\r\n"]).join(lines) + chance.choice([b"\n", b""])


def _context_line(odd: OddLines, columns: list[str]) -> bytes:
    chance = odd.chance
    clock = f"{chance.randint(0, 24):02}:{chance.choice([0, 1, 59, 60]):02}:00"
    given = dict.fromkeys(columns, "1.5") | {"coin": chance.choice(["BTC", "ETH", "k", "é"])}
    given["time"] = f"2025-01-{chance.choice(['01'] * 9 + ['02'])}T{clock}Z"
    for _ in range(chance.choice([0, 0, 1, 2])):
        name = chance.choice(columns)
        given[name] = chance.choice([*DECIMALS, "", "null", "x" * 65, '"1"', '"a,b"', '"', " "])
    line = ",".join(given[name] for name in columns).encode("utf-8", "surrogatepass")
    if chance.random() < 0.2:
        line = odd.damaged(line)
    if chance.random() < 0.05:
        line = chance.choice([b"", b" \t", b"\r", *BAD_BYTES])
    return line.replace(b"\n", b" ")


def agree_on_contexts(content: bytes, at: int) -> int:
    """Read a day both ways, its lines in two batches; the rows. Raises `Disagreement`."""
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    header = _header(lines[0]) if lines else None
    try:
        found = decode_day([lines[:at], lines[at:]], _DAY)
    except HeaderUnreadable as error:
        expect(header is None, f"no header, says {error}", lines[:1])
        return 0
    expect(header is not None, "a header", lines[0])
    assert header is not None
    rows: dict[tuple[int, str], dict[str, Any]] = {}
    refused: list[tuple[int, int, bytes]] = []
    blank = repeated = 0
    offset = len(lines[0]) + 1
    for number, line in enumerate(lines[1:], 2):
        if not line.strip(JSON_WHITESPACE):
            blank += 1
        else:
            try:
                row = read_context_line(line, header, _DAY)
            except RejectedLineError:
                refused.append((number, offset, line))
            else:
                first = rows.setdefault((row["time"], row["coin"]), row)
                if first != row:
                    refused.append((number, offset, line))
                repeated += first == row and first is not row
        offset += len(line) + 1
    _same_contexts(found.rejected, refused)
    counts = (found.lines, found.blank_lines, found.repeated)
    expect(counts == (len(lines), blank, repeated), "lines", counts, (len(lines), blank, repeated))
    wanted = [rows[key] for key in sorted(rows)]
    kept = found.rows.to_dicts()
    for row in kept:
        if row["extra"] is not None:
            row["extra"] = check_json(row["extra"])
    expect(kept == wanted, "rows", kept, wanted)
    return len(kept)


def _header(line: bytes) -> list[str] | None:
    try:
        names = fields_of(line.removeprefix(b"\xef\xbb\xbf"))
    except RejectedLineError:
        return None
    is_good = set(_COLUMNS) <= set(names) and len(set(names)) == len(names)
    return names if is_good else None


def _same_contexts(found: list[Rejection], wanted: list[tuple[int, int, bytes]]) -> None:
    places = [(r.line_number, r.byte_offset, r.raw) for r in found]
    expect(places == wanted, "rejected lines", places, wanted)
    for rejection in found:
        check_quarantined(rejection)


# --- the campaign ------------------------------------------------------------------------------


def fuzz_snapshots(context: Context) -> Outcome:
    """Both of them."""
    odd = OddLines(context.random)
    seen, misses = Counter[str](), list[str]()
    for nth in range(context.count(1_500, least=30)):
        content, text = balances_text(odd), contexts_text(odd)
        try:
            with _buffers_of(odd.chance.choice([64, 1_000, 1 << 20])):
                day = agree_on_balances(content, cut(odd, content))
            seen["lines of balances"] += day.lines
            seen["rejected"] += len(day.rejected)
            seen["positions"] += day.positions.height
            seen["contexts"] += agree_on_contexts(text, odd.chance.randint(0, 30))
            seen["lines of contexts"] += text.count(b"\n")
        except Exception as error:  # A crash is what is looked for.
            misses.append(f"{error!r:.900} in {nth}")
    figure = f"{len(misses)} texts read otherwise than by the standard library"
    return Outcome(not misses, figure, seen, tuple(misses))


CAMPAIGNS = [
    Campaign(
        34,
        "fuzz-snapshots",
        "any bytes are rows or quarantined at their exact place",
        "odd lines of balances and of market contexts",
        "no text read otherwise than by the standard library",
        fuzz_snapshots,
    ),
]
