"""Broken lines of every kind in three days of objects, through Dagster into Postgres.

Each stands between good lines, in objects of all three formats. What is looked at is what users
see: `quarantined_lines` and `data_health`, and the good lines' fills.
"""

import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import lz4.frame

from chaos.campaigns import Campaign, Context, Outcome
from tests.reference.hostile_lines import BUYER, make_block, make_fill, to_line
from tests.reference.hostile_older_lines import make_trade
from vigil_cli.ready import database_ready
from vigil_core.calendar import day_start_ms
from vigil_core.fills.source_keys import Generation, SourceHour
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.files.quarantine import bytes_of
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_resources.wiring import open_lake, open_warehouse

DAYS = {
    date(2025, 6, 20): Generation.TRADES,
    date(2025, 6, 21): Generation.FILLS,
    date(2025, 7, 28): Generation.BLOCKS,
}
_HOURS = (0, 11, 22)

Break = Callable[[random.Random, bytes], bytes]
"""A good line → one that is none."""


def _of_text(old: str, *new: str) -> Break:
    """Put one of some texts in the place of what a pattern matches first."""

    def broken(chance: random.Random, line: bytes) -> bytes:
        text, times = re.subn(old.encode(), lambda _: chance.choice(new).encode(), line, count=1)
        assert times == 1, old
        return text

    return broken


def _cut(chance: random.Random, line: bytes) -> bytes:
    return line[: chance.randrange(1, len(line))]


def _inside(*pieces: bytes) -> Break:
    """Put one of some bytes into the name of the coin."""

    def broken(chance: random.Random, line: bytes) -> bytes:
        return line.replace(b"BTC", b"B" + chance.choice(pieces) + b"C", 1)

    return broken


def _before(*pieces: bytes) -> Break:
    return lambda chance, line: chance.choice(pieces) + line


def _shape(chance: random.Random, line: bytes) -> bytes:
    shapes = [b"null", b"[]", b"{}", b"7", b'"x"', b"[[%b]]" % line, b"[1,2,3]", b'{"events":[]}']
    return chance.choice(shapes)


_DEEP = b"[" * 10_000
_DIGITS = "9" * 400

