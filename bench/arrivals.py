"""A simulated month that arrives hour by hour: `python -m bench arrivals [--days N] [--every H]`.

Hours come late, again, or cut short and then whole. The clock is fast; the sensor, the conditions
and the runs are those of the product, driven in this process, with their cursors written out and
read back at each tick. In the end every table equals that of one orderly load.
"""

import argparse
import os
import random
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import lz4.frame

from bench import digests
from vigil_assets.automation import arrivals
from vigil_assets.definitions import ASSETS, defs
from vigil_assets.staleness import batches
from vigil_cli.backfill import backfill
from vigil_cli.ready import dagster_ready, database_ready
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_lake, open_raw_fills, open_warehouse
from vigil_sandbox.info_server import UNHURRIED, Answers, InfoServer, settings_unhurried
from vigil_sandbox.world import TINY, WorldSpec, write_world

warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*include_sources.*")

HOURS = "node_fills_by_block/hourly"
LONGEST_DELAY = timedelta(days=10)
MOST_TICKS = 60
"""Of the conditions after one arrival; so many are a loop."""

HISTORY = (
    "restated_totals",
    "totals_known_from",
    "metric_state_versions",
    "profile_state",
    "position_state",
    "deliveries",
)
"""Tables of what was known when, and of how often a relation was built: a load that saw days in
another order knew other things then."""


@dataclass(frozen=True, order=True)
class Arrival:
    """A file that lies at a place from a moment on."""

    at: datetime
    key: str
    kind: str = field(compare=False)
    content: bytes | None = field(compare=False, repr=False)
    """None: the whole of it."""


def plan(
    world: Path, seed: int, share: float = 0.04, longest: timedelta = LONGEST_DELAY
) -> list[Arrival]:
    """When each hour of a world comes: mostly after its end; some late, again, or cut first."""
    chance = random.Random(seed)
    found: list[Arrival] = []
    for path in sorted((world / HOURS).glob("*/*.lz4")):
        key = str(path.relative_to(world))
        start = datetime.strptime(path.parent.name, "%Y%m%d").replace(tzinfo=UTC)
        ended = start + timedelta(hours=int(path.stem) + 1)
        later = ended + chance.random() * longest
        match chance.choices(
            ["on time", "late", "again", "corrected"], [1 - 3 * share, share, share, share]
        )[0]:
            case "late":
                found.append(Arrival(later, key, "late", None))
            case "again":
                found.append(Arrival(ended, key, "on time", None))
                found.append(Arrival(later, key, "again", None))
            case "corrected":
                found.append(Arrival(ended, key, "cut", _cut(path, chance.random())))
                found.append(Arrival(later, key, "corrected", None))
            case kind:
                found.append(Arrival(ended, key, kind, None))
    return sorted(found)


def _cut(path: Path, share: float) -> bytes:
    """The first lines of an hour."""
    lines = lz4.frame.decompress(path.read_bytes()).splitlines(keepends=True)
    return lz4.frame.compress(b"".join(lines[: int(share * len(lines))]))


def put(arrival: Arrival, world: Path, raw: Path) -> None:
    """Let it arrive, whole at once."""
    target = raw / arrival.key
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}")
    if arrival.content is None:
        shutil.copyfile(world / arrival.key, beside)
    else:
        beside.write_bytes(arrival.content)
    beside.replace(target)


