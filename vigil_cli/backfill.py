"""Materialize a range of days, headless, in this process."""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, cast

import dagster as dg
from dagster._core.events import RunFailureReason
from dagster._core.storage.partition_status_cache import AssetPartitionStatus

from vigil_assets.audit.reconciliation import fills_are_what_came
from vigil_assets.automation.judge import (
    CONTEXTS,
    LINE,
    RAW,
    Judge,
    Stage,
    foreign,
    left_out,
)
from vigil_assets.definitions import ASSETS, defs
from vigil_assets.launcher import PROCESS_TAG, this_process
from vigil_assets.staleness import batches
from vigil_cli.ready import dagster_ready
from vigil_core.calendar import FIRST_DAY, day_start_ms, days_between
from vigil_core.errors import InvalidSetting, PartitionsFailed, StoreFailed
from vigil_core.snapshots import asset_ctxs
from vigil_resources.database.warehouse import DERIVED
from vigil_resources.settings import Settings, foreign_api
from vigil_resources.wiring import open_asset_ctxs, open_raw_fills, open_warehouse

BATCH_DAYS = 10

_Beside = tuple[tuple[dg.AssetChecksDefinition, ...], dict[str, Any]]
"""Checks and resources of the code location."""


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
    only_failed: bool = False,
) -> int:
    """Materialize the selected assets for the days `first` … `last`; gives the days worked on.

    Only what is missing or stale is done, unless forced; of that only what was tried and failed
    since it was last built, where `only_failed` says so. Stopped at any moment, by Ctrl-C or a
    kill, it goes on where it was when it is called again.

    Raises:
        PartitionsFailed: With the list of them; all others were done.
        KeyboardInterrupt: Stopped; what was under way is as it was before.
    """
    selected = _selected(select, settings)
    earliest = asset_ctxs.FIRST_DAY if selected == {CONTEXTS} else FIRST_DAY
    if not earliest <= first <= last:
        raise InvalidSetting("START END", f"{first} {last}", f"START <= END, from {earliest} on")
    days = list(days_between(first, last))
    if selected & RAW:
        _say_source(settings, len(days))
    with dagster_ready(settings) as instance:
        work = _Work(settings, instance, days, force=force, only_failed=only_failed)
        work.line(selected & frozenset(LINE))
        for stage in work.judge.stages:
            if stage.names & selected:
                work.stage(stage)
    if work.failed:
        raise PartitionsFailed(work.failed)
    worked = len(work.worked)
    _say("nothing was missing or stale" if not worked else f"done: {worked} days")
    return worked


class _Work:
    """A range of days, one stage after the other; `worked` and `failed` say what came of it."""

    def __init__(
        self,
        settings: Settings,
        instance: dg.DagsterInstance,
        days: Sequence[date],
        *,
        force: bool,
        only_failed: bool,
    ) -> None:
        self._settings, self._instance = settings, instance
        self._days, self._force, self._only_failed = days, force, only_failed
        self._beside = _beside()
        self.judge = Judge(settings, instance)
        self.worked: set[date] = set()
        self.failed: list[tuple[str, str]] = []

    def line(self, names: frozenset[str]) -> None:
        """From the raw objects to the aggregates: of each day what it needs."""
        if not names:
            return
        needed = [(day, names) for day in self._days]
        if not self._force:
            needed = self.judge.line(self._days, names)
        if self._only_failed:
            needed = self._failed_of(needed)
        self._run_days([(day, wanted) for day, wanted in needed if wanted])

    def stage(self, stage: Stage) -> None:
        """What the stage lacks, or all of it where that is forced."""
        try:
            if stage.is_once:
                self._once(stage)
            else:
                self._follow(stage)
        except StoreFailed as error:
            # Runs of its own: what one bucket lacks must not keep the rest from being built.
            _say(str(error))
            self.failed += [(name, _span(self._days)) for name in sorted(stage.names)]

    def _once(self, stage: Stage) -> None:
        is_forced = self._force or (stage.is_report and bool(self.worked))
        if not stage.possible(self._days):
            return
        if self._only_failed and not self._failed_days(stage.names):
            return
        if not (is_forced or self.judge.stale(stage, self._days)):
            return
        begun = time.monotonic()
        self.failed += self._run(self._days, stage.names)
        self.worked |= set(self._days)
        _say(f"{stage.what}: {time.monotonic() - begun:.1f} s")

    def _follow(self, stage: Stage) -> None:
        """Until nothing is stale: a day that was rebuilt may leave the next one stale.

        A quiet coin goes on from the day before.
        """
        done, failed = set[date](), len(self.failed)
        needed = list(stage.possible(self._days)) if self._force else self._stale(stage)
        if self._only_failed:
            tried = self._failed_days(stage.names)
            needed = [day for day in needed if day in tried]
        while needed and len(self.failed) == failed:
            self._run_days([(day, stage.names) for day in needed], stage)
            done |= set(needed)
            # One that is still stale is of a day that is not over.
            needed = [day for day in self._stale(stage) if day not in done]

    def _stale(self, stage: Stage) -> list[date]:
        """Days that are stale now, and those that building them would leave stale."""
        found = list(self.judge.stale(stage, self._days))
        if not (found and stage.carries):
            return found
        return [day for day in stage.possible(self._days) if day >= min(found)]

    def _failed_of(
        self, needed: Sequence[tuple[date, frozenset[str]]]
    ) -> list[tuple[date, frozenset[str]]]:
        """All that those days need of which something failed: its cause may lie before it."""
        names = frozenset[str]().union(*(wanted for _, wanted in needed))
        failed = {name: self._failed_days([name]) for name in names}
        return [
            (day, wanted) for day, wanted in needed if any(day in failed[name] for name in wanted)
        ]

    def _failed_days(self, names: Iterable[str]) -> set[date]:
        """Days whose last attempt to build one of these assets failed, whoever made it."""
        found: set[date] = set()
        for name in names:
            status = self._instance.get_status_by_partition(
                dg.AssetKey(name), [str(day) for day in self._days], _partitions(name)
            )
            failed = AssetPartitionStatus.FAILED
            found |= {date.fromisoformat(k) for k, one in (status or {}).items() if one is failed}
        return found

    def _run_days(
        self, needed: Sequence[tuple[date, frozenset[str]]], stage: Stage | None = None
    ) -> None:
        progress = Progress(len(needed))
        for batch, names in batches(needed, BATCH_DAYS):
            self._run_batch(batch, names)
            rows = sum(_rows(self._settings, names, day) for day in batch)
            progress.advance(batch, rows, stage.what if stage else f"{len(names)} assets")

    def _run_batch(self, days: Sequence[date], names: frozenset[str]) -> None:
        """One run for all days; where it fails, one run a day, so that only a bad day is left."""
        failed = self._run(days, names)
        if failed and len(days) > 1:
            _say(f"{_span(days)} failed together: now each day alone")
            failed = [failure for day in days for failure in self._run([day], names)]
        self.failed += failed
        self.worked |= set(days)

    def _run(self, days: Sequence[date], names: frozenset[str]) -> list[tuple[str, str]]:
        checks, resources = self._beside
        result = dg.materialize(
            [*ASSETS, *checks],
            selection=_guarded(names),
            instance=self._instance,
            resources=resources,
            tags={
                # Should this process be killed, its run is found dead, and its slots are free.
                PROCESS_TAG: this_process(),
                # A day that fails is tried alone, here.
                "dagster/max_retries": "0",
                "dagster/asset_partition_range_start": days[0].isoformat(),
                "dagster/asset_partition_range_end": days[-1].isoformat(),
                "vigil/backfill": "headless",
            },
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            raise_on_error=False,
        )
        if result.success:
            return []
        if _was_stopped(result):
            raise KeyboardInterrupt
        failures = result.get_step_failure_events()
        for event in failures:
            error = event.step_failure_data.error
            # Dagster's own frame around the body's error says where, which stands before it anyway.
            cause = error.cause if error and error.cause else error
            text = cause.message.strip() if cause else "no reason"
            _say(f"failed: {event.step_key} {_span(days)}: {text} (run {result.run_id})")
        return [(event.step_key or "run", _span(days)) for event in failures]


