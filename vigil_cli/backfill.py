"""Materialize a range of days, headless, in this process."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import dagster as dg

from vigil_assets.audit.reconciliation import fills_are_what_came
from vigil_assets.definitions import ASSETS, defs
from vigil_assets.staleness import POSITIONS, PROFILES, Staleness, batches
from vigil_cli.ready import dagster_ready
from vigil_core.calendar import DAY_MS, FIRST_DAY, day_start_ms, days_between
from vigil_core.errors import InvalidSetting, PartitionsFailed, StoreFailed
from vigil_core.snapshots import asset_ctxs
from vigil_resources.account_history import RELATION as ACCOUNTS
from vigil_resources.exchange_api import PUBLIC_API
from vigil_resources.funding_history import RELATION as FUNDING
from vigil_resources.market_history import RELATIONS as MARKET
from vigil_resources.open_interest import RELATIONS as INTEREST
from vigil_resources.paper import RELATIONS as PAPER
from vigil_resources.persistence import RELATION as PERSISTENCE
from vigil_resources.published import RELATION as PUBLISHED
from vigil_resources.reconciliation import RELATION as RECONCILIATION
from vigil_resources.settings import Settings, foreign_api
from vigil_resources.snapshots import FEATURES, LABELS
from vigil_resources.trader_metrics import LABELS as TRADER_LABELS
from vigil_resources.trader_metrics import METRICS
from vigil_resources.training_set import RELATION as TRAINING
from vigil_resources.wallets import RELATIONS as WALLETS
from vigil_resources.warehouse import DERIVED
from vigil_resources.wiring import (
    open_account_history,
    open_asset_ctxs,
    open_fills_by_day,
    open_funding_history,
    open_lake,
    open_market_history,
    open_new_smart_money,
    open_open_interest,
    open_paper_trading,
    open_perp_balances,
    open_persistence_tests,
    open_published_traders,
    open_raw_fills,
    open_reconciliation,
    open_snapshots,
    open_trader_labels,
    open_trader_metrics,
    open_training_set,
    open_wallets,
    open_warehouse,
)

BATCH_DAYS = 10
CONTEXTS = "asset_ctxs"
"""Comes from another bucket than all other assets, and from its own first day on."""

AUDIT = "seed_audit"
"""A report on the labels, and as old as they are."""

WATCHLIST, NEWCOMERS = "smart_money_watchlist", "new_smart_money"
"""Reports on the profiles; the second asks the exchange."""

BALANCES = frozenset({"raw_perp_balances", "perp_balances_parquet"})
"""Come from Artemis' bucket."""


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
    selected = _selected(select, settings)
    earliest = asset_ctxs.FIRST_DAY if selected == {CONTEXTS} else FIRST_DAY
    if not earliest <= first <= last:
        raise InvalidSetting("START END", f"{first} {last}", f"START <= END, from {earliest} on")
    days = list(days_between(first, last))
    failed: list[tuple[str, str]] = []
    with dagster_ready(settings) as instance:
        raw = open_raw_fills(settings) if selected & {"raw_fills", "fills_parquet"} else None
        clients = raw, open_lake(settings), open_warehouse(settings)
        if raw is not None:
            _say(f"{len(days)} days from {settings.node_data}")
            if raw.source == "sandbox":
                _say("this source is SIMULATED data (vigil_sandbox), not the exchange's")
        staleness = Staleness(instance, *clients)
        stages = _stages(settings)
        later = frozenset[str]().union(*(stage.names for stage in stages))
        at_once = {PROFILES, WATCHLIST, NEWCOMERS, POSITIONS, PERSISTENCE, PUBLISHED, CONTEXTS}
        daily = selected - at_once - later
        needed = [(day, daily if force else staleness.of_day(day) & daily) for day in days]
        worked = [day for day, names in needed if names]
        progress = Progress(len(worked))
        for batch, names in batches(needed, BATCH_DAYS):
            failed += _run_batch(instance, batch, names)
            rows = sum(_rows(settings, day) for day in batch)
            progress.advance(batch, rows, f"{len(names)} assets")
        if POSITIONS in selected:
            position_days, position_failures = _positions(instance, settings, days, force=force)
            worked = sorted({*worked, *position_days})
            failed += position_failures
        # Where nothing was worked on, what was found stale or not before still holds.
        if PROFILES in selected and (force or worked or staleness.profiles(days)):
            started = time.monotonic()
            failed += _run(instance, days, frozenset({PROFILES}))
            _say(f"trader_profiles: {time.monotonic() - started:.1f} s")
        if selected & {WATCHLIST, NEWCOMERS}:
            reported, report_failures = _smart_money(
                instance, settings, days, selected, force=force or bool(worked)
            )
            worked = sorted({*worked, *reported})
            failed += report_failures
        if later & selected:
            fills = open_fills_by_day(settings)
            there = [day for day in days if fills.has(day)]
        for stage in stages:
            if stage.names & selected:
                stage_days, stage_failures = _follow(instance, settings, stage, there, force=force)
                worked = sorted({*worked, *stage_days})
                failed += stage_failures
        if PERSISTENCE in selected:
            tested, test_failures = _persistence(instance, settings, days, force=force)
            worked = sorted({*worked, *tested})
            failed += test_failures
        if PUBLISHED in selected:
            published, publish_failures = _published(instance, settings, days, force=force)
            worked = sorted({*worked, *published})
            failed += publish_failures
        if CONTEXTS in selected:
            context_days, context_failures = _contexts(instance, settings, days, force=force)
            worked = sorted({*worked, *context_days})
            failed += context_failures
    if failed:
        raise PartitionsFailed(failed)
    _say("nothing was missing or stale" if not worked else f"done: {len(worked)} days")
    return len(worked)


