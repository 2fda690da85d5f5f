"""When a day of an asset is built: when what it was made of is not what there is now.

Dagster's own conditions say what runs and what was updated; whether a day really is stale the
data say (`Judge`). A tick asks about days of which an input was updated since the last tick, and
their neighbours; what it found is kept in Dagster's cursor, so that a quiet tick asks nothing.
Once a day everything of the last weeks is asked again: what was built by other means counts too.
"""

import json
import warnings
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, ClassVar, Self

import dagster as dg

from vigil_assets.automation.judge import Days, Judge, Stage, left_out
from vigil_assets.automation.status import SENSORS
from vigil_core.artemis.parameters import LONGEST_HORIZON_MS
from vigil_core.calendar import DAY_MS, HOUR_MS, day_of, day_start_ms
from vigil_core.errors import VigilError
from vigil_core.fills.source_keys import hours_of_day
from vigil_resources.artemis.market_history import RELATIONS as MARKET
from vigil_resources.database.warehouse import DERIVED
from vigil_resources.settings import Settings
from vigil_resources.statements import models
from vigil_resources.wiring import open_reconciliation, open_warehouse

LOOKBACK_DAYS = 30
"""Asked about when nothing is known of the time before, and once a day."""

BATCH_DAYS = 10
"""Days of one asset requested at a tick, in a row. The next ones follow when these are built: a
day that stands on the one before must not be built beside it."""

FINAL_AFTER_MS = HOUR_MS
"""After a day's end, until the exchange's answers about it are final."""

LATEST_MS = 3 * HOUR_MS
"""After a day's end, until it is built although hours are missing. They are built in later."""

_KEPT_ABREAST = frozenset(models())
"""Built again as hours of a day come. More is right of an unfinished day, but dearer."""

_OPENING_HOURS = LONGEST_HORIZON_MS // HOUR_MS
"""Of a day, which the last labels of the day before look into."""


@dataclass
class _Known:
    """What is remembered of an asset from tick to tick."""

    asked_on: str = ""
    """The UTC day on which all was asked last."""
    touched: set[date] = field(default_factory=set)
    """An input of theirs was updated, and they are not asked about yet."""
    stale: set[date] = field(default_factory=set)
    tried: set[date] = field(default_factory=set)
    """Requested since an input changed last: if they are stale still, they failed."""
    broken: set[date] = field(default_factory=set)
    """Whose fills were not what came when they were to be read."""

    @classmethod
    def read(cls, text: str | None) -> Self:
        kept = json.loads(text) if text else {}
        sets = {name: set(map(date.fromisoformat, kept.get(name, ()))) for name in cls._SETS}
        return cls(kept.get("asked_on", ""), **sets)

    def write(self) -> str:
        sets = {name: sorted(map(str, getattr(self, name))) for name in self._SETS}
        return json.dumps({"asked_on": self.asked_on, **sets})

    _SETS: ClassVar = ("touched", "stale", "tried", "broken")


class _Tick:
    """What all assets of one tick share; what it asks for, it asks once."""

    def __init__(self, view: Any) -> None:
        settings = Settings.from_environment()
        self.judge = Judge(settings, view.instance)
        self.now_ms = int(view.effective_dt.timestamp() * 1000)
        self.today = day_of(self.now_ms)
        self.unresolved: dict[str, set[date]] = {}
        """Days of an asset that are to be built."""
        self.failed: dict[str, set[date]] = {}
        """Days of an asset that were requested and are stale still, or may not be built at all:
        nothing is built of them."""
        self._audit = open_reconciliation(settings)
        self._is_broken: dict[date, bool] = {}
        last_hour = {"hour": (_OPENING_HOURS - 1) * HOUR_MS}
        rows = open_warehouse(settings).rows("fills/day_contents", last_hour)
        self._awaits = {day_of(ms): awaits for ms, awaits, _ in rows}
        self._has_opening = {day_of(ms) for ms, _, has_opening in rows if has_opening}
        self._left_out = left_out(settings).keys()
        self._answers: dict[tuple[str, Days], set[date]] = {}

    def buildable(self, name: str) -> list[date]:
        """Loaded days that the asset may be built of by now, in the order of time.

        None of what is built only where it is named.
        """
        if name in self._left_out:
            return []
        if name in _KEPT_ABREAST:
            return list(self._awaits)
        opened = name in MARKET
        return [d for d in self._awaits if self._is_settled(d) or (opened and self._opens(d))]

    def _is_settled(self, day: date) -> bool:
        age_ms = self.now_ms - day_start_ms(day) - DAY_MS
        return age_ms >= (LATEST_MS if self._awaits[day] else FINAL_AFTER_MS)

    def _opens(self, day: date) -> bool:
        """Whether a day's first hours are all there, and candles of them are not.

        Built once before the day has ended, these complete the labels of the day before.
        """
        # The first rows of an object may be of the hour before.
        first = {hour.file_id for hour in hours_of_day(day)[: _OPENING_HOURS + 1]}
        return day not in self._has_opening and first.isdisjoint(self._awaits[day])

    def is_broken(self, day: date) -> bool:
        """Whether the blocking check of the fills would fail: here it is not part of the run."""
        if day not in self._is_broken:
            self._is_broken[day] = bool(self._audit.broken(day))
        return self._is_broken[day]

    def stale(self, stage: Stage, days: Iterable[date]) -> set[date]:
        """Which of these days the data say are stale."""
        asked = tuple(sorted(days))
        if not asked:
            return set()
        if (stage.what, asked) not in self._answers:
            self._answers[stage.what, asked] = set(self.judge.stale(stage, asked))
        return self._answers[stage.what, asked]


