"""Wrong clocks, and hours that arrive every second: what days hold comes from the fills alone."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from chaos.campaigns import Campaign, Context, Outcome
from chaos.installation import Installation
from chaos.loading import follow
from chaos.months import FULL, Loads, Month, linked, month_of
from tests.harness.clocks import clock, jumping
from tests.harness.kills import forks
from vigil_resources.settings import PROJECT_ROOT

_FORKS = forks("chaos.clocks")
_FLAT = 0.05


# --- 13: wrong clocks ----------------------------------------------------------------------


def clocks_wrong(context: Context) -> Outcome:
    """One load by clock: behind, ahead, over midnight, over the end of a month, jumping."""
    month = context.shared.get(month_of(3))
    first, last = month.days[0], month.days[-1]
    after = datetime.combine(last + timedelta(days=1), datetime.min.time())
    settings: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {
        "a day behind": (["-1d"], {}),
        "a day ahead": (["+1d"], {}),
        "a second before midnight, after the last day": ([f"@{after - timedelta(seconds=1)}"], {}),
        "the end of a month": (["@2025-09-30 23:59:58"], {}),
        "an hour that comes twice": (["@2025-11-02 01:59:58"], {"TZ": "America/New_York"}),
        "jumping back and forth": (["+0", "-1d", "+1d", "-3600"], {}),
        "another time zone": (["+0"], {"TZ": "Pacific/Kiritimati"}),
    }
    chosen = list(settings.items())[: context.count(len(settings), least=3)]
    if len(chosen) < len(settings):
        chosen.append(("jumping back and forth", settings["jumping back and forth"]))
    misses: list[str] = []
    for number, (name, (clocks, further)) in enumerate(chosen):
        here = month.installation(context.folder / str(number))
        jumps = jumping(context.folder / "clock", list(clocks), 0.3)
        with jumps if len(clocks) > 1 else nullcontext(clock(clocks[0])) as faked:
            ended = _loaded(here, first, last, {**faked, **further})
        if ended.returncode:
            misses.append(f"{name}: the load failed: {ended.stderr[-1500:]}")
        elif not json.loads(ended.stdout)["days"]:
            misses.append(f"{name}: nothing was loaded")
        misses += [f"{name}: {one}" for one in Loads.of(here).differences(month.expected)]
    figure = f"{'identical' if not misses else 'NOT identical'} by {len(chosen)} clocks"
    return Outcome(not misses, figure, {name: 1 for name, _ in chosen}, tuple(misses))


def _loaded(
    here: Installation, first: date, last: date, given: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chaos.loading", str(first), str(last)],
        cwd=PROJECT_ROOT,
        env={**here.environment, **given},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


# --- 24: hours every second ----------------------------------------------------------------


@dataclass(frozen=True)
class _Held:
    """What a process holds at a moment."""

    memory_kb: int
    files: int


def hours_every_second(context: Context) -> Outcome:
    """A process that loads whatever has come, for as long as an hour comes every second.

    `VIGIL_CHAOS_SECONDS` makes it longer: 600 for the ten minutes of the reference.
    """
    seconds = int(os.environ.get("VIGIL_CHAOS_SECONDS", context.count(120, least=60)))
    month = context.shared.get(month_of(FULL if seconds > 300 else 4))
    raw = context.folder / "raw"
    here = month.installation(context.folder, raw)
    linked(month, raw, [])
    arguments = (here.environment, month.days, str(context.folder / "said"))
    process = _FORKS.Process(target=follow, args=arguments)
    process.start()
    assert process.pid is not None
    held: list[_Held] = []
    objects = month.objects()
    begun = time.monotonic()
    for number in range(seconds):
        # Once all came they come again, as other files: the day is listed anew and compared.
        linked(month, raw, [objects[number % len(objects)]])
        time.sleep(max(0.0, begun + number + 1 - time.monotonic()))
        if process.exitcode is not None:
            return _ended_early(context)
        held.append(_held(process.pid))
    process.kill()
    process.join()
    return _flat(held, _loaded_days(here), month)


def _ended_early(context: Context) -> Outcome:
    said = (context.folder / "said").read_text()
    return Outcome(False, "the loader ended", {"hours": 1}, (said,))


def _held(pid: int) -> _Held:
    status = Path(f"/proc/{pid}/status").read_text()
    (memory,) = re.findall(r"VmRSS:\s+([0-9]+) kB", status)
    return _Held(int(memory), len(list(Path(f"/proc/{pid}/fd").iterdir())))


def _loaded_days(here: Installation) -> int:
    return int(here.rows("SELECT count(*) FROM day_state")[0][0])


def _flat(held: Sequence[_Held], days: int, month: Month) -> Outcome:
    """Against the middle of the second third: what the first loads allocate is no growth."""
    third = len(held) // 3
    before, after = held[third : 2 * third], held[2 * third :]
    memory = [statistics.median(one.memory_kb for one in part) for part in (before, after)]
    files = [statistics.median(one.files for one in part) for part in (before, after)]
    grown, opened = memory[1] / memory[0] - 1, files[1] / files[0] - 1
    passed = grown <= _FLAT and opened <= _FLAT and days > 0
    figure = f"memory {memory[1] / 1024:.0f} MB ({grown:+.1%}), open files {files[1]:.0f}"
    figure += f" ({opened:+.1%}) over {len(held)} hours, {days} days of {len(month.days)} loaded"
    return Outcome(passed, figure, {"hours": len(held), "days": days})


CAMPAIGNS = (
    Campaign(
        13,
        "clocks-wrong",
        "Time comes from the fills: what a day holds does not depend on the machine's clock",
        "a clock a day off either way, over midnight, over the end of a month, over an hour that"
        " comes twice, jumping back and forth, in another time zone",
        "the same partitions: every table and lake object identical",
        clocks_wrong,
    ),
    Campaign(
        24,
        "hours-every-second",
        "Running for long costs no more than running for a while",
        "hours arriving every second, each loaded at once by one process",
        "memory and open files flat (+5 %)",
        hours_every_second,
    ),
)
