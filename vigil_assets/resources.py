"""Dagster's view of the clients: configuration in, plain client out."""

from dagster import ConfigurableResource, InitResourceContext

from vigil_resources.artemis.funding_history import FundingHistory
from vigil_resources.artemis.market_history import MarketHistory
from vigil_resources.artemis.open_interest import OpenInterest
from vigil_resources.artemis.snapshots import Snapshots
from vigil_resources.artemis.training_set import TrainingSet
from vigil_resources.artemis.wallets import Wallets
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.desk.alerts import Alerts
from vigil_resources.desk.backtests import Backtests
from vigil_resources.desk.deliveries import Deliveries
from vigil_resources.desk.paper import PaperTrading
from vigil_resources.files.artemis_fills import ArtemisFills
from vigil_resources.files.asset_ctxs import AssetCtxs
from vigil_resources.files.lake import Lake
from vigil_resources.files.perp_balances import PerpBalances
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.health.pipeline_runs import PipelineRuns
from vigil_resources.health.reconciliation import Reconciliation
from vigil_resources.health.run_failures import RunFailures
from vigil_resources.metrics.account_history import AccountHistory
from vigil_resources.metrics.new_smart_money import NewSmartMoney
from vigil_resources.metrics.persistence import PersistenceTests
from vigil_resources.metrics.published import PublishedTraders
from vigil_resources.metrics.trader_metrics import TraderLabels, TraderMetrics
from vigil_resources.settings import Settings
from vigil_resources.wiring import (
    open_account_history,
    open_alerts,
    open_artemis_fills,
    open_asset_ctxs,
    open_backtests,
    open_deliveries,
    open_funding_history,
    open_lake,
    open_market_history,
    open_new_smart_money,
    open_open_interest,
    open_paper_trading,
    open_perp_balances,
    open_persistence_tests,
    open_pipeline_runs,
    open_published_traders,
    open_raw_fills,
    open_reconciliation,
    open_run_failures,
    open_snapshots,
    open_trader_labels,
    open_trader_metrics,
    open_training_set,
    open_wallets,
    open_warehouse,
)

# Nothing is configured here: credentials would be stored with the run. Each client reads the
# settings of the process it works in.


class RawFillsResource(ConfigurableResource[RawFills]):
    """The node's hourly objects: `VIGIL_NODE_DATA`."""

    def create_resource(self, context: InitResourceContext) -> RawFills:  # noqa: ARG002
        return open_raw_fills(Settings.from_environment())


class LakeResource(ConfigurableResource[Lake]):
    """The Parquet lake: `PARQUET_S3`."""

    def create_resource(self, context: InitResourceContext) -> Lake:  # noqa: ARG002
        return open_lake(Settings.from_environment())


class AssetCtxsResource(ConfigurableResource[AssetCtxs]):
    """The exchange's market contexts: `VIGIL_ARCHIVE_DATA`, and the lake."""

    def create_resource(self, context: InitResourceContext) -> AssetCtxs:  # noqa: ARG002
        return open_asset_ctxs(Settings.from_environment())


class ArtemisFillsResource(ConfigurableResource[ArtemisFills]):
    """Artemis' copy of the fills: `VIGIL_ARTEMIS_DATA`."""

    def create_resource(self, context: InitResourceContext) -> ArtemisFills:  # noqa: ARG002
        return open_artemis_fills(Settings.from_environment())


class WarehouseResource(ConfigurableResource[Warehouse]):
    """Postgres: `DATABASE_URL`, or the embedded one."""

    def create_resource(self, context: InitResourceContext) -> Warehouse:  # noqa: ARG002
        return open_warehouse(Settings.from_environment())


class ReconciliationResource(ConfigurableResource[Reconciliation]):
    """The lake, the warehouse and the balances, held against one another."""

    def create_resource(self, context: InitResourceContext) -> Reconciliation:  # noqa: ARG002
        return open_reconciliation(Settings.from_environment())


class PersistenceTestsResource(ConfigurableResource[PersistenceTests]):
    """Trader-days of the warehouse, and the test over them."""

    def create_resource(self, context: InitResourceContext) -> PersistenceTests:  # noqa: ARG002
        return open_persistence_tests(Settings.from_environment())


class MarketHistoryResource(ConfigurableResource[MarketHistory]):
    """The lake's fills, and the tables made of them."""

    def create_resource(self, context: InitResourceContext) -> MarketHistory:  # noqa: ARG002
        return open_market_history(Settings.from_environment())


class SnapshotsResource(ConfigurableResource[Snapshots]):
    """The tables of the feature line, for the coins of `VIGIL_COINS`."""

    def create_resource(self, context: InitResourceContext) -> Snapshots:  # noqa: ARG002
        return open_snapshots(Settings.from_environment())


