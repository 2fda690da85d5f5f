"""How raw objects arrive: twice, under two names, in any order, late, changed, or not at all."""

import json
import os
import random
import shutil
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import lz4.frame

from chaos.campaigns import Campaign, Context, Outcome
from chaos.installation import Installation
from chaos.loading import load
from chaos.months import FULL, Loads, Month, linked, month_of
from vigil_sandbox.node_writer import compressed

MOST_LATE_DAYS = 10


def lines_of(path: Path) -> list[bytes]:
    """The lines of a raw object."""
    lines: list[bytes] = lz4.frame.decompress(path.read_bytes()).splitlines(keepends=True)
    return lines


def rewrite(path: Path, lines: Iterable[bytes]) -> None:
    """Put other lines in the place of a raw object, whose file others may share."""
    beside = path.with_suffix(".part")
    beside.write_bytes(compressed(b"".join(lines)))
    beside.replace(path)


def _verdict(misses: Sequence[str], what: str) -> str:
    return f"{'identical' if not misses else 'NOT identical'}: {what}"


# --- 6: the same again ---------------------------------------------------------------------


def delivered_twice(context: Context) -> Outcome:
    """Three ways of getting the same again, one after the other."""
    month = context.shared.get(month_of(context.count(10, least=2)))
    here = month.installation(context.folder, context.folder / "raw")
    raw = context.folder / "raw"
    misses: list[str] = []
    for path in month.objects():
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(month.raw / path, raw / path)
    shutil.copy(month.raw / "sandbox.json", raw / "sandbox.json")
    load(here.settings, month.days)
    misses += _compared(here, month, "delivered")
    for path in month.objects():
        # Another file of the same bytes, as a second upload makes one.
        rewritten = raw / path.with_suffix(".again")
        shutil.copy(month.raw / path, rewritten)
        rewritten.replace(raw / path)
    load(here.settings, month.days)
    misses += _compared(here, month, "delivered twice")
    for path in month.objects():
        hour = int(path.stem)
        for other in (
            f"{hour:02d}.lz4.1",
            f"0{hour:02d}.lz4",
            f"{hour}.lz4~",
            f"copy of {hour}.lz4",
        ):
            os.link(raw / path, (raw / path).with_name(other))
    load(here.settings, month.days)
    misses += _compared(here, month, "under two names")
    repeated = _repeat_lines(context.random, month, raw)
    load(here.settings, month.days)
    found, expected = Loads.whatever_the_etags(here).tables, month.expected_of_copies.tables
    same = ("fills", *(name for name in expected if name.startswith("fill_days.")))
    misses += [f"lines repeated: {name}" for name in same if found.get(name) != expected[name]]
    (counted,) = here.rows("SELECT sum(repeated_count) FROM day_state")
    count = len(month.objects())
    what = f"{count} objects; {counted[0] or 0:,} fills told as repeated by the load"
    injected = {"delivered twice": count, "under two names": count, "lines repeated": repeated}
    return Outcome(not misses, _verdict(misses, what), injected, tuple(misses))


def _compared(here: Installation, month: Month, when: str) -> list[str]:
    found = Loads.whatever_the_etags(here).differences(month.expected_of_copies)
    return [f"{when}: {one}" for one in found]


