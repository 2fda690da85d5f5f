"""The whole line by Dagster's daemon: `python -m bench backfills [--days N] [--kills N]`.

A simulated world is built twice, each time by an installation of its own in a temporary folder:

    in process   `./vigil backfill START END`
    daemon       a backfill of all its assets, launched by GraphQL on a real `./vigil up`

Of the second it is said where its wall time went. Every moment between the launch and the word
that all is done belongs to the first of these that holds then:

    bodies       the body of some asset or check is running, from its start to its first result
    runs         some run is under way: resources, plans, events written and read
    starts       some run is starting: a process, its imports
    ticks        none: the daemon sleeps, evaluates or queues

Dagster's share is what is not `bodies`. CPU seconds stand beside it, since others may be using the
machine. With `--kills`, a run's worker, the daemon and the database's postmaster are killed in
turn (SIGKILL) at moments drawn from the seed, and `./vigil backfill START END` is called once
when the daemon has given up or finished.

At the end the SHA-256 of every table is compared, without the columns that say when something was
written, or how often.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg

from bench import digests
from vigil_assets.automation.judge import left_out
from vigil_assets.definitions import ASSETS
from vigil_cli.demo import environment_of
from vigil_cli.ready import dagster_ready
from vigil_core.calendar import days_between
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_resources.wiring import database_url, embedded_postgres
from vigil_sandbox.info_server import UNHURRIED, Answers, InfoServer
from vigil_sandbox.world import DEMO, TINY, WorldSpec, world_is_written, write_world

WORLDS = {"demo": DEMO, "tiny": TINY}
VICTIMS = ("worker", "daemon", "database")
HISTORY = {
    *("trader_totals_versions", "metric_state_versions", "restated_totals", "totals_known_from"),
}
"""Tables about which figures stood until which run: they differ with what ran when."""

LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
STATUS = """
query Status($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status error { message } }
  }
}
"""
LOAD_SECONDS = 180
MOST_SECONDS_A_DAY = 60
"""More than a day of the demo world takes by the daemon."""
WORKERS_SECONDS = 600
"""More than what a worker has under way takes."""
ENDED = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "COMPLETED", "FAILED", "CANCELED"}


@dataclass(frozen=True)
class Place:
    """An installation: a folder, and the environment of every process that works in it."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        return Settings.from_environment(self.environment)

    def vigil(self, *arguments: str) -> None:
        """One recipe, its output on ours.

        Raises:
            SystemExit: It failed.
        """
        command = [sys.executable, "-m", "vigil_cli", *arguments]
        done = subprocess.run(command, env=self.environment, cwd=PROJECT_ROOT, check=False)
        if done.returncode:
            raise SystemExit(f"bench: vigil {' '.join(arguments)} ended with {done.returncode}")


def place(folder: Path, root: Path, api: str) -> Place:
    """An installation below `folder` for the world at `root`."""
    ours = {
        "VIGIL_DATA_DIR": str(folder / "data"),
        "DAGSTER_HOME": str(folder / "dagster_home"),
        **environment_of(root, api),
    }
    kept = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "DAGSTER_PG_URL"}}
    return Place(folder, kept | ours)