class PerpBalancesResource(ConfigurableResource[PerpBalances]):
    """Artemis' balances: `VIGIL_ARTEMIS_DATA`, and the lake."""

    def create_resource(self, context: InitResourceContext) -> PerpBalances:  # noqa: ARG002
        return open_perp_balances(Settings.from_environment())


class OpenInterestResource(ConfigurableResource[OpenInterest]):
    """The lake's fills and balances, and the tables made of them."""

    def create_resource(self, context: InitResourceContext) -> OpenInterest:  # noqa: ARG002
        return open_open_interest(Settings.from_environment())


class FundingHistoryResource(ConfigurableResource[FundingHistory]):
    """The exchange's API: `HYPERLIQUID_API_URL`, the lake, and the table made of them."""

    def create_resource(self, context: InitResourceContext) -> FundingHistory:  # noqa: ARG002
        return open_funding_history(Settings.from_environment())


class AccountHistoryResource(ConfigurableResource[AccountHistory]):
    """The exchange's API: `HYPERLIQUID_API_URL`, and what it tells of single accounts."""

    def create_resource(self, context: InitResourceContext) -> AccountHistory:  # noqa: ARG002
        return open_account_history(Settings.from_environment())


class TrainingSetResource(ConfigurableResource[TrainingSet]):
    """Snapshots and labels, and the files made of them in the lake."""

    def create_resource(self, context: InitResourceContext) -> TrainingSet:  # noqa: ARG002
        return open_training_set(Settings.from_environment())


class WalletsResource(ConfigurableResource[Wallets]):
    """The warehouse's fills, open lots in the lake, and the tables made of them."""

    def create_resource(self, context: InitResourceContext) -> Wallets:  # noqa: ARG002
        return open_wallets(Settings.from_environment())


class TraderMetricsResource(ConfigurableResource[TraderMetrics]):
    """The sums that `trader_metrics` reads."""

    def create_resource(self, context: InitResourceContext) -> TraderMetrics:  # noqa: ARG002
        return open_trader_metrics(Settings.from_environment())


class TraderLabelsResource(ConfigurableResource[TraderLabels]):
    """What traders are called, and since when."""

    def create_resource(self, context: InitResourceContext) -> TraderLabels:  # noqa: ARG002
        return open_trader_labels(Settings.from_environment())


class NewSmartMoneyResource(ConfigurableResource[NewSmartMoney]):
    """Who is smart money, and the exchange's API: `HYPERLIQUID_API_URL`."""

    def create_resource(self, context: InitResourceContext) -> NewSmartMoney:  # noqa: ARG002
        return open_new_smart_money(Settings.from_environment())


class BacktestsResource(ConfigurableResource[Backtests]):
    """Requests for backtests, and the tape that they run over."""

    def create_resource(self, context: InitResourceContext) -> Backtests:  # noqa: ARG002
        return open_backtests(Settings.from_environment())


class PublishedTradersResource(ConfigurableResource[PublishedTraders]):
    """What lists of traders are made of."""

    def create_resource(self, context: InitResourceContext) -> PublishedTraders:  # noqa: ARG002
        return open_published_traders(Settings.from_environment())


class PaperTradingResource(ConfigurableResource[PaperTrading]):
    """The warehouse's fills, and the desk's tables made of them."""

    def create_resource(self, context: InitResourceContext) -> PaperTrading:  # noqa: ARG002
        return open_paper_trading(Settings.from_environment())


class AlertsResource(ConfigurableResource[Alerts]):
    """Limits of followed traders, and the alerts about them."""

    def create_resource(self, context: InitResourceContext) -> Alerts:  # noqa: ARG002
        return open_alerts(Settings.from_environment())


class DeliveriesResource(ConfigurableResource[Deliveries]):
    """The outbox: `VIGIL_WEBHOOK_URL`, `VIGIL_SMTP_URL`."""

    def create_resource(self, context: InitResourceContext) -> Deliveries:  # noqa: ARG002
        return open_deliveries(Settings.from_environment())


class RunFailuresResource(ConfigurableResource[RunFailures]):
    """Messages about failed runs: `VIGIL_WEBHOOK_URL`, `VIGIL_ALERT_EMAIL`."""

    def create_resource(self, context: InitResourceContext) -> RunFailures:  # noqa: ARG002
        return open_run_failures(Settings.from_environment())


class PipelineRunsResource(ConfigurableResource[PipelineRuns]):
    """Dagster's runs, as rows of the warehouse."""

    def create_resource(self, context: InitResourceContext) -> PipelineRuns:  # noqa: ARG002
        return open_pipeline_runs(Settings.from_environment())
