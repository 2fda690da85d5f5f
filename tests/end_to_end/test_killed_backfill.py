"""A backfill by Dagster's daemon whose worker, daemon and database are killed on the way."""

from datetime import timedelta
from pathlib import Path

import pytest

from bench.backfills import (
    BODIES,
    RUNS,
    STARTS,
    TICKS,
    VICTIMS,
    Killer,
    by_daemon,
    differences,
    in_process,
    place,
    split,
    tables,
    world_of,
)
from vigil_core.calendar import days_between
from vigil_resources.wiring import embedded_postgres
from vigil_sandbox.info_server import UNHURRIED, Answers, InfoServer
from vigil_sandbox.world import TINY


def test_each_moment_is_counted_once_for_the_most_useful_thing_that_went_on() -> None:
    spans = [
        # The second run starts while the first one works; between its bodies nothing else goes on.
        *[(STARTS, 2.0, 5.0), (RUNS, 5.0, 20.0), (BODIES, 6.0, 9.0), (BODIES, 8.0, 12.0)],
        *[(STARTS, 11.0, 14.0), (RUNS, 14.0, 30.0), (BODIES, 15.0, 28.0)],
        # What was before the launch, or is after the end, is not counted.
        *[(BODIES, -5.0, 1.0), (BODIES, 38.0, 50.0)],
    ]

    seconds = split(spans, begun=0.0, ended=40.0)

    assert seconds == {
        BODIES: 1 + 6 + 13 + 2,
        RUNS: 1 + 3 + 2,
        STARTS: 3,
        TICKS: 1 + 8,
    }
    assert sum(seconds.values()) == 40


@pytest.mark.campaign
@pytest.mark.timeout(900)
def test_a_killed_backfill_resumed_by_one_command_ends_as_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Several runs after one another, so that there is something to resume.
    monkeypatch.setenv("VIGIL_BATCH_DAYS", "2")
    world, root = world_of(TINY, 4, tmp_path)
    days = list(days_between(world.first_day, world.first_day + timedelta(days=3)))
    with InfoServer(Answers.of_world(root), UNHURRIED) as api:
        one, other = (place(tmp_path / name, root, api.url) for name in ("one", "other"))
        for there in (one, other):
            there.folder.mkdir()
        with (
            embedded_postgres(one.settings).session(),
            embedded_postgres(other.settings).session(),
        ):
            in_process(one, days[0], days[-1])
            killer = Killer(other, len(VICTIMS), 8, 90)
            by_daemon(other, days, killer, 180)

            assert [victim for victim, _ in killer.killed] == list(VICTIMS)
            assert len(tables(one.settings)) > 50
            assert differences(one.settings, other.settings) == ()
