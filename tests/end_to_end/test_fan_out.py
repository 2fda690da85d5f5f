"""A backfill over two hosts, one of which dies in the middle of it.

This machine is the first host: Redis, Postgres, the bucket and Dagster's daemon, on a bridge. The
other two are network namespaces with a name, a DAGSTER_HOME and a data folder of their own, which
cannot see one another's; they share nothing but what they reach over the bridge.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import dagster as dg
import psycopg
import pytest
from moto.server import ThreadedMotoServer

from bench import digests, workers
from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_resources.database import embedded_postgres
from vigil_resources.files.store import Store
from vigil_resources.settings import Settings
from vigil_resources.wiring import DATABASE
from vigil_sandbox.world import TINY, write_world

SPEC = replace(TINY, day_count=4, crowd_count=15, crowd_orders_per_day=40)
FIRST = SPEC.first_day
LAST = FIRST + timedelta(days=SPEC.day_count - 1)
BATCH = 1
"""Days of a run. A backfill cuts them itself, ten or more at a time; here each batch is one."""
BY_DAY = ("raw_fills", "fills_parquet", "fills", "trader_daily", "coin_daily", "builder_daily")
IN_ORDER = ("round_trips", "trader_profiles")
"""A day stands on the one before it: one run for all."""

RAW, LAKE, REGION = "fan-out-raw", "fan-out-lake", "ap-northeast-1"
BRIDGE = f"vgl{os.getpid() % 10**6}"
NET = f"10.{77 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
HERE = f"{NET}.254"


def _missing() -> str | None:
    if os.geteuid() != 0:
        return "network namespaces need root"
    gone = [name for name in ("ip", "unshare", "redis-server") if shutil.which(name) is None]
    if gone:
        return f"not on this machine: {', '.join(gone)} (Debian: iproute2, redis-server)"
    probe = subprocess.run(
        ["ip", "link", "add", BRIDGE, "type", "bridge"], capture_output=True, text=True, check=False
    )
    if probe.returncode:
        return f"this machine makes no bridges: {probe.stderr.strip()}"
    subprocess.run(["ip", "link", "del", BRIDGE], check=True)
    return None


@pytest.fixture
def bridge() -> Iterator[None]:
    """A network that only this machine's namespaces are on."""
    if reason := _missing():
        pytest.skip(reason)
    _ip("link", "add", BRIDGE, "type", "bridge")
    try:
        _ip("addr", "add", f"{HERE}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        yield
    finally:
        _ip("link", "del", BRIDGE)


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


class Host:
    """A namespace on the bridge."""

    def __init__(self, number: int, folder: Path, unseen: list[Path]) -> None:
        self.name, self.worker = f"host{number}", f"vigil-host{number}@host{number}"
        self.space, self.cable = f"{BRIDGE}n{number}", f"{BRIDGE}v{number}"
        self._unseen = unseen
        self.home, self.data = folder / "dagster_home", folder / "data"
        self.home.mkdir(parents=True)
        shutil.copy(workers.CELERY / "dagster.yaml", self.home)
        _ip("netns", "add", self.space)
        _ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        _ip("link", "set", self.cable, "master", BRIDGE, "up")
        _ip("-n", self.space, "addr", "add", f"{NET}.{number}/24", "dev", "eth0")
        _ip("-n", self.space, "link", "set", "eth0", "up")
        _ip("-n", self.space, "link", "set", "lo", "up")

    @property
    def entered(self) -> list[str]:
        """What a command is put behind to run there: its name, and no sight of other hosts."""
        hide = "".join(f"mount -t tmpfs none '{folder}'; " for folder in self._unseen)
        script = f'hostname {self.name}; {hide}exec "$@"'
        within = ["ip", "netns", "exec", self.space, "unshare", "--uts", "--mount"]
        return [*within, "sh", "-ec", script, "sh"]

    def die(self) -> None:
        """As when the power goes: nobody is told, least of all by the kernel."""
        _ip("link", "set", self.cable, "down")
        for pid in _ip("netns", "pids", self.space).split():
            os.kill(int(pid), 9)

    def remove(self) -> None:
        _ip("netns", "del", self.space)


@contextmanager
def hosts(folder: Path, unseen: Path) -> Iterator[tuple[Host, Host]]:
    folders = [folder / "host2", folder / "host3"]
    for each in folders:
        each.mkdir(parents=True)
    made: list[Host] = []
    try:
        for number, each in enumerate(folders, 2):
            others = [unseen, *(other for other in folders if other != each)]
            made.append(Host(number, each, others))
        yield made[0], made[1]
    finally:
        for host in made:
            host.remove()


@pytest.fixture
def vigil(bridge: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """The first host: a server on the bridge, and a simulated world in a bucket."""
    del bridge
    own = tmp_path / "host1"
    own.mkdir()
    addresses = embedded_postgres.SETTINGS.replace("'127.0.0.1'", f"'127.0.0.1,{HERE}'")
    monkeypatch.setattr(embedded_postgres, "SETTINGS", addresses)
    write_world(SPEC, own / "raw")
    server = ThreadedMotoServer(ip_address=HERE, port=0)
    server.start()
    # A line for each request costs as much as answering it.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    endpoint = f"http://{HERE}:{server.get_host_and_port()[1]}"
    secret = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    for name, value in {**secret, "AWS_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name=REGION)
    for bucket in (RAW, LAKE):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for path in [*(own / "raw").rglob("*.lz4"), own / "raw" / "sandbox.json"]:
        s3.upload_file(str(path), RAW, path.relative_to(own / "raw").as_posix())
    with installed(own, own / "raw", monkeypatch) as installation:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("VIGIL_NODE_DATA", f"s3://{RAW}")
        rule = own / "data" / "postgres" / "cluster" / "pg_hba.conf"
        with rule.open("a") as file:
            file.write(f"host all all {NET}.0/24 scram-sha-256\n")
        with installation.warehouse.connect() as connection:
            connection.execute("SELECT pg_reload_conf()")
        yield installation
    server.stop()


def _on_bridge(installation: Installation, database: str, template: str = DATABASE) -> str:
    """A database with the schema in it, by the address that all hosts know it by."""
    server = embedded_postgres.EmbeddedPostgres(installation.settings.data_dir)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database} TEMPLATE {template}".encode())
    url = urlsplit(server.url(database))
    return url._replace(netloc=url.netloc.replace("127.0.0.1", HERE)).geturl()


def _tables(url: str) -> dict[str, str]:
    with psycopg.connect(url) as connection:
        return digests.tables(
            connection,
            columns_out=digests.LOADED,
            tables_out={"pipeline_runs", "pipeline_assets"},
        )


def _objects(settings: Settings, lake: str) -> dict[str, str]:
    """SHA-256 of every object of a lake."""
    root = f"s3://{LAKE}/{lake}"
    store = Store(root, settings.s3_for(root))
    prefixes = ("fills", "ledger", "manifests", "quarantine")
    listed = [item.key for prefix in prefixes for item in store.list(prefix)]
    return {key: hashlib.sha256(store.read(key)).hexdigest() for key in listed}


def _wait(what: str, is_so: Callable[[], bool], seconds: float) -> float:
    begun = time.monotonic()
    while not is_so():
        assert time.monotonic() < begun + seconds, f"after {seconds} s: not {what}"
        time.sleep(0.5)
    return time.monotonic() - begun


def _host_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Where a run's task was last seen."""
    backend = instance.run_launcher.celery.backend  # type: ignore[attr-defined]
    told = backend.get_task_meta(run.tags["dagster-celery/task_id"])
    return str(told["result"]["hostname"]) if told["status"] == "STARTED" else str(told["status"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_host_that_dies_in_mid_backfill_loses_nothing(
    vigil: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, many = _on_bridge(vigil, "one"), _on_bridge(vigil, "many")
    monkeypatch.setenv("DATABASE_URL", one)
    monkeypatch.setenv("PARQUET_S3", f"s3://{LAKE}/one")
    monkeypatch.setenv("DAGSTER_PG_URL", _on_bridge(vigil, "dagster_one", "template1"))
    select = " or ".join(f"key:{name}" for name in (*BY_DAY, *IN_ORDER))
    begun = time.monotonic()
    assert backfill(Settings.from_environment(), FIRST, LAST, select=select) == SPEC.day_count
    print(f"one process: {time.monotonic() - begun:.1f} s")

    monkeypatch.setenv("DATABASE_URL", many)
    monkeypatch.setenv("PARQUET_S3", f"s3://{LAKE}/many")
    settings = Settings.from_environment()
    monkeypatch.syspath_prepend(workers.CELERY)
    storage = _on_bridge(vigil, "dagster_many", "template1").replace(
        "postgresql://", "postgresql+psycopg2://"
    )
    shared = {
        "DATABASE_URL": many,
        "DAGSTER_PG_URL": storage,
        "PYTHONPATH": os.pathsep.join([str(workers.PROJECT_ROOT), str(workers.CELERY)]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    home = tmp_path / "host1" / "fleet_home"
    home.mkdir()
    # Seconds instead of minutes between two looks; all else is as deployed.
    text = (workers.CELERY / "dagster.yaml").read_text()
    assert "poll_interval_seconds: 15" in text
    (home / "dagster.yaml").write_text(
        text.replace("poll_interval_seconds: 15", "poll_interval_seconds: 3")
    )
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with workers.fleet(tmp_path / "logs", shared) as fleet:
        program = shutil.which("redis-server")
        assert program is not None
        broker = workers.start_redis(fleet, program, HERE)
        for name, value in {**shared, "VIGIL_CELERY_BROKER": broker}.items():
            monkeypatch.setenv(name, value)
        with (
            dg.DagsterInstance.get() as instance,
            hosts(tmp_path / "hosts", tmp_path / "host1") as (second, third),
        ):
            workers.prepare(instance, 2)
            for host in (second, third):
                fleet.start_worker(f"vigil-{host.name}", host.home, host.data, host.entered)
            fleet.start_daemon(home)
            batches = [FIRST + timedelta(days=n) for n in range(0, SPEC.day_count, BATCH)]
            backfills = [
                workers.launch_backfill(instance, BY_DAY, day, day + timedelta(days=BATCH - 1))
                for day in batches
            ]
            _host_dies(instance, second, third)
            took = _wait_for(instance, backfills)
            print(f"from the death to the end: {took:.1f} s")
            _retried(instance, backfills)
            _wait_for(instance, [workers.launch_backfill(instance, IN_ORDER, FIRST, LAST)])

    assert _objects(settings, "many") == _objects(settings, "one")
    assert _tables(many) == _tables(one)


def _host_dies(instance: dg.DagsterInstance, second: Host, third: Host) -> None:
    """Wait until both hosts have had a run; then the third is gone in the middle of one."""
    names = {second.worker, third.worker}
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    seen: set[str] = set()
    doomed: list[str] = []

    def is_in_the_middle() -> bool:
        for run in instance.get_runs(started):
            host = _host_of(instance, run)
            seen.add(host)
            steps = instance.get_run_stats(run.run_id).steps_succeeded
            if names <= seen and host == third.worker and steps:
                doomed.append(run.run_id)
        return bool(doomed)

    begun = time.monotonic()
    _wait("both hosts at work", is_in_the_middle, 240)
    third.die()
    died = time.monotonic()
    print(f"both hosts at work, and one dead, after {died - begun:.1f} s")

    def is_noticed() -> bool:
        now = instance.get_run_by_id(doomed[0])
        return now is not None and now.status is dg.DagsterRunStatus.FAILURE

    _wait("the dead host's run failed", is_noticed, 120)
    print(f"noticed after {time.monotonic() - died:.1f} s")
    events = [entry.dagster_event for entry in instance.all_logs(doomed[0])]
    logged = [str(event.message) for event in events if event is not None]
    assert any(f"{third.worker}, which has the run, does not answer" in line for line in logged)


def _wait_for(instance: dg.DagsterInstance, backfills: list[str]) -> float:
    def have_ended() -> bool:
        return all(workers.backfill_has_ended(instance, one) for one in backfills)

    return _wait("all days built", have_ended, 300)


def _retried(instance: dg.DagsterInstance, backfills: list[str]) -> None:
    """One run failed, and the one that took its place did all of its days."""
    runs = [run for run in instance.get_runs() if run.tags.get("dagster/backfill") in backfills]
    failed = [run for run in runs if run.status is dg.DagsterRunStatus.FAILURE]
    assert len(failed) == 1
    again = [run for run in runs if run.parent_run_id == failed[0].run_id]
    assert [run.status for run in again] == [dg.DagsterRunStatus.SUCCESS]
    assert {run.status for run in runs if run not in failed} == {dg.DagsterRunStatus.SUCCESS}
