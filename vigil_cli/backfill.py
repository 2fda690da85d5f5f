"""Materialize a range of days, headless, in this process."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg

from vigil_assets.definitions import ASSETS, defs
from vigil_assets.staleness import PROFILES, Staleness, batches
from vigil_cli.ready import dagster_ready
from vigil_core.calendar import FIRST_DAY, day_start_ms, days_between
from vigil_core.errors import InvalidSetting, PartitionsFailed
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_lake, open_raw_fills, open_warehouse

BATCH_DAYS = 10


@dataclass
class Progress:
    """Days done, rows per second and time left; a line per batch, on stderr."""

    total_days: int
    done_days: int = 0
    rows: int = 0
    started: float = field(default_factory=time.monotonic)

    def advance(self, days: Sequence[date], rows: int, what: str) -> None:
        """Say that these days are done."""
        self.done_days += len(days)
        self.rows += rows
        seconds = max(time.monotonic() - self.started, 1e-9)
        left = seconds / self.done_days * (self.total_days - self.done_days)
        filled = round(24 * self.done_days / self.total_days)
        print(
            f"[{'#' * filled}{'.' * (24 - filled)}] {self.done_days}/{self.total_days} days  "
            f"{self.rows / seconds:,.0f} rows/s  {left:,.0f} s left  "
            f"{days[0]} … {days[-1]}: {what}",
            file=sys.stderr,
            flush=True,
        )


def backfill(
    settings: Settings,
    first: date,
    last: date,
    *,
    select: str | None = None,
    force: bool = False,
) -> int:
    """Materialize the selected assets for the days `first` … `last`; gives the days worked on.

    Only what is missing or stale is done, unless forced.

    Raises:
        PartitionsFailed: With the list of them; all others were done.
    """
    if not FIRST_DAY <= first <= last:
        raise InvalidSetting("START END", f"{first} {last}", f"START <= END, from {FIRST_DAY} on")
    days = list(days_between(first, last))
    selected = _selected(select)
    failed: list[tuple[str, str]] = []
    with dagster_ready(settings) as instance:
        raw = open_raw_fills(settings) if selected & {"raw_fills", "fills_parquet"} else None
        clients = raw, open_lake(settings), open_warehouse(settings)
        if raw is not None:
            _say(f"{len(days)} days from {settings.node_data}")
            if raw.source == "sandbox":
                _say("this source is SIMULATED data (vigil_sandbox), not the exchange's")
        staleness = Staleness(instance, *clients)
        daily = selected - {PROFILES}
        needed = [(day, daily if force else staleness.of_day(day) & daily) for day in days]
        worked = [day for day, names in needed if names]
        progress = Progress(len(worked))
        for batch, names in batches(needed, BATCH_DAYS):
            failed += _run_batch(instance, batch, names)
            rows = sum(_rows(settings, day) for day in batch)
            progress.advance(batch, rows, f"{len(names)} assets")
        # Where nothing was worked on, what was found stale or not before still holds.
        if PROFILES in selected and (force or worked or staleness.profiles(days)):
            started = time.monotonic()
            failed += _run(instance, days, frozenset({PROFILES}))
            _say(f"trader_profiles: {time.monotonic() - started:.1f} s")
    if failed:
        raise PartitionsFailed(failed)
    _say("nothing was missing or stale" if not worked else f"done: {len(worked)} days")
    return len(worked)


def _selected(select: str | None) -> frozenset[str]:
    keys = [key for asset in ASSETS for key in asset.keys]
    if select is None:
        return frozenset(key.to_user_string() for key in keys)
    chosen = dg.AssetSelection.from_string(select).resolve(ASSETS)
    if not chosen:
        raise InvalidSetting("--select", select, "a selection that names at least one asset")
    return frozenset(key.to_user_string() for key in chosen)


def _run_batch(
    instance: dg.DagsterInstance, days: Sequence[date], names: frozenset[str]
) -> list[tuple[str, str]]:
    """One run for all days; where it fails, one run a day, so that only a bad day is left."""
    failed = _run(instance, days, names)
    if not failed or len(days) == 1:
        return failed
    return [failure for day in days for failure in _run(instance, [day], names)]


def _run(
    instance: dg.DagsterInstance, days: Sequence[date], names: frozenset[str]
) -> list[tuple[str, str]]:
    result = dg.materialize(
        [*ASSETS, *(defs().asset_checks or [])],
        selection=sorted(names),
        instance=instance,
        resources=dict(defs().resources or {}),
        tags={
            "dagster/asset_partition_range_start": days[0].isoformat(),
            "dagster/asset_partition_range_end": days[-1].isoformat(),
            "vigil/backfill": "headless",
        },
        run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        raise_on_error=False,
    )
    if result.success:
        return []
    span = str(days[0]) if len(days) == 1 else f"{days[0]} … {days[-1]}"
    return [(event.step_key or "run", span) for event in result.get_step_failure_events()]


def _rows(settings: Settings, day: date) -> int:
    found = open_warehouse(settings).rows("fills/day_state", {"day": day_start_ms(day)})
    return int(found[0][3]) if found else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