KINDS: dict[str, Break] = {
    "cut": _cut,
    "invalid UTF-8": _inside(b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xe2\x82"),
    "NUL": _inside(b"\0", b"\\u0000"),
    "half a surrogate pair": _inside(b"\\ud800", b"\\udfffx"),
    "byte order mark": _before(b"\xef\xbb\xbf", b"\xff\xfe"),
    "NaN": _of_text('"100000.5"', "NaN", "Infinity", '"NaN"', "-Infinity"),
    "number as text": _of_text(r'"oid":\d+', '"oid":"7"', '"oid":true', '"oid":7.0', '"oid":null'),
    "text as number": _of_text('"px":"100000.5"', '"px":100000.5', '"px":1', '"px":1e5'),
    "400 digits": _of_text('"0.25"', f'"{_DIGITS}"', _DIGITS, f'"0.{_DIGITS}"', '"1e400"'),
    "nested 10,000 deep": lambda chance, line: chance.choice(
        [_DEEP, _DEEP + b"]" * 10_000, line[:-1] + b',"x":' + _DEEP]
    ),
    "key twice": _of_text('"px":', '"px":"1.0","px":', '"\\u0070x":"1","px":', '"px" :"1","px":'),
    "key missing": _of_text('"sz":"0.25",', "", '"size":"0.25",'),
    "wrong shape": _shape,
    "two on a line": lambda _, line: line + line,
    "odd key twice": lambda chance, line: line.replace(
        b'"coin"',
        chance.choice([b'"\\u0000":1,"\\u0000":2,"coin"', b'"\\ud800":1,"\\ud800":1,"coin"']),
        1,
    ),
}
"""Each of them rejected, in each of the formats."""

GOOD_KINDS: dict[str, Break] = {
    "CRLF": lambda _, line: line + b"\r",
    "spaces": lambda chance, line: chance.choice([b" ", b"\t"]) + line.replace(b'":', b'" : '),
    "unknown key": _of_text('"coin"', '"new":1.5,"coin"', '"\\u006eew":[{}],"coin"'),
    "escape": _inside(b"\\u0054", b"\\ud83d\\ude00"),
}
"""Each of them odd, and read all the same."""

BLANKS = (b"", b" ", b"\t\r", b"\r")


@dataclass
class Planted:
    """What the objects hold."""

    rejected: dict[tuple[str, int], tuple[int, bytes]] = field(default_factory=dict)
    """By file and line, the offset and the bytes."""
    orders: Counter[int] = field(default_factory=Counter)
    """Fills of good lines, by their order's number."""
    kinds: Counter[str] = field(default_factory=Counter)
    blank: int = 0


def hours_of(day: date) -> list[SourceHour]:
    """The objects of one of the days."""
    return [SourceHour(day, hour, DAYS[day]) for hour in _HOURS]


def plant(root: Path, chance: random.Random, broken: int) -> Planted:
    """Write objects of three days with so many broken lines in all, as many good ones and more."""
    planted = Planted()
    hours = [hour for day in DAYS for hour in hours_of(day)]
    names = [*KINDS]
    numbers = count(1)
    for place, hour in enumerate(hours):
        share = broken * (place + 1) // len(hours) - broken * place // len(hours)
        content = b""
        lines = _lines(chance, hour, share, names, numbers, planted)
        for line_number, (text, kind) in enumerate(lines, 1):
            if kind in KINDS:
                planted.rejected[hour.file_id, line_number] = (len(content), text)
            content += text + b"\n"
        if place % 2:
            # A last line without a line feed is a line.
            content = content[:-1]
            planted.kinds["no last line feed"] += 1
        path = root / hour.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lz4.frame.compress(content, content_checksum=True))
    return planted


def _lines(
    chance: random.Random,
    hour: SourceHour,
    broken: int,
    names: list[str],
    numbers: Iterator[int],
    planted: Planted,
) -> Iterator[tuple[bytes, str]]:
    """Lines and their kinds; the last one is a good one."""
    for _ in range(broken):
        kind = names[planted.kinds.total() % len(names)]
        line = KINDS[kind](chance, _good(hour, next(numbers)))
        planted.kinds[kind] += 1
        yield line.replace(b"\n", b" "), kind
        if chance.random() < 0.1:
            planted.blank += 1
            yield chance.choice(BLANKS), "blank"
        for _ in range(chance.choice([0, 1, 1, 3])):
            yield _kept(chance, hour, next(numbers), planted)
    yield _kept(chance, hour, next(numbers), planted)


def _kept(
    chance: random.Random, hour: SourceHour, number: int, planted: Planted
) -> tuple[bytes, str]:
    line = _good(hour, number)
    planted.orders[number] += 1
    if hour.generation is Generation.TRADES:
        planted.orders[-number] += 1
    if chance.random() < 0.9:
        return line, "good"
    kind = chance.choice([*GOOD_KINDS])
    planted.kinds[kind] += 1
    return GOOD_KINDS[kind](chance, line), kind


def _good(hour: SourceHour, number: int) -> bytes:
    """A line of one fill or trade whose order no other has."""
    ms = day_start_ms(hour.day) + hour.hour * 3_600_000 + number
    at = datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    at += f".{ms % 1000:03d}000000"
    if hour.generation is Generation.TRADES:
        trade = make_trade(time=at)
        for party, oid in zip(trade["side_info"], (number, -number), strict=True):
            party["oid"] = oid
        return to_line(trade)
    fill = make_fill(time=ms, oid=number, tid=number)
    if hour.generation is Generation.FILLS:
        return to_line([BUYER, fill])
    return to_line(make_block(fill, block_number=number, block_time=at, local_time=at))


