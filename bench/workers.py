"""A daemon, Redis and Celery workers as in `deploy/celery`, for what is measured and tested."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg
import redis
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from vigil_assets.definitions import defs
from vigil_core.calendar import days_between
from vigil_resources.database.embedded_postgres import free_port
from vigil_resources.settings import PROJECT_ROOT

CELERY = PROJECT_ROOT / "deploy" / "celery"


@dataclass
class Fleet:
    """The processes of one Dagster instance over several hosts; their logs lie in `folder`."""

    folder: Path
    shared: Mapping[str, str]
    """The environment that all hosts have in common."""
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(
        self, name: str, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
    ) -> None:
        """Start a process of a group of its own."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.children[name] = subprocess.Popen(
                list(command),
                cwd=PROJECT_ROOT,
                env=dict(os.environ) | dict(self.shared) | dict(environment or {}),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_daemon(self, home: Path) -> None:
        """The only one there may be."""
        command = [_program("dagster-daemon"), "run", "-w", "workspace.yaml"]
        self.start("daemon", command, {"DAGSTER_HOME": str(home)})

    def start_worker(
        self,
        name: str,
        home: Path,
        data: Path,
        before: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """One run at a time; `before` is what its command is put behind."""
        worker = [_program("celery"), "-A", "vigil_celery", "worker", "-c", "1", "-n", f"{name}@%h"]
        own = {"DAGSTER_HOME": str(home), "VIGIL_DATA_DIR": str(data)}
        self.start(name, [*before, *worker], own | dict(environment or {}))

    def kill(self, name: str) -> None:
        """SIGKILL to a process and all of its group."""
        child = self.children.pop(name)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    def stop(self) -> None:
        """End all of them."""
        for child in self.children.values():
            child.terminate()
        for name in list(self.children):
            with suppress(subprocess.TimeoutExpired):
                self.children[name].wait(20)
            # What a child had started itself does not always end with it.
            with suppress(ProcessLookupError):
                self.kill(name)

    def log(self, name: str) -> str:
        """What a process has said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")


def _program(name: str) -> Path:
    return Path(sys.executable).with_name(name)


@contextmanager
def fleet(folder: Path, shared: Mapping[str, str]) -> Iterator[Fleet]:
    """No process yet; all end with it."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Fleet(folder, shared)
    try:
        yield found
    finally:
        found.stop()


def start_redis(hosts: Fleet, program: str, address: str) -> str:
    """A broker that listens on one address; gives its URL."""
    port, password = free_port(0), secrets.token_urlsafe(16)
    folder = hosts.folder / "redis"
    folder.mkdir()
    hosts.start(
        "redis",
        [
            *(program, "--bind", address, "--port", str(port), "--requirepass", password),
            *("--appendonly", "yes", "--save", "", "--dir", str(folder)),
        ],
    )
    url = f"redis://:{password}@{address}:{port}/0"
    client, deadline = redis.Redis.from_url(url), time.monotonic() + 20
    while True:
        try:
            client.ping()
        except redis.exceptions.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            client.close()
            return url


def prepare(instance: dg.DagsterInstance, slots: int) -> None:
    """Storage as one process makes it before others come, and so many runs of days at once."""
    instance.get_runs(limit=1)
    instance.all_asset_keys()
    instance.all_instigator_state()
    instance.event_log_storage.set_concurrency_slots("by_day", slots)


def launch_backfill(
    instance: dg.DagsterInstance, assets: Sequence[str], first: date, last: date
) -> str:
    """Ask the daemon for days of assets, as the UI does; gives the backfill's id."""
    backfill_id = secrets.token_hex(4)
    instance.add_backfill(
        PartitionBackfill.from_asset_partitions(
            backfill_id=backfill_id,
            asset_graph=defs().resolve_asset_graph(),
            partition_names=[str(day) for day in days_between(first, last)],
            asset_selection=[dg.AssetKey(name) for name in assets],
            backfill_timestamp=time.time(),
            tags={},
            dynamic_partitions_store=instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        )
    )
    return backfill_id


def backfill_has_ended(instance: dg.DagsterInstance, backfill_id: str) -> bool:
    """Whether nothing of it will run any more, and every run succeeded, if not at once.

    Raises:
        RuntimeError: It failed.
    """
    found = instance.get_backfill(backfill_id)
    assert found is not None
    if found.status is BulkActionStatus.FAILED:
        raise RuntimeError(f"backfill {backfill_id}: {found.error}")
    if found.status is BulkActionStatus.COMPLETED_FAILED:
        # Dagster notes which days lack something, then whether a run is left. Where a retry ends
        # between the two, the backfill failed by its books with all days built.
        if lost := _lost(instance, backfill_id):
            raise RuntimeError(f"backfill {backfill_id}:\n" + "\n".join(lost))
        return True
    return found.status is BulkActionStatus.COMPLETED_SUCCESS


def _lost(instance: dg.DagsterInstance, backfill_id: str) -> list[str]:
    """What runs of a backfill died of in whose place none succeeded."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill_id}))
    done = {run.root_run_id or run.run_id for run in runs if run.is_success}
    return [
        f"run {run.run_id}: {entry.user_message or event.message}"
        for run in runs
        if run.status is dg.DagsterRunStatus.FAILURE and (run.root_run_id or run.run_id) not in done
        for entry in instance.all_logs(run.run_id)
        if (event := entry.dagster_event) is not None and event.is_failure
    ]
