"""Backfills that are stopped, that fail in part, that meet: the same end as in one go."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._grpc.client import DagsterGrpcClient

from tests.conftest import Installation, installed
from vigil_assets.launcher import PROCESS_TAG, LocalRunLauncher, this_process
from vigil_cli.backfill import backfill
from vigil_cli.ready import dagster_ready
from vigil_core.errors import PartitionsFailed
from vigil_resources.database.embedded_postgres import free_port
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

WORLD = replace(TINY, day_count=3)
FIRST = WORLD.first_day
DAYS = [FIRST + timedelta(days=n) for n in range(WORLD.day_count)]
LAST = DAYS[-1]
LINE = "+key:trader_daily or key:round_trips"


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world") / "raw"
    write_world(WORLD, root)
    return root


@pytest.fixture(scope="module")
def undisturbed(
    raw: Path, tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> dict[str, str]:
    """What the tables hold after one backfill of all days."""
    with installed(tmp_path_factory.mktemp("whole"), raw, module_patch) as vigil:
        backfill(vigil.settings, FIRST, LAST, select=LINE)
        return vigil.contents()


@contextmanager
def a_copy(raw: Path, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Installation]:
    shutil.copytree(raw, folder / "raw")
    with installed(folder, folder / "raw", patch) as vigil:
        yield vigil


def a_process() -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "vigil_cli", "backfill", str(FIRST), str(LAST)]
    return subprocess.Popen(
        [*command, "--select", LINE], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def runs_of(vigil: Installation) -> list[dg.DagsterRun]:
    with dagster_ready(vigil.settings) as instance:
        return list(instance.get_runs())


def test_only_what_failed_is_tried_again_and_the_failure_is_told(
    raw: Path,
    undisturbed: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with a_copy(raw, tmp_path, monkeypatch) as vigil:
        path = tmp_path / f"raw/node_fills_by_block/hourly/{DAYS[1]:%Y%m%d}/7.lz4"
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        # The last day is not tried at all.
        with pytest.raises(PartitionsFailed):
            backfill(vigil.settings, FIRST, DAYS[1], select=LINE)
        said = capsys.readouterr().err
        path.write_bytes(whole)
        before = len(runs_of(vigil))
        backfill(vigil.settings, FIRST, LAST, select=LINE, only_failed=True)
        retried = runs_of(vigil)[: len(runs_of(vigil)) - before]
        built = [row["day"] for row in vigil.records("SELECT day FROM data_health ORDER BY 1")]
        assert backfill(vigil.settings, FIRST, DAYS[1], select=LINE, only_failed=True) == 0
        backfill(vigil.settings, FIRST, LAST, select=LINE)
        contents = vigil.contents()

    assert f"failed: fills_parquet {DAYS[1]}: " in said
    assert "(run " in said
    assert built == [str(FIRST), str(DAYS[1])]
    days = {run.tags["dagster/asset_partition_range_start"] for run in retried}
    assert days == {str(DAYS[1])}
    assert contents == undisturbed


def test_what_a_late_hour_leaves_stale_is_built_in_one_run(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = f"{LINE} or key:trader_metrics"
    with a_copy(raw, tmp_path, monkeypatch) as vigil:
        hour = tmp_path / "raw" / "node_fills_by_block" / "hourly" / f"{FIRST:%Y%m%d}" / "12.lz4"
        late = hour.rename(tmp_path / "late.lz4")
        backfill(vigil.settings, FIRST, LAST, select=whole)
        late.rename(hour)
        backfill(vigil.settings, FIRST, FIRST, select=whole)
        before = len(runs_of(vigil))

        assert backfill(vigil.settings, FIRST, LAST, select="key:trader_metrics") == len(DAYS) - 1
        assert len(runs_of(vigil)) == before + 1
        assert backfill(vigil.settings, FIRST, LAST, select="key:trader_metrics") == 0


def test_ctrl_c_stops_at_once_and_the_next_call_goes_on(
    raw: Path, undisturbed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_copy(raw, tmp_path, monkeypatch) as vigil:
        with a_process() as process:
            assert process.stderr is not None
            # The second line comes after the imports: from then on days are built.
            said = [process.stderr.readline() for _ in range(2)]
            while not any(run.status is dg.DagsterRunStatus.STARTED for run in runs_of(vigil)):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            said += process.stderr.readlines()
        assert process.returncode == 130
        assert said[-1] == "vigil: stopped; the same recipe goes on where it was\n"
        assert len(runs_of(vigil)) == 1
        assert all(run.is_finished for run in runs_of(vigil))

        backfill(vigil.settings, FIRST, LAST, select=LINE)
        assert backfill(vigil.settings, FIRST, LAST, select=LINE) == 0
        assert vigil.contents() == undisturbed


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_over_the_same_days_end_as_one(
    raw: Path, undisturbed: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_copy(raw, tmp_path, monkeypatch) as vigil:
        with a_process() as one, a_process() as other:
            said = [process.communicate()[1] for process in (one, other)]
        assert [one.returncode, other.returncode] == [0, 0], said
        assert vigil.contents() == undisturbed
        assert backfill(vigil.settings, FIRST, LAST, select=LINE) == 0


def test_a_run_is_dead_when_its_process_is() -> None:
    launcher = LocalRunLauncher()
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        tag = this_process(sleeper.pid)
        run = dg.DagsterRun("a job", tags={PROCESS_TAG: tag})
        alive = launcher.check_run_worker_health(run)
        sleeper.kill()
    dead = launcher.check_run_worker_health(run)
    # The number is ours by now.
    stranger = dg.DagsterRun("a job", tags={PROCESS_TAG: this_process() + "0"})
    elsewhere = dg.DagsterRun("a job", tags={PROCESS_TAG: "another-host:1:1"})

    assert alive.status.value == "RUNNING"
    assert dead.status.value == "FAILED"
    assert launcher.check_run_worker_health(stranger).status.value == "FAILED"
    assert launcher.check_run_worker_health(elsewhere).status.value == "RUNNING"


def test_a_run_is_dead_when_its_code_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = LocalRunLauncher()
    nobody = DagsterGrpcClient(host="localhost", port=free_port(0))
    monkeypatch.setattr(launcher, "_get_grpc_client_for_termination", lambda _: nobody)

    found = launcher.check_run_worker_health(dg.DagsterRun("a job"))

    assert found.status.value == "FAILED"
    assert found.msg == "the code server of the run is gone"