def _repeat_lines(chance: random.Random, month: Month, raw: Path) -> int:
    """Repeat lines inside each object, and put some of the object before into it."""
    repeated, before = 0, list[bytes]()
    for path in month.objects():
        lines = lines_of(month.raw / path)
        again = chance.sample(lines, max(1, len(lines) // 3)) if lines else []
        again += before[-3:]
        for line in again:
            # Behind its first delivery, as a writer repeats that starts again.
            least = lines.index(line) + 1 if line in lines else 0
            lines.insert(chance.randrange(least, len(lines) + 1), line)
        rewrite(raw / path, lines)
        repeated += len(again)
        before = lines_of(month.raw / path)
    return repeated


# --- 7 and 25: any order -------------------------------------------------------------------


@dataclass(frozen=True)
class _Arrival:
    """When an object arrives, in hours from the beginning."""

    at: float
    path: Path
    half: bool = False
    """Only its first half comes, to be replaced later."""


def random_orders(context: Context) -> Outcome:
    """Days of which hours come in order, late by up to ten days, and one first as a half."""
    month = context.shared.get(month_of(4))
    orders, misses = context.count(20, least=2), list[str]()
    late = replaced = loads = 0
    for order in range(orders):
        arrivals = _arrivals(context.random, month.objects())
        late += sum(one.at > 24 * len(month.days) for one in arrivals)
        replaced += sum(one.half for one in arrivals)
        folder = context.folder / str(order)
        here = month.installation(folder, folder / "raw")
        loads += _arrive(here, month, arrivals, every_hours=48)
        misses += [f"order {order}: {d}" for d in Loads.of(here).differences(month.expected)]
    what = f"{orders} orders, {loads} loads of a day, the orderly load has {len(month.days)}"
    injected = {"orders": orders, "hours late": late, "hours replaced": replaced}
    return Outcome(not misses, _verdict(misses, what), injected, tuple(misses))


def _arrivals(chance: random.Random, objects: Sequence[Path]) -> list[_Arrival]:
    found = []
    for number, path in enumerate(objects):
        is_late = chance.random() < 0.25
        found.append(_Arrival(number + is_late * chance.uniform(1, 24 * MOST_LATE_DAYS), path))
    chosen = chance.choice(found)
    found.append(_Arrival(chosen.at - 1, chosen.path, half=True))
    return sorted(found, key=lambda one: one.at)


def _arrive(
    here: Installation, month: Month, arrivals: Sequence[_Arrival], every_hours: float
) -> int:
    """Deliver, and load now and then what is there by then; gives the days loaded."""
    raw, loads, due = Path(here.settings.node_data), 0, every_hours
    linked(month, raw, [])
    for arrival in arrivals:
        while arrival.at > due:
            loads += load(here.settings, _days_in(raw, month))
            due += every_hours
        linked(month, raw, [arrival.path])
        if arrival.half:
            lines = lines_of(raw / arrival.path)
            rewrite(raw / arrival.path, lines[: len(lines) // 2])
    return loads + load(here.settings, month.days)


def _days_in(raw: Path, month: Month) -> list[date]:
    """Days of which something is there; what is not has nothing to load."""
    present = {path.parent.name for path in raw.glob("node_fills_by_block/hourly/*/*.lz4")}
    return [day for day in month.days if f"{day:%Y%m%d}" in present]


def random_month(context: Context) -> Outcome:
    """Every hour of a month in an order that is none."""
    month = context.shared.get(month_of(context.count(FULL, least=2)))
    objects = month.objects()
    context.random.shuffle(objects)
    here = month.installation(context.folder, context.folder / "raw")
    arrivals = [_Arrival(number, path) for number, path in enumerate(objects)]
    loads = _arrive(here, month, arrivals, every_hours=len(objects) / 5)
    misses = Loads.of(here).differences(month.expected)
    swapped = sum(a > b for a, b in zip(objects, objects[1:], strict=False))
    what = f"{len(objects)} hours of {len(month.days)} days, {loads} loads of a day"
    return Outcome(not misses, _verdict(misses, what), {"hours before their time": swapped}, misses)


# --- 8: what does not come -----------------------------------------------------------------


def hours_removed(context: Context) -> Outcome:
    """Hours and half-hours of blocks taken out, none beside another; put back afterwards."""
    month = context.shared.get(month_of(context.count(FULL, least=3)))
    raw = context.folder / "raw"
    here = month.installation(context.folder, raw)
    linked(month, raw)
    full = context.count(50, least=5)
    chosen = _apart(context.random, month, 2 * full)
    gone, halved = chosen[:full], chosen[full:]
    for path in gone:
        (raw / path).unlink()
    holes = {_numbers(lines_of(month.raw / path)) for path in gone}
    for path in halved:
        lines = _blocks(lines_of(month.raw / path))
        middle = len(lines) // 2
        kept, lost = (lines[:middle], lines[middle:])
        if context.random.random() < 0.5:
            kept, lost = lost, kept
        rewrite(raw / path, kept)
        holes.add(_numbers(lost))
    load(here.settings, month.days)
    misses = _against(
        "missing_hours",
        set(here.rows("SELECT replace(day, '-', '') || '/' || hour FROM missing_hours")),
        {(f"{path.parent.name}/{int(path.stem)}",) for path in gone},
    )
    misses += _against(
        "missing_blocks",
        set(here.rows("SELECT after_block + 1, before_block - 1 FROM missing_blocks")),
        holes,
    )
    reported = len(gone) + len(halved) - len(misses)
    linked(month, raw)
    load(here.settings, month.days)
    misses += [f"put back: {one}" for one in Loads.of(here).differences(month.expected)]
    left = here.rows(
        "SELECT (SELECT count(*) FROM missing_hours), (SELECT count(*) FROM missing_blocks)"
    )
    misses += [f"put back, still missing: {left[0]}"] if left != [(0, 0)] else []
    figure = f"{reported} of {len(chosen)} reported, "
    figure += f"{sum('invented' in one for one in misses)} invented; put back: "
    figure += _verdict([one for one in misses if one.startswith("put back")], "as never gone")
    injected = {"hours removed": len(gone), "half-hours removed": len(halved)}
    return Outcome(not misses, figure, injected, tuple(misses))


def _apart(chance: random.Random, month: Month, count: int) -> list[Path]:
    """Objects none of which follows another, with blocks for two halves, not at an end."""
    objects = month.objects()
    own = [n for n, path in enumerate(objects) if path.parent.name in _names(month.days)]
    own = [n for n in own[1:] if n < len(objects) - 2]
    chance.shuffle(own)
    taken: set[int] = set()
    for number in own:
        enough = len(_blocks(lines_of(month.raw / objects[number]))) >= 2
        if enough and not taken & {number - 1, number, number + 1}:
            taken.add(number)
        if len(taken) == count:
            break
    found = [objects[number] for number in taken]
    chance.shuffle(found)
    return found


def _names(days: Sequence[date]) -> set[str]:
    return {f"{day:%Y%m%d}" for day in days}


def _blocks(lines: Sequence[bytes]) -> list[bytes]:
    """Without the lines that were broken for the month."""
    return [line for line in lines if line.startswith(b'{"local_time"') and line.endswith(b"]}\n")]


def _numbers(lines: Sequence[bytes]) -> tuple[int, int]:
    blocks = _blocks(lines)
    return json.loads(blocks[0])["block_number"], json.loads(blocks[-1])["block_number"]


def _against(
    what: str, found: Set[tuple[object, ...]], expected: Set[tuple[object, ...]]
) -> list[str]:
    lost = [f"{what}: {one} is not reported" for one in sorted(expected - found, key=str)]
    return lost + [f"{what}: {one} is invented" for one in sorted(found - expected, key=str)]


CAMPAIGNS = (
    Campaign(
        6,
        "delivered-twice",
        "Running again changes nothing: a fill delivered more than once is kept once",
        "every file delivered twice; under two names; a third of the lines repeated inside",
        "identical",
        delivered_twice,
    ),
    Campaign(
        7,
        "arrival-orders",
        "Late and changed files are welcome",
        "20 random arrival orders, hours up to 10 days late, one hour first as a half, then whole",
        "identical to the orderly load",
        random_orders,
    ),
    Campaign(
        8,
        "hours-removed",
        "Missing is reported, never filled in",
        "50 hours and 50 half-hours of a month removed, later put back",
        "100 reported, none invented; put back, identical",
        hours_removed,
    ),
    Campaign(
        27,
        "month-in-any-order",
        "Late and changed files are welcome",
        "every hour of a month in an order that is none, loaded five times meanwhile",
        "identical to the orderly load",
        random_month,
    ),
)