_last: tuple[Any, _Tick] | None = None


def _tick(view: Any) -> _Tick:
    global _last
    if _last is None or _last[0]() is not view:
        _last = weakref.ref(view), _Tick(view)
    return _last[1]


class Stale(dg.AutomationCondition[dg.AssetKey]):
    """Days that are not of what they would be made of now, once for each change of an input.

    A day that failed is requested again when an input of it changes, or on the next UTC day.
    """

    @property
    def description(self) -> str:
        return "Stale by the data, and not requested since its inputs changed"

    @property
    def name(self) -> str:
        return "stale_by_the_data"

    async def evaluate(  # type: ignore[override]
        self, context: dg.AutomationContext[dg.AssetKey]
    ) -> dg.AutomationResult[dg.AssetKey]:
        name = context.key.to_user_string()
        tick, known = _tick(context.asset_graph_view), _Known.read(context.cursor)
        stage, buildable = tick.judge.stage_of(name), set(tick.buildable(name))
        graph = _Graph(context, stage)
        failed = graph.of_ancestors(tick.failed)
        if stage.is_once:
            buildable -= failed
        parents, own = await graph.updated_parents(), await graph.updated()
        _remember(known, tick.today, stage, parents, own)
        try:
            _ask(known, tick, stage, buildable)
        except VigilError as error:
            # One day that cannot be judged must not keep all else from being built.
            context.log.warning("%s is not judged at this tick: %s", name, error)
        wanted = known.stale - known.tried
        if stage.follows:
            followers = sorted(graph.requested_parents() & buildable)
            wanted |= set(stage.possible(followers)) if followers else set()
        wanted -= known.broken
        tick.unresolved[name] = wanted
        chosen: list[date] = []
        if wanted and not (stage.is_once and await graph.is_unsettled(tick.unresolved)):
            candidates = _days(context.candidate_subset)
            held = graph.held(tick.unresolved) | failed
            chosen = _choose(stage, wanted, candidates, held)
        if name in DERIVED:
            known.broken |= {day for day in chosen if tick.is_broken(day)}
            chosen = [day for day in chosen if day not in known.broken]
        tick.failed[name] = (known.stale & known.tried) | known.broken
        known.tried |= set(chosen)
        keys = {str(day) for day in chosen}
        subset = context.candidate_subset.compute_intersection_with_partition_keys(keys)
        return dg.AutomationResult(context, subset, cursor=known.write())


