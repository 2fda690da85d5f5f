"""SIGKILL through Dagster: of the workers of runs, and of the daemon, under a real `vigil up`."""

import os
import signal
import time
from dataclasses import replace
from datetime import date, timedelta

import dagster as dg

from bench.backfills import (
    ENDED,
    Place,
    differences,
    launch,
    place,
    processes,
    running,
    wait_for,
    whole_line,
)
from chaos.campaigns import Campaign, Context, Outcome
from vigil_cli.ready import dagster_ready
from vigil_sandbox.info_server import UNHURRIED, Answers, InfoServer
from vigil_sandbox.world import TINY, write_world

VICTIMS = ("worker", "daemon")
_NOTICED_WITHIN = 90.0
"""Seconds after the last kill in which no run may be left that nobody works on."""
_UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def runs_killed(context: Context) -> Outcome:
    """A backfill of the whole line by the daemon, what it left undone done by `vigil backfill`."""
    spec = replace(TINY, day_count=max(2, context.count(4)))
    root = context.folder / "raw"
    write_world(spec, root)
    days = [spec.first_day + timedelta(days=n) for n in range(spec.day_count)]
    with InfoServer(Answers.of_world(root), UNHURRIED) as api:
        undisturbed = place(context.folder / "undisturbed", root, api.url)
        undisturbed.vigil("backfill", str(days[0]), str(days[-1]))
        attacked = place(context.folder / "attacked", root, api.url)
        kills, left = _attack(context, attacked, days)
        attacked.vigil("backfill", str(days[0]), str(days[-1]))
        with dagster_ready(undisturbed.settings), dagster_ready(attacked.settings):
            found = differences(undisturbed.settings, attacked.settings)
    misses = tuple(f"{name}: other" for name in found)
    misses += tuple(f"run {run} is left {status}" for run, status in left)
    figure = f"{'identical' if not misses else 'NOT identical'}; {len(left)} runs left under way"
    injected = {f"SIGKILL of a {victim}": count for victim, count in kills.items()}
    return Outcome(not misses, figure, injected, misses)


def _attack(
    context: Context, there: Place, days: list[date]
) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Kills by victim, and the runs that are left under way with nobody at them."""
    full, kills = context.count(10, least=2), dict.fromkeys(VICTIMS, 0)
    names = whole_line(there)
    with running(there) as (address, _):
        backfill = launch(address, names, days)
        pause = 0.0
        while sum(kills.values()) < full:
            if wait_for(address, backfill, pause) in ENDED:
                # It ended before all kills came: once more, over what is there.
                backfill = launch(address, names, days)
            victim = VICTIMS[sum(kills.values()) % len(VICTIMS)]
            found = [pid for pid, role in processes(there) if role == victim]
            if found:
                os.kill(context.random.choice(found), signal.SIGKILL)
                kills[victim] += 1
                context.say(f"killed a {victim}")
            pause = context.random.uniform(4, 12) if found else 1.0
        wait_for(address, backfill, 600)
        return kills, _left(there)


def _left(there: Place) -> list[tuple[str, str]]:
    deadline = time.monotonic() + _NOTICED_WITHIN
    with dagster_ready(there.settings) as instance:
        while True:
            runs = instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY))
            if not runs or time.monotonic() > deadline:
                return [(run.run_id, run.status.value) for run in runs]
            time.sleep(2)


CAMPAIGNS = (
    Campaign(
        2,
        "runs-killed",
        "Running again changes nothing, through Dagster too, and no run stays started",
        "SIGKILL of workers of runs and of the daemon, 10 times, while it backfills the whole line",
        "every table but those of the runs identical; no run left under way",
        runs_killed,
    ),
)
