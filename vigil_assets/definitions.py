"""Everything Vigil runs, on one page."""

import dagster as dg

from vigil_assets.aggregates.daily import AGGREGATES
from vigil_assets.artemis.balances import (
    open_interest,
    perp_balances_parquet,
    raw_perp_balances,
)
from vigil_assets.artemis.funding import funding_history
from vigil_assets.artemis.market_history import market_history
from vigil_assets.artemis.parity import live_agrees_with_backfill
from vigil_assets.artemis.snapshots import feature_snapshots, snapshot_labels
from vigil_assets.artemis.training_set import training_set
from vigil_assets.artemis.wallets import wallets
from vigil_assets.audit.persistence_test import persistence_test
from vigil_assets.audit.reconciliation import (
    fills_are_what_came,
    invariants_hold,
    reconciliation,
)
from vigil_assets.audit.seed_audit import seed_audit
from vigil_assets.automation.arrivals import load_arrivals, nightly_sweep, raw_arrivals
from vigil_assets.automation.assets import automated
from vigil_assets.automation.conditions import automation
from vigil_assets.automation.failures import run_failures
from vigil_assets.automation.lateness import late_assets
from vigil_assets.automation.schedules import (
    archive_when_there,
    artemis_next_day,
    load_balances,
    load_contexts,
)
from vigil_assets.checks import (
    agrees_with_artemis,
    agrees_with_the_exchange,
    day_is_final,
    hours_present,
    no_rejected_lines,
)
from vigil_assets.desk.backtests import backtests, queued_backtests, run_backtests
from vigil_assets.desk.paper_trading import desk_alerts, paper_trading
from vigil_assets.desk.published_traders import published_traders
from vigil_assets.fills.fills_parquet import fills_parquet
from vigil_assets.fills.live_check import live_fills_are_confirmed
from vigil_assets.fills.loaded_fills import fills
from vigil_assets.fills.raw_fills import raw_fills
from vigil_assets.lineage import described
from vigil_assets.profiles.account_history import account_history
from vigil_assets.profiles.new_smart_money import new_smart_money
from vigil_assets.profiles.round_trips import round_trips
from vigil_assets.profiles.smart_money_positions import smart_money_positions
from vigil_assets.profiles.smart_money_watchlist import smart_money_watchlist
from vigil_assets.profiles.trader_metrics import trader_labels, trader_metrics
from vigil_assets.profiles.trader_profiles import trader_profiles
from vigil_assets.resources import (
    AccountHistoryResource,
    AlertsResource,
    ArtemisFillsResource,
    AssetCtxsResource,
    BacktestsResource,
    DeliveriesResource,
    FundingHistoryResource,
    LakeResource,
    MarketHistoryResource,
    NewSmartMoneyResource,
    OpenInterestResource,
    PaperTradingResource,
    PerpBalancesResource,
    PersistenceTestsResource,
    PipelineRunsResource,
    PublishedTradersResource,
    RawFillsResource,
    ReconciliationResource,
    RunFailuresResource,
    SnapshotsResource,
    TraderLabelsResource,
    TraderMetricsResource,
    TrainingSetResource,
    WalletsResource,
    WarehouseResource,
)
from vigil_assets.run_history import run_history
from vigil_assets.snapshots.asset_ctxs import asset_ctxs, minutes_complete
from vigil_resources.settings import Settings

ASSETS = automated(
    [
        raw_fills,
        fills_parquet,
        fills,
        *AGGREGATES,
        round_trips,
        smart_money_positions,
        trader_metrics,
        trader_labels,
        trader_profiles,
        smart_money_watchlist,
        new_smart_money,
        seed_audit,
        asset_ctxs,
        market_history,
        raw_perp_balances,
        perp_balances_parquet,
        open_interest,
        funding_history,
        wallets,
        account_history,
        feature_snapshots,
        snapshot_labels,
        training_set,
        reconciliation,
        persistence_test,
        published_traders,
        paper_trading,
    ]
)

ON_REQUEST = [backtests]
"""Assets without days: no backfill builds them."""


@dg.definitions
def defs() -> dg.Definitions:
    """The one code location."""
    # Artemis' bucket lets the reader pay for every day compared: only where it is named.
    settings = Settings.from_environment()
    compared = [agrees_with_artemis] if settings.artemis_is_meant else []
    return dg.Definitions(
        assets=described([*ASSETS, *ON_REQUEST], settings),
        jobs=[run_backtests, load_arrivals, load_balances, load_contexts],
        sensors=[
            queued_backtests,
            desk_alerts,
            raw_arrivals,
            automation,
            run_failures,
            late_assets,
            run_history,
        ],
        schedules=[nightly_sweep, artemis_next_day, archive_when_there],
        asset_checks=[
            hours_present,
            no_rejected_lines,
            day_is_final,
            minutes_complete,
            agrees_with_the_exchange,
            live_agrees_with_backfill,
            live_fills_are_confirmed,
            fills_are_what_came,
            invariants_hold,
            *compared,
        ],
        resources={
            "raw": RawFillsResource(),
            "lake": LakeResource(),
            "artemis": ArtemisFillsResource(),
            "ctxs": AssetCtxsResource(),
            "warehouse": WarehouseResource(),
            "history": MarketHistoryResource(),
            "accounts": AccountHistoryResource(),
            "funding": FundingHistoryResource(),
            "wallet_days": WalletsResource(),
            "balances": PerpBalancesResource(),
            "interest": OpenInterestResource(),
            "persistence": PersistenceTestsResource(),
            "published": PublishedTradersResource(),
            "snapshots": SnapshotsResource(),
            "training": TrainingSetResource(),
            "metrics": TraderMetricsResource(),
            "labels": TraderLabelsResource(),
            "newcomers": NewSmartMoneyResource(),
            "audit": ReconciliationResource(),
            "backtesting": BacktestsResource(),
            "paper": PaperTradingResource(),
            "alerts": AlertsResource(),
            "outbox": DeliveriesResource(),
            "failures": RunFailuresResource(),
            "pipeline": PipelineRunsResource(),
        },
        # A process per step would cost more than the step's work.
        executor=dg.in_process_executor,
    )