@contextmanager
def running(there: Place) -> Iterator[tuple[str, int]]:
    """`./vigil up`; gives the address of Dagster's page, and the process."""
    with subprocess.Popen(
        [sys.executable, "-m", "vigil_cli", "up"],
        env=there.environment,
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Dagster UI"):
                    yield line.split()[-1], process.pid
                    return
            raise SystemExit("bench: up ended before it answered")
        finally:
            process.terminate()
            process.wait(60)
            _wait_for_workers(there)


def _wait_for_workers(there: Place) -> None:
    """Until those that outlived `up` have ended: what they write would be anyone's."""
    deadline = time.monotonic() + WORKERS_SECONDS
    while left := [pid for pid, role in processes(there) if role == "worker"]:
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: workers {left} go on {WORKERS_SECONDS} s after up has ended")
        time.sleep(1)


def launch(address: str, names: Sequence[str], days: Sequence[date]) -> str:
    """Launch a backfill as the page does; gives its name."""
    parameters = {
        "assetSelection": [{"path": [name]} for name in names],
        "partitionNames": [str(day) for day in days],
    }
    deadline = time.monotonic() + LOAD_SECONDS
    while True:
        try:
            found = ask(address, LAUNCH, {"params": parameters})["launchPartitionBackfill"]
            break
        except urllib.error.HTTPError:
            # The page answers before its code location is loaded.
            if time.monotonic() > deadline:
                raise
            time.sleep(2)
    if found["__typename"] != "LaunchBackfillSuccess":
        raise SystemExit(f"bench: {found}")
    return str(found["backfillId"])


def wait_for(address: str, backfill: str, seconds: float) -> str:
    """The status in which a backfill ended; the last one seen where it did not in time."""
    status = ""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and status not in ENDED:
        time.sleep(2)
        try:
            found = ask(address, STATUS, {"id": backfill})["partitionBackfillOrError"]
        except (OSError, KeyError, TypeError):
            # The database, or the server, was killed a moment ago.
            continue
        status = found["status"]
    return status


def ask(address: str, query: str, variables: dict[str, Any]) -> dict[str, Any]:
    """Data of a GraphQL answer."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/graphql", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        data: dict[str, Any] = json.load(answer)["data"]
    return data


def whole_line(there: Place) -> list[str]:
    """Every asset that has days and would be built by `./vigil backfill`."""
    names = {key.to_user_string() for asset in ASSETS for key in asset.keys}
    return sorted(names - left_out(there.settings).keys())


# --- where the time went -------------------------------------------------------------------

BODIES, RUNS, STARTS, TICKS = "bodies", "runs", "starts", "ticks"
_BEGINS = dg.DagsterEventType.STEP_START
_RESULTS = {
    dg.DagsterEventType.STEP_OUTPUT,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
}


@dataclass(frozen=True)
class Spent:
    """Seconds of wall time by kind, and how many runs, days and events they were for."""

    seconds: Mapping[str, float]
    runs: int
    events: int

    @property
    def wall(self) -> float:
        return sum(self.seconds.values())

    @property
    def share(self) -> float:
        """Dagster's."""
        return 1 - self.seconds[BODIES] / self.wall


def spent(instance: dg.DagsterInstance, backfill: str, begun: float, ended: float) -> Spent:
    """Where the wall time of a backfill went, by what its runs' events say."""
    spans: list[tuple[str, float, float]] = []
    records = instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": backfill}))
    events = 0
    for record in records:
        dequeued = started = over = None
        open_steps: dict[str, float] = {}
        for entry in instance.all_logs(record.dagster_run.run_id):
            events += 1
            if entry.dagster_event is None:
                continue
            kind, step = entry.dagster_event.event_type, entry.dagster_event.step_key or ""
            if kind is dg.DagsterEventType.RUN_STARTING:
                dequeued = entry.timestamp
            elif kind is dg.DagsterEventType.RUN_START:
                started = entry.timestamp
            elif kind in {dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE}:
                over = entry.timestamp
            elif kind is _BEGINS:
                open_steps[step] = entry.timestamp
            elif kind in _RESULTS and step in open_steps:
                spans.append((BODIES, open_steps.pop(step), entry.timestamp))
        if dequeued is not None:
            spans.append((STARTS, dequeued, started or over or ended))
        if started is not None:
            spans.append((RUNS, started, over or ended))
    return Spent(split(spans, begun, ended), len(records), events)


def split(
    spans: Sequence[tuple[str, float, float]], begun: float, ended: float
) -> dict[str, float]:
    """Each moment belongs to the first kind that holds then."""
    changes = sorted(
        [(start, kind, 1) for kind, start, _ in spans]
        + [(end, kind, -1) for kind, _, end in spans]
        + [(ended, TICKS, 0)]
    )
    seconds = dict.fromkeys((BODIES, RUNS, STARTS, TICKS), 0.0)
    active: Counter[str] = Counter()
    now = begun
    for at, kind, change in changes:
        at = min(max(at, begun), ended)
        holds = next((one for one in (BODIES, RUNS, STARTS) if active[one]), TICKS)
        seconds[holds] += at - now
        now = at
        active[kind] += change
    return seconds


def cpu_seconds(there: Place) -> dict[str, float]:
    """CPU of the processes of an installation, those that ended and were waited for included."""
    ticks = os.sysconf("SC_CLK_TCK")
    found: dict[str, float] = {}
    for pid, role in processes(there):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        own, waited = (sum(map(int, fields[at : at + 2])) / ticks for at in (11, 13))
        if role == "code server":
            # What it waited for were the workers of its runs.
            found["worker"] = found.get("worker", 0.0) + waited
            waited = 0.0
        elif role in {"daemon", "web server", "up"}:
            waited = 0.0
        found[role] = found.get(role, 0.0) + own + waited
    return found


def processes(there: Place) -> Iterator[tuple[int, str]]:
    """Those that work in an installation: number and role."""
    mark = f"VIGIL_DATA_DIR={there.settings.data_dir}\0".encode()
    cluster = there.settings.data_dir / "postgres" / "cluster"
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (path / "environ").read_bytes() + b"\0":
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                yield int(path.name), _role(words)
            elif (path / "cwd").resolve() == cluster:
                yield int(path.name), "database"
        except OSError:
            continue


def _role(words: str) -> str:
    for part, role in (
        ("dagster-daemon", "daemon"),
        ("dagster-webserver", "web server"),
        ("multiprocessing.spawn", "worker"),
        ("api grpc", "code server"),
        ("resource_tracker", "tracker"),
        ("vigil_cli api", "api"),
        ("vigil_cli up", "up"),
    ):
        if part in words:
            return role
    return "other"


# --- kills ---------------------------------------------------------------------------------


class Killer:
    """Kills `count` victims, in turn, at moments drawn from the seed within `seconds`."""

    def __init__(self, there: Place, count: int, seed: int, seconds: float) -> None:
        chance = random.Random(seed)
        self._there = there
        self._victims = [VICTIMS[n % len(VICTIMS)] for n in range(count)]
        self._moments = sorted(chance.uniform(0.05, 0.85) * seconds for _ in range(count))
        self._stopped = threading.Event()
        self.killed: list[tuple[str, float]] = []
        """What was killed, and at which second."""
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        begun = time.monotonic()
        for victim, moment in zip(self._victims, self._moments, strict=True):
            if self._stopped.wait(max(0.0, begun + moment - time.monotonic())):
                return
            while not (pid := self._find(victim)):
                if self._stopped.wait(0.5):
                    return
            os.kill(pid, signal.SIGKILL)
            self.killed.append((victim, time.monotonic() - begun))
            print(f"killed the {victim} after {self.killed[-1][1]:.0f} s", flush=True)

    def _find(self, victim: str) -> int | None:
        if victim == "database":
            file = self._there.settings.data_dir / "postgres" / "cluster" / "postmaster.pid"
            return int(file.read_text().split("\n", 1)[0]) if file.exists() else None
        return next((pid for pid, role in processes(self._there) if role == victim), None)


# --- the same, or not ----------------------------------------------------------------------


def tables(settings: Settings) -> dict[str, str]:
    """SHA-256 of every table, but for columns and tables about the load itself."""
    with psycopg.connect(database_url(settings)) as connection:
        return digests.tables(
            connection,
            columns_out=digests.WRITTEN,
            tables_out=digests.RUNS | digests.TESTS | HISTORY,
            which=digests.WITHOUT_TESTS,
        )


def differences(one: Settings, other: Settings) -> tuple[str, ...]:
    """Tables of `other` that are not those of `one`; each has a server of its own to sort."""
    with ThreadPoolExecutor(2) as pool:
        expected, found = pool.map(tables, (one, other))
    return digests.differences(found, expected)


def fills_of(settings: Settings) -> int:
    """Rows of `fills`."""
    with psycopg.connect(database_url(settings)) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM fills").fetchall()
    return int(count)


# --- the whole -----------------------------------------------------------------------------


def in_process(there: Place, first: date, last: date) -> float:
    """Seconds of an undisturbed `./vigil backfill`."""
    begun = time.monotonic()
    there.vigil("backfill", str(first), str(last))
    return time.monotonic() - begun


def by_daemon(
    there: Place, days: Sequence[date], killer: Killer | None, most_seconds: float
) -> tuple[Spent, dict[str, float], str]:
    """A backfill by the daemon; where its time went, CPU seconds by role, and how it ended."""
    with running(there) as (address, _):
        before = cpu_seconds(there)
        begun = time.time()
        backfill = launch(address, whole_line(there), days)
        with killer or nullcontext():
            status = wait_for(address, backfill, most_seconds)
        ended = time.time()
        after = cpu_seconds(there)
        used = {role: seconds - before.get(role, 0.0) for role, seconds in after.items()}
    if killer is not None:
        # With `up` at work, what the daemon still has to do would make days stale behind it.
        print(f"the daemon ended with {status}; resuming", flush=True)
        there.vigil("backfill", str(days[0]), str(days[-1]))
    with dagster_ready(there.settings) as instance:
        return spent(instance, backfill, begun, ended), used, status


def world_of(spec: WorldSpec, days: int, folder: Path) -> tuple[WorldSpec, Path]:
    """The world, written unless it is there."""
    world = replace(spec, day_count=days)
    root = folder / "raw"
    if not world_is_written(world, root):
        write_world(world, root)
    return world, root


def main() -> None:
    """Build twice, say where the time went, hold the two against each other."""
    parser = argparse.ArgumentParser(prog="bench backfills")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--world", choices=WORLDS, default="demo")
    parser.add_argument("--folder", type=Path, help="kept, and its world used again")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.folder or Path(name)
        folder.chmod(0o755)
        world, root = world_of(WORLDS[asked.world], asked.days, folder)
        last = world.first_day + timedelta(days=world.day_count - 1)
        days = list(days_between(world.first_day, last))
        with InfoServer(Answers.of_world(root), UNHURRIED) as api:
            report(folder, root, api.url, days, asked)


def report(
    folder: Path, root: Path, api: str, days: Sequence[date], asked: argparse.Namespace
) -> None:
    """Run and print; exit status 1 where the end states differ."""
    one, other = (place(folder / name, root, api) for name in ("in_process", "daemon"))
    for there in (one, other):
        there.folder.mkdir(exist_ok=True)
    print(f"{len(days)} days of the {asked.world} world", flush=True)
    with (
        embedded_postgres(one.settings).session(),
        embedded_postgres(other.settings).session(),
    ):
        seconds = in_process(one, days[0], days[-1])
        fills = fills_of(one.settings)
        print(f"in process   {seconds:8.0f} s  {fills / seconds:10,.0f} fills/s", flush=True)
        killer = Killer(other, asked.kills, asked.seed, seconds) if asked.kills else None
        # A folder that is used again has little left to do in process.
        most_seconds = 900 + max(3 * seconds, MOST_SECONDS_A_DAY * len(days))
        time_spent, cpu, status = by_daemon(other, days, killer, most_seconds)
        wall = time_spent.wall
        print(f"daemon       {wall:8.0f} s  {fills / wall:10,.0f} fills/s  {status}")
        for kind, part in time_spent.seconds.items():
            print(f"  {kind:10} {part:8.1f} s  {part / wall:6.1%}")
        print(f"  Dagster's share of wall time {time_spent.share:.1%}")
        print(f"  {time_spent.runs} runs, {time_spent.events} events")
        total = sum(cpu.values())
        for role, part in sorted(cpu.items(), key=lambda item: -item[1]):
            print(f"  CPU {role:12} {part:8.1f} s  {part / total:6.1%}")
        different = differences(one.settings, other.settings)
    if different:
        sys.exit(f"bench: not the same: {', '.join(different)}")
    print("every table is the same")


if __name__ == "__main__":
    main()