def own_environment(folder: Path) -> dict[str, str]:
    """Variables of an installation in a folder: nothing of the user's, and none of `.env`."""
    text = (PROJECT_ROOT / ".env.example").read_text()
    names = re.findall(r"(?m)^# ([A-Z0-9_]+)=", text)
    return {**os.environ, **dict.fromkeys(names, "")} | {
        "VIGIL_DATA_DIR": str(folder / "data"),
        "VIGIL_NODE_DATA": str(folder / "raw"),
        "DAGSTER_HOME": str(folder / "dagster_home"),
    }


def _backfill(environment: dict[str, str], first: date, last: date) -> None:
    select = "key:raw_fills or key:fills_parquet or key:fills"
    ran = subprocess.run(
        [sys.executable, "-m", "vigil_cli", "backfill", f"{first}", f"{last}", "--select", select],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"the backfill ended with {ran.returncode}: {ran.stderr[-2_000:]}")


def broken_lines(context: Context) -> Outcome:
    """Campaign 5."""
    planted = plant(context.folder / "raw", context.random, context.count(10_000, least=60))
    environment = own_environment(context.folder)
    settings = Settings.from_environment(environment)
    first, middle, last = DAYS
    with database_ready(settings):
        _backfill(environment, first, middle)
        _backfill(environment, last, last)
        misses = [*_differences(open_warehouse(settings), settings, planted)]
    figure = f"{len(planted.rejected):,} quarantined, {len(misses)} differences"
    injected = {**planted.kinds, "blank": planted.blank}
    return Outcome(not misses, figure, injected, tuple(misses))


def _differences(warehouse: Warehouse, settings: Settings, planted: Planted) -> Iterator[str]:
    def rows(statement: str) -> list[tuple[Any, ...]]:
        with warehouse.connect(read_only=True) as connection:
            return connection.execute(statement).fetchall()

    found = rows("SELECT file_id, line_number, byte_offset, raw, reason FROM quarantined_lines")
    kept = {(file_id, number): (offset, raw) for file_id, number, offset, raw, _ in found}
    for at in sorted(kept.keys() ^ planted.rejected.keys()):
        raw = planted.rejected.get(at, kept.get(at, (0, b"")))[1]
        yield f"{at} {'is' if at in kept else 'is not'} in quarantined_lines: {raw[:300]!r}"
    for at, (offset, raw) in planted.rejected.items():
        shown = raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        if at in kept and kept[at] != (offset, shown):
            yield f"{at} stands at {kept[at][0]}, not {offset}, or reads otherwise"
    yield from (f"{row[:2]} has no reason" for row in found if not row[4])
    orders = Counter(oid for (oid,) in rows("SELECT oid FROM fills"))
    for oid in (orders - planted.orders) | (planted.orders - orders):
        yield f"order {oid}: {orders[oid]} fills, not {planted.orders[oid]}"
    health = dict(rows("SELECT day, rejected_lines FROM data_health"))
    for day in DAYS:
        wanted = sum(file_id.startswith(f"{day:%Y%m%d}/") for file_id, _ in planted.rejected)
        if health.get(str(day)) != wanted:
            yield f"data_health of {day} says {health.get(str(day))} lines, not {wanted}"
    lake = open_lake(settings)
    for day in DAYS:
        for hour in hours_of(day):
            for line in lake.rejections(hour):
                _, raw = planted.rejected.get((hour.file_id, line["line_number"]), (0, b""))
                if bytes_of(line) != raw:
                    yield f"{hour.name} line {line['line_number']}: not the bytes that came"


CAMPAIGNS = [
    Campaign(
        5,
        "broken-lines",
        "every line is accounted for",
        "10,000 broken lines of every kind in objects of all three formats, through Dagster",
        "each quarantined at its exact place, nothing else lost",
        broken_lines,
    ),
]
