"""SIGKILL: of the loader at any moment, and of several loaders that work on the same days."""

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from chaos.campaigns import Campaign, Context, Outcome
from chaos.installation import Installation
from chaos.loading import in_child, load
from chaos.months import FULL, Loads, Month, month_of
from tests.harness.kills import Steps, forks, killed_after

_FORKS = forks("chaos.kills")
_LONGEST = 300.0
PROCESSES = 4


def loader_killed(context: Context) -> Outcome:
    """Half of the kills come at a moment, half at a step of what the loader writes."""
    month = context.shared.get(month_of(context.count(FULL, least=2)))
    here = month.installation(context.folder)
    kills, full = {"moment": 0, "step": 0}, context.count(100, least=6)
    begun = time.monotonic()
    force = False
    while sum(kills.values()) < full:
        kind = "moment" if sum(kills.values()) % 2 else "step"
        was_killed, failed = _attempt(context, here, month.days, kind, force=force)
        if failed:
            return Outcome(False, f"a loader failed: {failed.splitlines()[-1]}", kills, (failed,))
        kills[kind] += was_killed
        # All is loaded before all kills came: it is loaded again, over what is there.
        force = force or not was_killed
    load(here.settings, month.days)
    misses = Loads.of(here).differences(month.expected) + _unaccounted(here)
    figure = f"{'identical' if not misses else 'NOT identical'} after {sum(kills.values())} kills"
    figure += f", {len(month.expected.tables)} tables, {len(month.expected.files)} lake objects"
    injected = {f"SIGKILL at a {kind}": count for kind, count in kills.items()}
    context.say(f"{time.monotonic() - begun:.0f} s of loads")
    return Outcome(not misses, figure, injected, misses)


def _attempt(
    context: Context, here: Installation, days: Sequence[date], kind: str, *, force: bool
) -> tuple[bool, str]:
    """Whether the loader was killed, and what it said where it failed by itself."""
    said = context.folder / "said"
    said.unlink(missing_ok=True)
    chance = context.random
    step = (chance.randrange(1, 400), chance.random() < 0.5) if kind == "step" else None
    arguments = (here.environment, days, force, str(said), step)
    process = _FORKS.Process(target=_load_to_step, args=arguments)
    process.start()
    seconds = chance.uniform(0.02, 3) if kind == "moment" else _LONGEST
    was_killed = killed_after(process, seconds)
    return was_killed, said_by(process, said)


def said_by(process: ForkServerProcess, said: Path) -> str:
    """Why a loader failed by itself; empty where it did not."""
    if process.exitcode in {0, -signal.SIGKILL}:
        return ""
    return said.read_text() if said.exists() else f"ended with {process.exitcode}"


def _load_to_step(
    environment: dict[str, str],
    days: Sequence[date],
    force: bool,
    said: str,
    step: tuple[int, bool] | None,
) -> None:
    if step is not None:
        Steps(*step).watch()
    in_child(environment, days, force, said)


def _unaccounted(here: Installation) -> tuple[str, ...]:
    """Objects of which lines are not rows, quarantined or blank: promise 1, from the ledger."""
    lake, found = here.settings.lake, []
    for path in Path(lake).glob("ledger/*/*.json"):
        from vigil_resources.files.ledger import LedgerEntry

        entry = LedgerEntry.from_json(path.read_bytes())
        kept = sum(part.rows for part in entry.parts)
        if kept != entry.rows:
            found.append(f"{entry.name}: {entry.rows} rows decoded, {kept} kept")
    return tuple(found)


@dataclass
class _Running:
    """A loader, the file for what it says, and when it is killed."""

    process: ForkServerProcess
    said: Path
    until: float


def loaders_at_once(context: Context) -> Outcome:
    """Four loaders, each of all days, the order of each its own, killed and started again."""
    month = context.shared.get(month_of(context.count(FULL, least=3)))
    here = month.installation(context.folder)
    full = context.count(24, least=5)
    kills = started = 0
    failures: list[str] = []
    running: list[_Running] = []
    # The last four are left alone.
    while started < full + PROCESSES or running:
        while len(running) < PROCESSES and started < full + PROCESSES:
            started += 1
            running.append(_started(context, here, month, f"said-{started}"))
        for one in list(running):
            if one.process.exitcode is None and kills < full and time.monotonic() > one.until:
                kills += killed_after(one.process, 0)
            if one.process.exitcode is not None:
                running.remove(one)
                failures += filter(None, [said_by(one.process, one.said)])
        time.sleep(0.01)
    load(here.settings, month.days)
    misses = Loads.of(here).differences(month.expected) + tuple(failures)
    figure = f"{'identical' if not misses else 'NOT identical'}, {started} loaders started"
    figure += f", {len(failures)} failed by themselves"
    return Outcome(not misses, figure, {"SIGKILL": kills, "loaders at once": PROCESSES}, misses)


def _started(context: Context, here: Installation, month: Month, said: str) -> _Running:
    chance = context.random
    days = chance.sample(month.days, len(month.days))
    file = context.folder / said
    arguments = (here.environment, days, chance.random() < 0.3, str(file))
    process = _FORKS.Process(target=in_child, args=arguments)
    process.start()
    return _Running(process, file, time.monotonic() + chance.uniform(0.2, 6))


CAMPAIGNS = (
    Campaign(
        1,
        "loader-killed",
        "Running again changes nothing: after any kill the same tables and files, byte for byte",
        "SIGKILL of the loader of a 30-day month, 50 at random moments and 50 at random steps",
        "100 kills; every table and lake object identical",
        loader_killed,
    ),
    Campaign(
        11,
        "loaders-at-once",
        "Several processes may work on the same days at once",
        "4 loaders of the same days, each in an order of its own, with 24 kills",
        "identical; no loader fails by itself",
        loaders_at_once,
    ),
)
