"""What came to the node's bucket: new hours and changed ones, and only those are loaded."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from vigil_assets.automation.judge import LINE, Judge
from vigil_assets.automation.status import SCHEDULES, SENSORS
from vigil_assets.staleness import batches
from vigil_core.errors import LakeIncomplete
from vigil_resources.files.lake import Lake
from vigil_resources.files.raw_fills import Manifest, RawFills
from vigil_resources.settings import Settings
from vigil_resources.statements import models

WINDOW_DAYS = 30
"""Days before today that every tick looks at. An hour that is later than that waits for the
night, when all of history is looked at: a listing of 31 days is one request, whatever there is
before them."""

MOST_DAYS = 30
"""Loaded by the requests of one tick; what is more waits for the next."""

BATCH_DAYS = 10
JOB = "load_arrivals"

LOADED = dg.AssetSelection.assets("raw_fills", "fills_parquet", "fills", *models())

load_arrivals = dg.define_asset_job(
    JOB,
    selection=LOADED,
    description="A day's hours as far as they came: listed, decoded, loaded and added up.",
)

ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a look at the bucket found."""

    requests: list[dg.RunRequest]
    cursor: str
    vanished: dict[date, list[str]]
    """Objects that a day's manifest in the lake has, and the bucket has not any more."""


def look(raw: RawFills, lake: Lake, cursor: str | None, today: date, busy: set[date]) -> Seen:
    """Compare the window with the cursor.

    Args:
        raw: The bucket; listed once.
        lake: Asked about days that changed, and where there is no cursor.
        cursor: What the last look gave; None: what the lake holds counts instead.
        today: The current UTC day, which is loaded as far as it came.
        busy: Days that a run is loading: they wait for the next look.
    """
    known = _versions(cursor)
    first = today - timedelta(days=WINDOW_DAYS)
    if not known:
        # What was never asked for is not fetched: a bucket may let its reader pay.
        first = max(first, _first_day(lake, today - timedelta(days=1)))
    manifests = raw.manifests(first, today)
    changed: list[date] = []
    vanished = {day: ["all hours"] for day in known if first <= day and day not in manifests}
    for day, manifest in manifests.items():
        if known.get(day) == manifest.version:
            continue
        kept = kept_manifest(lake, day)
        if kept is not None and (gone := _gone(kept, manifest)):
            vanished[day] = gone
        if kept is None or _adds(kept, manifest):
            changed.append(day)
    taken = [day for day in changed if day not in busy][:MOST_DAYS]
    waiting = set(changed) - set(taken)
    versions = {
        day: known.get(day, "") if day in waiting else manifest.version
        for day, manifest in manifests.items()
    }
    return Seen(
        requests=list(requests(taken, {day: manifests[day].version for day in taken})),
        cursor=json.dumps({str(day): version for day, version in versions.items()}),
        vanished=vanished,
    )


def requests(days: Sequence[date], versions: Mapping[date, str]) -> Iterator[dg.RunRequest]:
    """Runs for these days, as few as batches allow. The key is what they are loaded from."""
    for batch, _ in batches([(day, frozenset({JOB})) for day in days], BATCH_DAYS):
        key = ",".join(f"{day}:{versions[day]}" for day in batch)
        if len(batch) > 1:
            key = f"{batch[0]}…{batch[-1]}:{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        yield request_of(batch, key)


def request_of(days: Sequence[date], key: str | None = None) -> dg.RunRequest:
    """One run for days in a row."""
    if len(days) == 1:
        return dg.RunRequest(run_key=key, partition_key=str(days[0]))
    tags = {
        "dagster/asset_partition_range_start": str(days[0]),
        "dagster/asset_partition_range_end": str(days[-1]),
    }
    return dg.RunRequest(run_key=key, tags=tags)


def kept_manifest(lake: Lake, day: date) -> Manifest | None:
    """The manifest that the lake holds of a day, if any."""
    try:
        return lake.manifest(day)
    except LakeIncomplete:
        return None