def _positions(
    instance: dg.DagsterInstance, settings: Settings, days: Sequence[date], *, force: bool
) -> tuple[list[date], list[tuple[str, str]]]:
    """Positions of smart money: the days worked on, and what failed.

    After all else of all days: a day's rows depend on the aggregates of those before it.
    """
    clients = None, open_lake(settings), open_warehouse(settings)
    loaded = clients[2].loaded_days()
    days = [day for day in days if day in loaded]
    needed = days if force else Staleness(instance, *clients).positions(days)
    failed: list[tuple[str, str]] = []
    name = frozenset({POSITIONS})
    begun = time.monotonic()
    for batch, names in batches([(day, name) for day in needed], BATCH_DAYS):
        failed += _run_batch(instance, batch, names)
    if needed:
        _say(f"{POSITIONS}: {len(needed)} days, {time.monotonic() - begun:.1f} s")
    return needed, failed


def _smart_money(
    instance: dg.DagsterInstance,
    settings: Settings,
    days: Sequence[date],
    selected: frozenset[str],
    *,
    force: bool,
) -> tuple[list[date], list[tuple[str, str]]]:
    """The reports on smart money, once for all days: the days, and what failed."""
    names = selected & {WATCHLIST, NEWCOMERS}
    seen = [instance.get_materialized_partitions(dg.AssetKey(name)) for name in names]
    is_seen = all(str(day) in one for one in seen for day in days)
    is_current = NEWCOMERS not in names or open_new_smart_money(settings).is_current()
    if not force and is_seen and is_current:
        return [], []
    begun = time.monotonic()
    failed = _run(instance, days, names)
    _say(f"{' and '.join(sorted(names))}: {time.monotonic() - begun:.1f} s")
    return list(days), failed


def _persistence(
    instance: dg.DagsterInstance, settings: Settings, days: Sequence[date], *, force: bool
) -> tuple[list[date], list[tuple[str, str]]]:
    """The persistence test, once, as of the end of the last day: the days, and what failed."""
    seen = instance.get_materialized_partitions(dg.AssetKey(PERSISTENCE))
    is_seen = all(str(day) in seen for day in days)
    if not force and is_seen and open_persistence_tests(settings).is_current(days[-1]):
        return [], []
    begun = time.monotonic()
    failed = _run(instance, days, frozenset({PERSISTENCE}))
    _say(f"{PERSISTENCE}: {time.monotonic() - begun:.1f} s")
    return list(days), failed


