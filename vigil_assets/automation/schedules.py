"""What is asked for at its hour: each look into these buckets may cost their reader."""

from datetime import date, timedelta

import dagster as dg

from vigil_assets.automation.arrivals import BATCH_DAYS, busy_days, kept_manifest, request_of
from vigil_assets.automation.judge import BALANCES, CONTEXTS, left_out
from vigil_assets.automation.status import SCHEDULES
from vigil_assets.staleness import batches
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_asset_ctxs, open_lake, open_perp_balances

BALANCE_DAYS = 7
"""Artemis publishes a day on the next one, or some days later."""

CONTEXT_DAYS = 45
"""The exchange's archive is written about once a month."""

load_balances = dg.define_asset_job(
    "load_balances", selection=dg.AssetSelection.assets(*sorted(BALANCES))
)
load_contexts = dg.define_asset_job("load_contexts", selection=dg.AssetSelection.assets(CONTEXTS))


@dg.schedule(
    job=load_balances,
    cron_schedule="0 7 * * *",
    execution_timezone="UTC",
    default_status=SCHEDULES,
    description="Balances of yesterday, and of the week before where they came late.",
)
def artemis_next_day(
    context: dg.ScheduleEvaluationContext,
) -> list[dg.RunRequest] | dg.SkipReason:
    """Where `VIGIL_ARTEMIS_DATA` is given."""
    settings = Settings.from_environment()
    if reason := left_out(settings).get("raw_perp_balances"):
        return dg.SkipReason(f"left out: {reason}")
    balances = open_perp_balances(settings)
    known = _known(context, settings, BALANCE_DAYS)
    came = [day for day in known if balances.listing(day) and not balances.is_current(day)]
    return _requests(context, load_balances.name, came)


@dg.schedule(
    job=load_contexts,
    cron_schedule="30 7 * * *",
    execution_timezone="UTC",
    default_status=SCHEDULES,
    description="Market contexts of the last weeks that the archive has by now.",
)
def archive_when_there(
    context: dg.ScheduleEvaluationContext,
) -> list[dg.RunRequest] | dg.SkipReason:
    """Where the archive belongs to the fills."""
    settings = Settings.from_environment()
    if reason := left_out(settings).get(CONTEXTS):
        return dg.SkipReason(f"left out: {reason}")
    contexts = open_asset_ctxs(settings)
    listing = contexts.listing()
    known = _known(context, settings, CONTEXT_DAYS)
    came = [
        day for day in known if day in listing.objects and not contexts.is_current(day, listing)
    ]
    return _requests(context, load_contexts.name, came)


def _known(context: dg.ScheduleEvaluationContext, settings: Settings, count: int) -> list[date]:
    """Of the last days, those that Vigil was ever told of, in the order of time."""
    lake, today = open_lake(settings), context.scheduled_execution_time.date()
    days = [today - timedelta(days=number) for number in range(count, 0, -1)]
    return [day for day in days if kept_manifest(lake, day) is not None]


def _requests(
    context: dg.ScheduleEvaluationContext, job: str, days: list[date]
) -> list[dg.RunRequest] | dg.SkipReason:
    busy = busy_days(context.instance, job)
    free = [(day, frozenset({job})) for day in days if day not in busy]
    if not free:
        return dg.SkipReason("nothing new")
    return [request_of(b, f"{job} {b[0]}…{b[-1]}") for b, _ in batches(free, BATCH_DAYS)]
