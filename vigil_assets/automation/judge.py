"""Which days of which asset are stale: asked by `vigil backfill` and by the automation alike.

The data themselves answer: each asset keeps what it was made of. Dagster's records only add the
days that it has never seen.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import groupby

import dagster as dg

from vigil_assets.staleness import POSITIONS, PROFILES, Staleness
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_resources.artemis.funding_history import RELATION as FUNDING
from vigil_resources.artemis.market_history import RELATIONS as MARKET
from vigil_resources.artemis.open_interest import RELATIONS as INTEREST
from vigil_resources.artemis.snapshots import FEATURES, LABELS
from vigil_resources.artemis.training_set import RELATION as TRAINING
from vigil_resources.artemis.wallets import RELATIONS as WALLETS
from vigil_resources.database.warehouse import DERIVED
from vigil_resources.desk.paper import RELATIONS as PAPER
from vigil_resources.exchange.transport import PUBLIC_API
from vigil_resources.health.reconciliation import RELATION as RECONCILIATION
from vigil_resources.metrics.account_history import RELATION as ACCOUNTS
from vigil_resources.metrics.persistence import RELATION as PERSISTENCE
from vigil_resources.metrics.published import RELATION as PUBLISHED
from vigil_resources.metrics.trader_metrics import LABELS as TRADER_LABELS
from vigil_resources.metrics.trader_metrics import METRICS
from vigil_resources.settings import Settings
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

RAW = frozenset({"raw_fills", "fills_parquet"})
"""Are judged by what the node's bucket holds now."""

LINE = (*sorted(RAW, reverse=True), "fills", *DERIVED)
"""From the raw objects to the aggregates: judged together, a day at a time."""

CONTEXTS = "asset_ctxs"
"""Comes from another bucket than all other assets, and from its own first day on."""

AUDIT = "seed_audit"
"""A report on the labels, and as old as they are."""

WATCHLIST, NEWCOMERS = "smart_money_watchlist", "new_smart_money"
"""Reports on the profiles; the second asks the exchange."""

BALANCES = frozenset({"raw_perp_balances", "perp_balances_parquet"})
"""Come from Artemis' bucket."""

Days = Sequence[date]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Assets that are made together.

    Each stage reads what those before it made of a day and its neighbours.
    """

    what: str
    names: frozenset[str]
    open: Callable[[], Callable[[Days], Iterable[date]]]
    """Gives a function: days → those that are not of what they would be made of now. Opened by
    those who asked for the stage: the API may be another's."""
    possible: Callable[[Days], Days] = lambda days: days
    """Of some days, those that can be built."""
    is_once: bool = False
    """A run of many days builds it once, as of all that is there."""
    is_report: bool = False
    """Nothing tells what it was made of: made again after anything else was."""
    carries: bool = False
    """A day stands on all days before it: a stale one leaves all later ones stale."""
    is_bulk: bool = False
    """Many days are asked about at the price of one."""
    follows: bool = True
    """Is stale for certain when what it reads was built."""