def busy_days(instance: dg.DagsterInstance, job: str = JOB) -> set[date]:
    """The days that runs of a job are about to load."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=ACTIVE))
    return {day for run in runs for day in _days_of(run.tags)}


def days_of_run(request: dg.RunRequest) -> list[date]:
    """The days that a request is for, in the order of time."""
    return list(_days_of({"dagster/partition": request.partition_key or "", **request.tags}))


def _days_of(tags: Mapping[str, str]) -> Iterator[date]:
    only = tags.get("dagster/partition")
    first = tags.get("dagster/asset_partition_range_start", only)
    last = tags.get("dagster/asset_partition_range_end", only)
    if first and last:
        count = (date.fromisoformat(last) - date.fromisoformat(first)).days
        yield from (date.fromisoformat(first) + timedelta(days=n) for n in range(count + 1))


def _versions(cursor: str | None) -> dict[date, str]:
    return {date.fromisoformat(day): one for day, one in json.loads(cursor or "{}").items()}


def _first_day(lake: Lake, default: date) -> date:
    """The first day that the lake was ever told of."""
    names = [item.key.rpartition("/")[2] for item in lake.store.list("manifests")]
    return min((date.fromisoformat(name.removesuffix(".json")) for name in names), default=default)


def _gone(kept: Manifest, now: Manifest) -> list[str]:
    return sorted(hour.name for hour in kept.own.keys() - now.own.keys())


def _adds(kept: Manifest, now: Manifest) -> bool:
    """Whether anything came, or changed. That something is gone alone deletes nothing."""
    return kept.source != now.source or bool(set(now.objects.values()) - set(kept.objects.values()))


def _today() -> date:
    return datetime.now(UTC).date()


@dg.sensor(
    job=load_arrivals,
    minimum_interval_seconds=20,
    default_status=SENSORS,
    description="Loads the days whose hours came or changed, up to 30 days back.",
)
def raw_arrivals(
    context: dg.SensorEvaluationContext,
    raw: dg.ResourceParam[RawFills],
    lake: dg.ResourceParam[Lake],
) -> dg.SensorResult | dg.SkipReason:
    """One listing a tick; the cursor holds the version of each day's objects."""
    seen = look(raw, lake, context.cursor, _today(), busy_days(context.instance))
    for day, names in seen.vanished.items():
        context.log.warning("%s: gone from the bucket, kept here: %s", day, ", ".join(names))
    return dg.SensorResult(run_requests=seen.requests, cursor=seen.cursor)


@dg.schedule(
    job=load_arrivals,
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    default_status=SCHEDULES,
    description="All of history once a night: changes older than 30 days, and loads that failed.",
)
def nightly_sweep(
    context: dg.ScheduleEvaluationContext,
    raw: dg.ResourceParam[RawFills],
    lake: dg.ResourceParam[Lake],
) -> list[dg.RunRequest] | dg.SkipReason:
    """From the first day that was ever loaded on; nothing before it is fetched."""
    today = context.scheduled_execution_time.date()
    judge = Judge(Settings.from_environment(), context.instance)
    days = stale_history(raw, lake, judge, today) - busy_days(context.instance)
    if not days:
        return dg.SkipReason("nothing came late, and nothing is left to load")
    runs = batches([(day, frozenset({JOB})) for day in sorted(days)], BATCH_DAYS)
    # Without keys of their own, several requests of one night count as one.
    return [request_of(batch, f"{batch[0]}…{batch[-1]}") for batch, _ in runs]


def stale_history(raw: RawFills, lake: Lake, judge: Judge, today: date) -> set[date]:
    """Days of all history whose objects changed, and those of the window that lack a load."""
    first = _first_day(lake, today)
    manifests = raw.manifests(first, today)
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda day: kept_manifest(lake, day), manifests)
        kept = dict(zip(manifests, found, strict=True))
    changed = {
        day
        for day, manifest in manifests.items()
        if (before := kept[day]) is None or _adds(before, manifest)
    }
    window = [day for day in manifests if day >= today - timedelta(days=WINDOW_DAYS)]
    loads = frozenset(LINE) & {"raw_fills", "fills_parquet", "fills", *models()}
    return changed | {day for day, names in judge.line(window, loads) if names}
