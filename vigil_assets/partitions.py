"""How time is cut, and what every daily asset has in common."""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg

from vigil_core.calendar import FIRST_DAY

# Batches of days in one run, and days that look at their neighbours, are worth parameters that
# Dagster still calls beta; once a page of warnings has been read, it says nothing new.
for _parameter in ("backfill_policy", "allow_nonexistent_upstream_partitions"):
    warnings.filterwarnings("ignore", category=dg.BetaWarning, message=f".*{_parameter}.*")

FILL_DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat())
"""UTC days from the first of the exchange's files on; a day is a partition once it has ended."""

DAILY: dict[str, Any] = {
    "partitions_def": FILL_DAYS,
    # One policy for all: in a job of mixed policies the smallest batch would win.
    "backfill_policy": dg.BackfillPolicy.multi_run(10),
    "owners": ["team:vigil"],
}


def days_of(context: dg.AssetExecutionContext) -> Iterator[date]:
    """The days of this run, one or many."""
    for key in context.partition_keys:
        yield date.fromisoformat(key)


def report_day(
    context: dg.AssetExecutionContext, day: date, row_count: int, **metadata: Any
) -> None:
    """Metadata of one day of a run that may hold many."""
    values = {"dagster/partition_row_count": row_count, **metadata}
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