class Judge:
    """Answers by what is there when it is asked."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self._settings, self._instance = settings, instance
        self._with_fills: set[date] = set()
        self.stages = self._stages()
        """All behind the line, in the order in which they can be built."""
        self._by_name = {name: stage for stage in self.stages for name in stage.names}
        self._by_name |= {name: self._derived(name) for name in DERIVED}

    def stage_of(self, name: str) -> Stage:
        """What the days of one asset are judged by. Raises KeyError: it is not judged alone."""
        return self._by_name[name]

    def line(self, days: Days, names: frozenset[str]) -> list[tuple[date, frozenset[str]]]:
        """What each of these days needs of these assets of the line."""
        settings = self._settings
        raw = open_raw_fills(settings) if names & RAW else None
        clients = raw, open_lake(settings), open_warehouse(settings)
        staleness = Staleness(self._instance, *clients)
        return [(day, staleness.of_day(day) & names) for day in days]

    def stale(self, stage: Stage, days: Days) -> list[date]:
        """Which of these days the stage is to be built for, in the order of time.

        Raises:
            StoreFailed: A bucket that the stage comes from did not answer.
        """
        days = stage.possible(days)
        if not days:
            return []
        unseen = self._unseen(stage.names, days)
        return sorted({*unseen, *stage.open()([day for day in days if day not in unseen])})

    def _unseen(self, names: Iterable[str], days: Days) -> set[date]:
        seen = [self._instance.get_materialized_partitions(dg.AssetKey(name)) for name in names]
        return {day for day in days if any(str(day) not in one for one in seen)}

    def _loaded(self, days: Days) -> Days:
        loaded = open_warehouse(self._settings).loaded_days()
        return [day for day in days if day in loaded]

    def _there(self, days: Days) -> Days:
        """Those whose fills the feature line can read; once there, a day stays there."""
        fills = open_fills_by_day(self._settings)
        self._with_fills |= {day for day in days if day not in self._with_fills and fills.has(day)}
        return [day for day in days if day in self._with_fills]

    def _followed(self, days: Days) -> Days:
        """Those that end after somebody was followed."""
        first = open_paper_trading(self._settings).first_followed()
        if first is None:
            return []
        return self._there([day for day in days if day_start_ms(day) + DAY_MS > first])

    def _publishable(self, days: Days) -> Days:
        return days if open_published_traders(self._settings).is_possible() else []

    def _derived(self, name: str) -> Stage:
        """One relation of the line's end, where its day is loaded."""
        warehouse = open_warehouse(self._settings)
        return Stage(
            what=name,
            names=frozenset({name}),
            open=lambda: warehouse.stale_days(name).intersection,
            possible=self._loaded,
            is_bulk=True,
            follows=False,
        )

    def _stages(self) -> tuple[Stage, ...]:
        settings = self._settings

        def one(
            what: str,
            names: Iterable[str],
            is_current: Callable[[], Callable[[date], bool]],
            possible: Callable[[Days], Days] = self._there,
            **more: bool,
        ) -> Stage:
            return Stage(
                what=what,
                names=frozenset(names),
                open=lambda: partial(_each, is_current()),
                possible=possible,
                **more,
            )

        def snapshots(relation: str) -> Callable[[], Callable[[date], bool]]:
            return lambda: partial(open_snapshots(settings).is_current, relation)

        return (
            # A day's rows depend on the aggregates of all days before it.
            Stage(
                what="positions",
                names=frozenset({POSITIONS}),
                open=lambda: open_warehouse(settings).stale_position_days().intersection,
                possible=self._loaded,
                is_bulk=True,
            ),
            Stage(
                what="profiles",
                names=frozenset({PROFILES}),
                open=lambda: partial(
                    _as_of_last, lambda _: open_warehouse(settings).profiles_are_current()
                ),
                is_once=True,
                follows=False,
            ),
            Stage(
                what="watchlist",
                names=frozenset({WATCHLIST}),
                open=lambda: lambda _: (),
                is_once=True,
                follows=False,
                is_report=True,
            ),
            Stage(
                what="newcomers",
                names=frozenset({NEWCOMERS}),
                open=lambda: partial(
                    _as_of_last, lambda _: open_new_smart_money(settings).is_current()
                ),
                is_once=True,
                follows=False,
                is_report=True,
            ),
            one(
                "metrics",
                [METRICS],
                lambda: open_trader_metrics(settings).is_current,
                carries=True,
            ),
            one(
                "trader labels",
                [TRADER_LABELS],
                lambda: open_trader_labels(settings).is_current,
                carries=True,
            ),
            Stage(
                what="seed audit",
                names=frozenset({AUDIT}),
                open=lambda: lambda _: (),
                is_once=True,
                is_report=True,
                follows=False,
            ),
            one("market history", MARKET, lambda: open_market_history(settings).is_current),
            one("balances", BALANCES, lambda: open_perp_balances(settings).is_current),
            one("open interest", INTEREST, lambda: open_open_interest(settings).is_current),
            one("funding", [FUNDING], lambda: open_funding_history(settings).is_current),
            one("wallets", WALLETS, lambda: open_wallets(settings).is_current, carries=True),
            one(
                "account history",
                [ACCOUNTS],
                lambda: open_account_history(settings).is_current,
                follows=False,
            ),
            one("features", [FEATURES], snapshots(FEATURES)),
            one("labels", [LABELS], snapshots(LABELS)),
            one(
                "reconciliation", [RECONCILIATION], lambda: open_reconciliation(settings).is_current
            ),
            Stage(
                what="training",
                names=frozenset({TRAINING}),
                open=lambda: partial(_as_of_months, open_training_set(settings).is_current),
                possible=self._there,
                is_once=True,
                follows=False,
            ),
            one(
                "paper trading",
                PAPER,
                lambda: open_paper_trading(settings).is_current,
                self._followed,
                carries=True,
            ),
            Stage(
                what="persistence test",
                names=frozenset({PERSISTENCE}),
                open=lambda: partial(_as_of_last, open_persistence_tests(settings).is_current),
                is_once=True,
                follows=False,
            ),
            Stage(
                what="published traders",
                names=frozenset({PUBLISHED}),
                open=lambda: partial(
                    _as_of_last, lambda _: open_published_traders(settings).is_current()
                ),
                possible=self._publishable,
                is_once=True,
                follows=False,
            ),
            Stage(what="market contexts", names=frozenset({CONTEXTS}), open=self._contexts),
        )

    def _contexts(self) -> Callable[[Days], Iterable[date]]:
        ctxs = open_asset_ctxs(self._settings)

        def stale(days: Days) -> Iterable[date]:
            listing = ctxs.listing()
            return [day for day in days if not ctxs.is_current(day, listing)]

        return stale


def left_out(settings: Settings) -> dict[str, str]:
    """Assets that are not built unless they are named, with the reason.

    What is real is never put beside simulated fills, and nothing is asked of others that costs
    the user something he did not ask for.
    """
    reasons: dict[str, str] = {}
    if not settings.archive_is_meant:
        reasons[CONTEXTS] = "VIGIL_NODE_DATA is given, VIGIL_ARCHIVE_DATA is not"
    if not settings.artemis_is_meant:
        reasons |= dict.fromkeys(sorted(BALANCES), "VIGIL_ARTEMIS_DATA is not given")
    if settings.api_url == PUBLIC_API:
        # A request or more for each trader, at the pace the exchange grants.
        reasons[NEWCOMERS] = "select it, or run find-new-smart-money"
    return reasons | foreign(settings)


def foreign(settings: Settings) -> dict[str, str]:
    """Assets that are never built here: the API does not belong to the fills."""
    if settings.api_is_meant:
        return {}
    why = "VIGIL_NODE_DATA is given, HYPERLIQUID_API_URL is not"
    return dict.fromkeys((ACCOUNTS, FUNDING, NEWCOMERS), why)


def _as_of_months(is_current: Callable[[date], bool], days: Days) -> Days:
    """Likewise of what holds the days of a month."""
    months = groupby(days, lambda day: (day.year, day.month))
    return [day for _, of_month in months for day in _as_of_last(is_current, list(of_month))]


def _each(is_current: Callable[[date], bool], days: Days) -> list[date]:
    return [day for day in days if not is_current(day)]


def _as_of_last(is_current: Callable[[date], bool], days: Days) -> Days:
    """Of what holds all days at once, the last one stands for all."""
    return [] if not days or is_current(days[-1]) else [days[-1]]