def _say_source(settings: Settings, days: int) -> None:
    _say(f"{days} days from {settings.node_data}")
    if open_raw_fills(settings).source == "sandbox":
        _say("this source is SIMULATED data (vigil_sandbox), not the exchange's")


def _selected(select: str | None, settings: Settings) -> frozenset[str]:
    keys = [key for asset in ASSETS for key in asset.keys]
    if select is None:
        return _without(left_out(settings), frozenset(key.to_user_string() for key in keys))
    expected = "a selection, in Dagster's syntax, that names at least one asset"
    try:
        chosen = dg.AssetSelection.from_string(select).resolve(ASSETS)
    except dg.DagsterError as error:
        raise InvalidSetting("--select", select, expected) from error
    if not chosen:
        raise InvalidSetting("--select", select, expected)
    # However they were selected: what is real is never put beside simulated fills.
    kept = _without(foreign(settings), frozenset(key.to_user_string() for key in chosen))
    if not kept:
        raise foreign_api()
    return kept


def _without(reasons: dict[str, str], names: frozenset[str]) -> frozenset[str]:
    for name in sorted(reasons.keys() & names):
        _say(f"{name} is left out: {reasons[name]}")
    return names - reasons.keys()


def _partitions(name: str) -> dg.PartitionsDefinition[str]:
    key = dg.AssetKey(name)
    [found] = [asset.partitions_def for asset in ASSETS if key in asset.keys]
    assert found is not None, name
    return found


def _was_stopped(result: dg.ExecuteInProcessResult) -> bool:
    """Dagster takes Ctrl-C for the failure of the step at work."""
    return any(
        event.job_failure_data.failure_reason is RunFailureReason.UNEXPECTED_TERMINATION
        for event in result.all_events
        if event.event_type is dg.DagsterEventType.RUN_FAILURE
    )


def _beside() -> _Beside:
    """What the settings of now put beside the assets."""
    definitions = defs()
    checks = tuple(definitions.asset_checks or ())
    return cast("tuple[dg.AssetChecksDefinition, ...]", checks), dict(definitions.resources or {})


def _guarded(names: frozenset[str]) -> dg.AssetSelection:
    """These assets and their checks; what is built of fills never without the check of the fills.

    Dagster adds a check only to runs of its own asset, and a day may need its aggregates alone.
    """
    selection: dg.AssetSelection = dg.AssetSelection.assets(*sorted(names))
    if names & frozenset(DERIVED):
        selection |= dg.AssetSelection.checks(fills_are_what_came)
    return selection


def _rows(settings: Settings, names: frozenset[str], day: date) -> int:
    """What a day's work is measured by: its fills, or its contexts."""
    if names == {CONTEXTS}:
        entry = open_asset_ctxs(settings).entry(day)
        return entry.rows if entry is not None else 0
    found = open_warehouse(settings).rows("fills/day_state", {"day": day_start_ms(day)})
    return int(found[0][3]) if found else 0


def _span(days: Sequence[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{days[0]} … {days[-1]}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