@dataclass
class Ticks:
    """The sensor and the conditions of an instance, one tick after the other."""

    settings: Settings
    instance: dg.DagsterInstance
    location: dg.Definitions = field(default_factory=defs)
    """Made once, as in a process of Dagster's."""
    arrivals_cursor: str | None = None
    conditions_cursor: str | None = None
    built: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Asset and day → how often."""
    seconds: list[float] = field(default_factory=list)
    """Of each tick of the conditions."""
    failures: list[str] = field(default_factory=list)

    def arrive(self, now: datetime) -> int:
        """One tick of the sensor, and its runs; gives how many."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.arrivals_cursor)
        with patch.object(arrivals, "_today", lambda: now.date()):
            result = arrivals.raw_arrivals(
                context, raw=open_raw_fills(self.settings), lake=open_lake(self.settings)
            )
        assert isinstance(result, dg.SensorResult)
        self.arrivals_cursor = result.cursor
        names = [key.to_user_string() for key in _job_keys()]
        for request in result.run_requests or ():
            self._run(names, sorted(arrivals.days_of_run(request)))
        return len(result.run_requests or ())

    def follow(self, now: datetime) -> int:
        """Ticks of the conditions until nothing is requested; gives the runs."""
        runs = 0
        for number in range(MOST_TICKS):
            requested = self.tick(now + timedelta(seconds=number))
            if not requested:
                return runs
            by_days: dict[tuple[object, tuple[date, ...]], list[str]] = {}
            for name, days in requested.items():
                group = self.location.get_assets_def(name).partitions_def, tuple(sorted(days))
                by_days.setdefault(group, []).append(name)
            for (_, days), names in by_days.items():
                for batch, _ in batches([(day, frozenset({"a"})) for day in days], 10):
                    self._run(names, batch)
                    runs += 1
        raise AssertionError(f"{now}: the conditions still ask for {requested}")

    def tick(self, now: datetime) -> dict[str, set[date]]:
        """One tick of the conditions: asset → days requested."""
        kept = self.conditions_cursor
        begun = time.perf_counter()
        # On a thread, as in a code server: on the main one, asyncio writes out all results.
        with ThreadPoolExecutor(1) as pool:
            result = pool.submit(
                dg.evaluate_automation_conditions,
                defs=self.location,
                instance=self.instance,
                evaluation_time=now,
                cursor=dg.deserialize_value(kept) if kept else None,  # type: ignore[arg-type]
            ).result()
        self.seconds.append(time.perf_counter() - begun)
        self.conditions_cursor = dg.serialize_value(result.cursor)
        found = {
            key.to_user_string(): set(
                map(date.fromisoformat, filter(None, result.get_requested_partitions(key)))
            )
            for asset in ASSETS
            for key in asset.keys
        }
        return {name: days for name, days in found.items() if days}

    def _run(self, names: Iterable[str], days: list[date]) -> None:
        chosen = dg.AssetSelection.assets(*names)
        result = dg.materialize(
            [*ASSETS, *(self.location.asset_checks or [])],
            selection=chosen | dg.AssetSelection.checks_for_assets(*map(dg.AssetKey, names)),
            instance=self.instance,
            resources=dict(self.location.resources or {}),
            tags={
                "dagster/asset_partition_range_start": str(days[0]),
                "dagster/asset_partition_range_end": str(days[-1]),
            },
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
        self.built.update((name, str(day)) for name in names for day in days)
        for event in result.get_step_failure_events():
            self.failures.append(f"{event.step_key} {days[0]} … {days[-1]}")


def _job_keys() -> set[dg.AssetKey]:
    return arrivals.LOADED.resolve(ASSETS)


def tables(settings: Settings) -> dict[str, str]:
    """SHA-256 of every table; an ETag says which copy of an object came."""
    with open_warehouse(settings).connect(read_only=True) as connection:
        return digests.tables(
            connection,
            columns_out=(
                *digests.LOADED,
                *("built_at", "computed_at", "observed_at", "elapsed_seconds", "etag"),
            ),
            tables_out=digests.RUNS.union(digests.TESTS, HISTORY),
            which=digests.WITHOUT_TESTS,
        )


def resources() -> tuple[float, int]:
    """Megabytes resident, and open files, of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, sum(1 for _ in Path("/proc/self/fd").iterdir())


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Settings of one Vigil."""
    with patch.dict(os.environ, values):
        for name in ("DATABASE_URL", "DAGSTER_PG_URL", "PARQUET_S3"):
            os.environ.pop(name, None)
        yield


@dataclass(frozen=True)
class Outcome:
    """What came of a simulated month."""

    ticks: Ticks
    seconds: float
    memory: list[tuple[float, int]]
    """By day."""
    digests: dict[str, str]


def simulate(
    world: Path,
    raw: Path,
    arrived: list[Arrival],
    settings: Settings,
    every: timedelta,
    report: Callable[[str], None] = lambda _: None,
) -> Outcome:
    """Let everything arrive, with ticks at each step of the clock."""
    begun = time.perf_counter()
    waiting = list(arrived)
    memory: list[tuple[float, int]] = []
    with dagster_ready(settings) as instance:
        ticks = Ticks(settings, instance)
        # Until the day of the last hour has ended too, of which there is no more than that.
        newest = max(one.key.split("/")[2] for one in waiting)
        ended = datetime.strptime(newest, "%Y%m%d").replace(tzinfo=UTC) + timedelta(days=1)
        now, last = waiting[0].at, max(waiting[-1].at, ended) + timedelta(hours=4)
        while now < last + every:
            while waiting and waiting[0].at <= now:
                put(waiting.pop(0), world, raw)
            while ticks.arrive(now):
                pass
            runs = ticks.follow(now)
            if (now + every).date() != now.date():
                memory.append(resources())
                report(
                    f"{now:%Y-%m-%d}  {memory[-1][0]:6.0f} MB  {memory[-1][1]:4} files  "
                    f"{runs} runs  {sum(ticks.built.values())} built"
                )
            now += every
        return Outcome(ticks, time.perf_counter() - begun, memory, tables(settings))


def orderly(settings: Settings, first: date, last: date) -> dict[str, str]:
    """The same days, all there, in one load."""
    with database_ready(settings):
        return _orderly(settings, first, last)


def _orderly(settings: Settings, first: date, last: date) -> dict[str, str]:
    backfill(settings, first, last)
    following = last + timedelta(days=1)
    # Of the day after, there is one hour: too little for what is made of whole days.
    backfill(settings, following, following, select="key:raw_fills or key:fills_parquet or " + LINE)
    return tables(settings)


LINE = " or ".join(
    f"key:{name}"
    for name in ("fills", "trader_daily", "coin_daily", "builder_daily", "round_trips")
)


def main() -> None:
    """Simulate, compare, and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--every", type=int, default=1, help="hours between ticks")
    parser.add_argument("--late", type=int, default=10, help="days, at most")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    spec: WorldSpec = replace(TINY, day_count=chosen.days)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write_world(spec, folder / "world")
        arrived = plan(folder / "world", chosen.seed, longest=timedelta(days=chosen.late))
        print(f"seed {chosen.seed}: {dict(Counter(one.kind for one in arrived))}", flush=True)
        run(folder, spec, arrived, timedelta(hours=chosen.every))


def run(folder: Path, spec: WorldSpec, arrived: list[Arrival], every: timedelta) -> None:
    """One world both ways, and what is to be said about it."""
    world, last = folder / "world", spec.first_day + timedelta(days=spec.day_count - 1)
    raw = folder / "raw"
    raw.mkdir()
    shutil.copy(world / "sandbox.json", raw)
    with InfoServer(Answers.of_world(world), UNHURRIED) as api:
        common = {**settings_unhurried(api.url), "VIGIL_COINS": "BTC,ETH"}
        ours = {"VIGIL_DATA_DIR": str(folder / "a"), "VIGIL_NODE_DATA": str(raw)}
        with environment(**common, **ours, DAGSTER_HOME=str(folder / "a" / "dagster")):
            found = simulate(
                world,
                raw,
                arrived,
                Settings.from_environment(),
                every,
                lambda t: print(t, flush=True),
            )
        theirs = {"VIGIL_DATA_DIR": str(folder / "b"), "VIGIL_NODE_DATA": str(world)}
        with environment(**common, **theirs, DAGSTER_HOME=str(folder / "b" / "dagster")):
            expected = orderly(Settings.from_environment(), spec.first_day, last)
    different = sorted(n for n in expected if expected[n] != found.digests.get(n))
    needed = len(found.ticks.built)
    total = sum(found.ticks.built.values())
    seconds = sorted(found.ticks.seconds)
    print(f"tables equal to one orderly load: {len(expected) - len(different)} of {len(expected)}")
    print(f"different: {different or 'none'}")
    print(f"{total} partitions built, {needed} different ones; {len(found.ticks.failures)} failed")
    print(f"{found.seconds:,.0f} s, {len(seconds)} ticks of the conditions, median "
          f"{seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s")  # fmt: skip
    print(f"memory by day, MB: {[round(mb) for mb, _ in found.memory]}")
    print(f"open files by day: {[files for _, files in found.memory]}")
    for (name, day), count in found.ticks.built.most_common(8):
        print(f"  {name} {day}: {count} times")


if __name__ == "__main__":
    main()