class _Graph:
    """What Dagster knows of a stage's assets and those above them."""

    def __init__(self, context: dg.AutomationContext[dg.AssetKey], stage: Stage) -> None:
        self._context, self._graph = context, context.asset_graph
        self._own = {dg.AssetKey(name) for name in stage.names}
        self._parents = {
            parent for key in self._own for parent in self._graph.get(key).parent_keys
        } - self._own

    async def updated(self) -> set[date]:
        """Days of the stage that were built since the last tick."""
        return await self._updated(self._own)

    async def updated_parents(self) -> set[date]:
        """Likewise of what it reads."""
        return await self._updated(self._parents)

    async def _updated(self, keys: Iterable[dg.AssetKey]) -> set[date]:
        before = self._context.previous_temporal_context
        if before is None:
            return set()
        view = self._context.asset_graph_view
        days = set[date]()
        for key in keys:
            days |= _days(
                await view.compute_updated_since_temporal_context_subset(
                    key=key, temporal_context=before
                )
            )
        return days

    def requested_parents(self) -> set[date]:
        """Days that what it reads is requested for at this tick, in the same run."""
        requested = self._context.request_subsets_by_key
        mine = self._context.partitions_def
        return {
            day
            for key in self._parents & requested.keys()
            if self._graph.get(key).partitions_def == mine
            for day in _days(requested[key])
        }

    def held(self, unresolved: Mapping[str, set[date]]) -> set[date]:
        """Days that something above is to be built for first, and not in the same run."""
        requested = self._context.request_subsets_by_key
        mine = self._context.partitions_def
        days = set[date]()
        for key in self._ancestors():
            waiting = unresolved.get(key.to_user_string(), set())
            if waiting and self._graph.get(key).partitions_def == mine and key in requested:
                waiting = waiting - _days(requested[key])
            days |= waiting
        return days

    def of_ancestors(self, days: Mapping[str, set[date]]) -> set[date]:
        """All that is said of anything above."""
        return {day for key in self._ancestors() for day in days.get(key.to_user_string(), ())}

    async def is_unsettled(self, unresolved: Mapping[str, set[date]]) -> bool:
        """Whether anything above is to be built, or is being built, for whatever day."""
        view = self._context.asset_graph_view
        for key in self._ancestors():
            if unresolved.get(key.to_user_string()):
                return True
            everything = view.get_full_subset(key=key)
            for ask in (
                view.compute_run_in_progress_subset,
                view.compute_backfill_in_progress_subset,
            ):
                if not (await ask(key=key, from_subset=everything)).is_empty:
                    return True
        return False

    def _ancestors(self) -> set[dg.AssetKey]:
        found: set[dg.AssetKey] = set()
        waiting = set(self._parents)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting |= self._graph.get(key).parent_keys
        return found


def _days(subset: Any) -> set[date]:
    return set(map(date.fromisoformat, subset.expensively_compute_partition_keys()))


def _remember(known: _Known, today: date, stage: Stage, parents: set[date], own: set[date]) -> None:
    """Days whose inputs were updated, and their neighbours, which may read them too."""
    inputs = {day + timedelta(days=step) for day in parents for step in (-1, 0, 1)}
    inputs |= {day + timedelta(days=1) for day in own}
    if stage.is_once:
        inputs = parents
        known.stale -= own if stage.is_report else set()
    known.tried -= known.tried if stage.is_once and inputs else inputs
    known.broken -= inputs
    known.touched |= inputs | (set() if stage.is_report else own)
    if known.asked_on != str(today):
        known.tried.clear()
        known.broken.clear()
        known.touched |= {today - timedelta(days=n) for n in range(LOOKBACK_DAYS + 1)}
        known.asked_on = str(today)


def _ask(known: _Known, tick: _Tick, stage: Stage, buildable: set[date]) -> None:
    """Move what is touched and can be built to what is stale, where the data say so."""
    if not stage.is_once:
        # Of a day whose opening was built, the rest waits for its end.
        known.touched |= known.stale - buildable
        known.stale &= buildable
    asked = known.touched & buildable
    if stage.is_once:
        if buildable and (asked or known.stale):
            # What holds all days is built for the last one, and for those it never had.
            found = tick.stale(stage, {*asked, *known.stale, max(buildable)})
            known.stale = found | ({max(buildable)} if stage.is_report else set())
    elif asked:
        if stage.is_bulk:
            asked = {day for day in buildable if day >= min(asked)}
        found = tick.stale(stage, asked)
        known.stale = (known.stale - asked) | found
        if stage.carries and found:
            later = sorted(day for day in buildable if day > min(found))
            known.stale |= set(stage.possible(later))
    # Older ones are not loaded, and have nothing to wait for.
    known.touched = {d for d in known.touched - asked if d >= tick.today - timedelta(days=2)}


def _choose(stage: Stage, wanted: set[date], candidates: set[date], held: set[date]) -> list[date]:
    """The first days of those wanted that may be requested now, in a row."""
    free = sorted((wanted & candidates) - held)
    if not free or (stage.carries and free[0] != min(wanted)):
        return []
    row = [day for number, day in enumerate(free) if day == free[0] + timedelta(days=number)]
    return row[:BATCH_DAYS]


# Young, and needed: a condition of our own is evaluated where its code is.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*use_user_code_server.*")

STALE: dg.AutomationCondition[dg.AssetKey] = (
    ~dg.AutomationCondition.in_progress() & ~dg.AutomationCondition.any_deps_in_progress() & Stale()
)
"""Last of all comes what asks the data: of days that neither are being built, nor any input."""

automation = dg.AutomationConditionSensorDefinition(
    "automation",
    target=dg.AssetSelection.all(),
    use_user_code_server=True,
    minimum_interval_seconds=20,
    default_status=SENSORS,
    description="Builds what is downstream of a change, and nothing else.",
)
