"""How time is cut, and what every daily asset has in common."""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from vigil_assets.lineage import lineage_metadata
from vigil_core.calendar import FIRST_DAY
from vigil_resources.artemis.market_history import RELATIONS as MARKET
from vigil_resources.settings import Settings
from vigil_resources.statements import models

# Batches of days in one run, days that look at their neighbours, and links to the code are worth
# names that Dagster still calls beta; once a page of warnings has been read, it says nothing new.
for _name in (
    *("backfill_policy", "allow_nonexistent_upstream_partitions"),
    *("code_references", "CodeReference", "AnchorBasedFilePathMapping"),
):
    warnings.filterwarnings("ignore", category=dg.BetaWarning, message=f".*{_name}.*")

FILL_DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), end_offset=1)
"""UTC days from the first of the exchange's files on; a day is a partition from its start on.

Of all assets alike: Dagster launches a backfill of several only where they have the same.
"""

HOURLY_FED = frozenset({"raw_fills", "fills_parquet", "fills", "round_trips", *models(), *MARKET})
"""What is right of an unfinished day as far as the day goes."""

IN_ORDER, ANY_ORDER = "in_order", "by_day"
"""Pools of runs: `dagster.yaml` allows the first one run, `set_pool_limits` the second more."""

DAILY: dict[str, Any] = {
    "partitions_def": FILL_DAYS,
    # One policy for all: in a job of mixed policies the smallest batch would win.
    "backfill_policy": dg.BackfillPolicy.multi_run(Settings.from_environment().batch_days),
    "owners": ["team:vigil"],
    # One run at a time, earlier days first: unless it says otherwise, a day stands on the one
    # before it, and what two runs do at once is done twice.
    "pool": IN_ORDER,
}
"""What all daily assets share."""

BY_DAY = DAILY | {"pool": ANY_ORDER}
"""For assets whose days do not lean on one another."""


def set_pool_limits(instance: dg.DagsterInstance) -> None:
    """Runs of days in any order go as many at once as the instance allows runs at all."""
    queue = instance.get_concurrency_config().run_queue_config
    limits = instance.event_log_storage.get_pool_limits()
    wanted = queue.max_concurrent_runs if queue else 1
    if not any(one.name == ANY_ORDER and not one.from_default for one in limits):
        instance.event_log_storage.set_concurrency_slots(ANY_ORDER, wanted)


def days_of(context: dg.AssetExecutionContext) -> Iterator[date]:
    """The days of this run, one or many.

    Raises:
        dg.Failure: One has not ended, and the asset is made of whole days.
    """
    days = [date.fromisoformat(key) for key in context.partition_keys]
    names = {key.to_user_string() for key in context.selected_asset_keys}
    if not names <= HOURLY_FED and days[-1] >= datetime.now(UTC).date():
        said = f"{days[-1]} has not ended, and {', '.join(sorted(names))} is made of whole days"
        raise dg.Failure(said, allow_retries=False)
    yield from days


def report_day(
    context: dg.AssetExecutionContext, day: date, row_count: int, **metadata: Any
) -> None:
    """Metadata of one day of a run that may hold many; with the last one, its columns' lineage."""
    values = {"dagster/partition_row_count": row_count, **metadata}
    if day.isoformat() == context.partition_key_range.end:
        values |= lineage_metadata(context.asset_key.to_user_string())
    context.add_asset_metadata(values, partition_key=day.isoformat())
    context.log.info("%s: %d rows", day, row_count)


def data_version(versions: Sequence[str]) -> dg.DataVersion:
    """What Dagster tells stale days by: the content's own version, not the moment it was built.

    Dagster knows one version per run. In a run of many days it stands for all of them, so a day
    built alone afterwards looks changed; `vigil backfill` judges each day by its own.
    """
    if len(versions) == 1:
        return dg.DataVersion(versions[0])
    return dg.DataVersion(hashlib.sha256(" ".join(versions).encode()).hexdigest()[:16])
