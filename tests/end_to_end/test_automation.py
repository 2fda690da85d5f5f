"""Days arrive hour by hour, late, again and corrected; nobody lifts a hand."""

import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench.arrivals import HOURS, Ticks, orderly, plan, simulate
from tests.conftest import Installation, installed
from vigil_cli.ready import dagster_ready
from vigil_resources.settings import PROJECT_ROOT
from vigil_resources.wiring import open_warehouse
from vigil_sandbox.info_server import UNHURRIED, Answers, InfoServer, settings_unhurried
from vigil_sandbox.world import TINY, write_world

SPEC = replace(TINY, day_count=3)
FIRST, LAST = SPEC.first_day, SPEC.first_day + timedelta(days=SPEC.day_count - 1)
SEED = 6


@contextmanager
def a_vigil(folder: Path, raw: Path, api: str, automation: str = "off") -> Iterator[Installation]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIGIL_COINS", "BTC,ETH")
        for name, value in settings_unhurried(api).items():
            patch.setenv(name, value)
        patch.setenv("VIGIL_AUTOMATION", automation)
        with installed(folder, raw, patch) as vigil:
            yield vigil


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_arrives_in_disorder_ends_as_one_orderly_load(tmp_path: Path) -> None:
    world, raw = tmp_path / "world", tmp_path / "raw"
    write_world(SPEC, world)
    arrivals = plan(world, SEED, share=0.06, longest=timedelta(days=2))
    kinds = Counter(one.kind for one in arrivals)
    assert min(kinds[kind] for kind in ("late", "again", "corrected")) > 0, kinds
    raw.mkdir()
    shutil.copy(world / "sandbox.json", raw)
    with InfoServer(Answers.of_world(world), UNHURRIED) as api:
        with a_vigil(tmp_path / "whole", world, api.url) as vigil:
            expected = orderly(vigil.settings, FIRST, LAST)
        with a_vigil(tmp_path / "hours", raw, api.url) as vigil:
            found = simulate(world, raw, arrivals, vigil.settings, timedelta(hours=24))

    assert found.ticks.failures == []
    different = [name for name in expected if found.digests[name] != expected[name]]
    assert different == []
    # Files neither pile up, nor does what a day takes.
    assert found.memory[-1][1] <= found.memory[1][1] + 5


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_labels_of_a_day_are_complete_when_four_hours_of_the_next_are_there(
    tmp_path: Path,
) -> None:
    world, raw = tmp_path / "world", tmp_path / "raw"
    write_world(replace(TINY, day_count=2), world)
    following = FIRST + timedelta(days=1)
    shutil.copytree(world / HOURS / f"{FIRST:%Y%m%d}", raw / HOURS / f"{FIRST:%Y%m%d}")
    (raw / HOURS / f"{following:%Y%m%d}").mkdir()
    shutil.copy(world / "sandbox.json", raw)
    unlabelled = "SELECT count(*) AS n FROM snapshot_labels WHERE label_status = 'pending'"
    pending = []
    with (
        InfoServer(Answers.of_world(world), UNHURRIED) as api,
        a_vigil(tmp_path, raw, api.url) as vigil,
        dagster_ready(vigil.settings) as instance,
    ):
        ticks = Ticks(vigil.settings, instance)
        for hours in (range(4), range(4, 5), range(5, 8)):
            for hour in hours:
                key = Path(HOURS) / f"{following:%Y%m%d}" / f"{hour}.lz4"
                shutil.copy(world / key, raw / key)
            now = datetime(
                following.year, following.month, following.day, hours[-1] + 1, 5, 0, 0, UTC
            )
            while ticks.arrive(now):
                pass
            ticks.follow(now)
            pending.append(vigil.records(unlabelled)[0]["n"])

    assert ticks.failures == []
    assert pending[0] > 0
    assert pending[1:] == [0, 0]
    assert ticks.built["candles", str(following)] == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_daemon_loads_an_hour_within_a_minute_and_its_aggregates_follow(
    tmp_path: Path,
) -> None:
    today = datetime.now(UTC).date()
    spec = replace(TINY, day_count=1, first_day=today)
    world, raw = tmp_path / "world", tmp_path / "raw"
    write_world(spec, world)
    (raw / HOURS / f"{today:%Y%m%d}").mkdir(parents=True)
    shutil.copy(world / "sandbox.json", raw)
    with (
        InfoServer(Answers.of_world(world), UNHURRIED) as api,
        a_vigil(tmp_path, raw, api.url, "on") as vigil,
        dagster_ready(vigil.settings),
    ):
        daemon = [Path(sys.executable).with_name("dagster-daemon"), "run", "-w", "workspace.yaml"]
        log = (tmp_path / "daemon.log").open("w")
        with log, subprocess.Popen(
            daemon, cwd=PROJECT_ROOT, stdout=log, stderr=log, start_new_session=True,
            env=dict(os.environ),
        ) as process:  # fmt: skip
            try:
                # Its first look at an empty folder.
                assert _waited(lambda: "raw_arrivals" in Path(log.name).read_text(), 240)
                time.sleep(5)
                for hour in (0, 1):
                    shutil.copy(
                        world / HOURS / f"{today:%Y%m%d}" / f"{hour}.lz4",
                        raw / HOURS / f"{today:%Y%m%d}" / f"{hour}.lz4",
                    )
                warehouse = open_warehouse(vigil.settings)
                began = time.monotonic()
                assert _waited(lambda: warehouse.loaded_days() == {today}, 180)
                loaded = time.monotonic() - began
                assert _waited(lambda: today in warehouse.current_days("trader_daily"), 180)
                print(f"loaded after {loaded:.0f} s, added up after {time.monotonic() - began:.0f}")
            finally:
                process.terminate()
                process.wait(60)
        # Of a day that has not ended nothing else is made.
        assert warehouse.current_days("round_trips") == set()


def _waited(holds: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.5)
    return False