def _published(
    instance: dg.DagsterInstance, settings: Settings, days: Sequence[date], *, force: bool
) -> tuple[list[date], list[tuple[str, str]]]:
    """What lists show, once, as of the last day built: the days, and what failed."""
    seen = instance.get_materialized_partitions(dg.AssetKey(PUBLISHED))
    is_seen = all(str(day) in seen for day in days)
    client = open_published_traders(settings)
    if not client.is_possible() or (not force and is_seen and client.is_current()):
        return [], []
    begun = time.monotonic()
    failed = _run(instance, days, frozenset({PUBLISHED}))
    _say(f"{PUBLISHED}: {time.monotonic() - begun:.1f} s")
    return list(days), failed


@dataclass(frozen=True)
class _Stage:
    """Assets of the feature line that are made together, and whether a day of them is current.

    Each reads what the stages before it made of that day and its neighbours.
    """

    what: str
    names: frozenset[str]
    open: Callable[[], Callable[[date], bool]]
    """Gives `is_current`. Opened by those who asked for the stage: the API may be another's."""
    first_ms: Callable[[], int | None] = lambda: 0
    """Days that end before it are none of the stage's; None: no day is."""


def _stages(settings: Settings) -> list[_Stage]:
    def snapshots(relation: str) -> Callable[[], Callable[[date], bool]]:
        return lambda: partial(open_snapshots(settings).is_current, relation)

    return [
        _Stage("metrics", frozenset({METRICS}), lambda: open_trader_metrics(settings).is_current),
        # With the report on both, which holds for as long as they do.
        _Stage(
            "trader labels",
            frozenset({TRADER_LABELS, AUDIT}),
            lambda: open_trader_labels(settings).is_current,
        ),
        _Stage(
            "market history", frozenset(MARKET), lambda: open_market_history(settings).is_current
        ),
        _Stage("balances", BALANCES, lambda: open_perp_balances(settings).is_current),
        _Stage(
            "open interest", frozenset(INTEREST), lambda: open_open_interest(settings).is_current
        ),
        _Stage("funding", frozenset({FUNDING}), lambda: open_funding_history(settings).is_current),
        _Stage("wallets", frozenset(WALLETS), lambda: open_wallets(settings).is_current),
        _Stage(
            "account history",
            frozenset({ACCOUNTS}),
            lambda: open_account_history(settings).is_current,
        ),
        _Stage("features", frozenset({FEATURES}), snapshots(FEATURES)),
        _Stage("labels", frozenset({LABELS}), snapshots(LABELS)),
        _Stage(
            "reconciliation",
            frozenset({RECONCILIATION}),
            lambda: open_reconciliation(settings).is_current,
        ),
        _Stage("training", frozenset({TRAINING}), lambda: open_training_set(settings).is_current),
        _Stage(
            "paper trading",
            frozenset(PAPER),
            lambda: open_paper_trading(settings).is_current,
            lambda: open_paper_trading(settings).first_followed(),
        ),
    ]


def _follow(
    instance: dg.DagsterInstance,
    settings: Settings,
    stage: _Stage,
    there: Sequence[date],
    *,
    force: bool,
) -> tuple[list[date], list[tuple[str, str]]]:
    """The days of a stage worked on, of those whose fills are there, and what failed.

    A day that was rebuilt may leave the next one stale: a quiet coin goes on from the day before.
    """
    first = stage.first_ms()
    there = [day for day in there if first is not None and day_start_ms(day) + DAY_MS > first]
    if not there:
        return [], []
    is_current = stage.open()
    seen = [instance.get_materialized_partitions(dg.AssetKey(name)) for name in stage.names]
    needed = [
        day
        for day in there
        if force or any(str(day) not in one for one in seen) or not is_current(day)
    ]
    worked: set[date] = set()
    failed: list[tuple[str, str]] = []
    progress = Progress(len(needed))
    while needed and not failed:
        for batch, _ in batches([(day, stage.names) for day in needed], BATCH_DAYS):
            failed += _run_batch(instance, batch, stage.names)
            progress.advance(batch, sum(_rows(settings, day) for day in batch), stage.what)
        worked |= set(needed)
        # One that is still stale is of a day that is not over.
        needed = [day for day in there if day not in worked and not is_current(day)]
    return sorted(worked), failed


def _contexts(
    instance: dg.DagsterInstance, settings: Settings, days: Sequence[date], *, force: bool
) -> tuple[list[date], list[tuple[str, str]]]:
    """The market contexts of these days: the days worked on, and what failed.

    Runs of their own: what the archive lacks must not keep a fill from being loaded.
    """
    ctxs = open_asset_ctxs(settings)
    _say(f"{len(days)} days of market contexts from {settings.archive_data}")
    try:
        listing = ctxs.listing()
    except StoreFailed as error:
        _say(str(error))
        return [], [(CONTEXTS, f"{days[0]} … {days[-1]}")]
    seen = instance.get_materialized_partitions(dg.AssetKey(CONTEXTS))
    name = frozenset({CONTEXTS})
    needed = [
        (day, name)
        for day in days
        if force or str(day) not in seen or not ctxs.is_current(day, listing)
    ]
    failed: list[tuple[str, str]] = []
    progress = Progress(len(needed))
    for batch, names in batches(needed, BATCH_DAYS):
        failed += _run_batch(instance, batch, names)
        entries = [ctxs.entry(day) for day in batch]
        progress.advance(batch, sum(e.rows for e in entries if e is not None), CONTEXTS)
    return [day for day, _ in needed], failed


def _selected(select: str | None, settings: Settings) -> frozenset[str]:
    keys = [key for asset in ASSETS for key in asset.keys]
    if select is None:
        names = frozenset(key.to_user_string() for key in keys)
        if not settings.archive_is_meant:
            _say(f"{CONTEXTS} is left out: VIGIL_NODE_DATA is given, VIGIL_ARCHIVE_DATA is not")
            names -= {CONTEXTS}
        if not settings.artemis_is_meant:
            _say("balances are left out: VIGIL_ARTEMIS_DATA is not given")
            names -= BALANCES
        if settings.api_url == PUBLIC_API and NEWCOMERS in names:
            # A request or more for each trader, at the pace the exchange grants.
            _say(f"{NEWCOMERS} is left out: select it, or run find-new-smart-money")
            names -= {NEWCOMERS}
        return _without_foreign_api(names, settings)
    expected = "a selection, in Dagster's syntax, that names at least one asset"
    try:
        chosen = dg.AssetSelection.from_string(select).resolve(ASSETS)
    except dg.DagsterError as error:
        raise InvalidSetting("--select", select, expected) from error
    if not chosen:
        raise InvalidSetting("--select", select, expected)
    names = frozenset(key.to_user_string() for key in chosen)
    kept = _without_foreign_api(names, settings)
    if not kept:
        raise foreign_api()
    return kept


def _without_foreign_api(names: frozenset[str], settings: Settings) -> frozenset[str]:
    """However they were selected: what is real is never put beside simulated fills."""
    foreign = names & {FUNDING, NEWCOMERS, ACCOUNTS}
    if settings.api_is_meant or not foreign:
        return names
    for name in sorted(foreign):
        what = "funding" if name == FUNDING else name
        _say(f"{what} is left out: VIGIL_NODE_DATA is given, HYPERLIQUID_API_URL is not")
    return names - foreign


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
        selection=_guarded(names),
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


def _guarded(names: frozenset[str]) -> dg.AssetSelection:
    """These assets and their checks; what is built of fills never without the check of the fills.

    Dagster adds a check only to runs of its own asset, and a day may need its aggregates alone.
    """
    selection: dg.AssetSelection = dg.AssetSelection.assets(*sorted(names))
    if names & frozenset(DERIVED):
        selection |= dg.AssetSelection.checks(fills_are_what_came)
    return selection


def _rows(settings: Settings, day: date) -> int:
    found = open_warehouse(settings).rows("fills/day_state", {"day": day_start_ms(day)})
    return int(found[0][3]) if found else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
