"""Settings → clients: the one place that decides which root and which database is meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vigil_core.errors import InvalidSetting
from vigil_core.metrics.persistence import DEFAULT as PERSISTENCE
from vigil_resources.artemis.fills_of_day import ArtemisCopy, FillsByDay, LakeFills
from vigil_resources.artemis.funding_history import FundingHistory
from vigil_resources.artemis.market_history import VAULTS, MarketHistory
from vigil_resources.artemis.open_interest import OpenInterest
from vigil_resources.artemis.snapshots import Snapshots
from vigil_resources.artemis.training_set import TrainingSet
from vigil_resources.artemis.wallets import Wallets
from vigil_resources.database.day_tables import DayTables
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.desk.alerts import Alerts
from vigil_resources.desk.backtests import Backtests
from vigil_resources.desk.chats import Chats
from vigil_resources.desk.deliveries import Deliveries, Targets
from vigil_resources.desk.leaderboards import Leaderboards
from vigil_resources.desk.paper import PaperTrading
from vigil_resources.desk.telegram import TelegramBot
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.budget import WeightBudget
from vigil_resources.exchange.cache import ExchangeCache
from vigil_resources.files.artemis_fills import ArtemisFills
from vigil_resources.files.asset_ctxs import AssetCtxs
from vigil_resources.files.lake import Lake
from vigil_resources.files.perp_balances import PerpBalances
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.files.store import Store
from vigil_resources.health.pipeline_runs import PipelineRuns
from vigil_resources.health.reconciliation import Reconciliation
from vigil_resources.health.run_failures import RunFailures
from vigil_resources.live.store import LiveConfirmations, LiveStore
from vigil_resources.live.tail import LiveTail
from vigil_resources.live.watch import LiveWatch
from vigil_resources.metrics.account_history import AccountHistory
from vigil_resources.metrics.new_smart_money import NewSmartMoney
from vigil_resources.metrics.persistence import PersistenceTests
from vigil_resources.metrics.published import PublishedTraders
from vigil_resources.metrics.trader_metrics import TraderLabels, TraderMetrics
from vigil_resources.settings import Settings, foreign_api

if TYPE_CHECKING:
    from vigil_resources.exchange.lambda_egress import LambdaFunction, LambdaRoute

DATABASE = "vigil"
DAGSTER_DATABASE = "dagster"


def embedded_postgres(settings: Settings) -> EmbeddedPostgres:
    """The server under `VIGIL_DATA_DIR`, running or not."""
    return EmbeddedPostgres(settings.data_dir, bin_dir=settings.postgres_bin)


def open_raw_fills(settings: Settings) -> RawFills:
    """The node's objects at `VIGIL_NODE_DATA`."""
    return RawFills(Store(settings.node_data, settings.s3_for(settings.node_data)))


def open_lake(settings: Settings) -> Lake:
    """The lake at `PARQUET_S3`."""
    return Lake(_lake_store(settings), settings.data_dir / "scratch")


def open_asset_ctxs(settings: Settings) -> AssetCtxs:
    """The market contexts at `VIGIL_ARCHIVE_DATA`, and where they lie in the lake."""
    archive = Store(settings.archive_data, settings.s3_for(settings.archive_data))
    return AssetCtxs(archive, _lake_store(settings), settings.data_dir / "scratch")


def open_artemis_fills(settings: Settings) -> ArtemisFills:
    """Artemis' copy of the fills at `VIGIL_ARTEMIS_DATA`."""
    store = Store(settings.artemis_data, settings.s3_for(settings.artemis_data))
    return ArtemisFills(store, settings.data_dir / "scratch")


def _lake_store(settings: Settings) -> Store:
    return Store(settings.lake, settings.s3_for(settings.lake))


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse at `DATABASE_URL`, or the embedded one. Raises `ServerNotRunning`."""
    return Warehouse(database_url(settings), settings.bounds)


def database_url(settings: Settings) -> str:
    """`DATABASE_URL`, or the embedded database's. Raises `ServerNotRunning`."""
    return settings.database_url or embedded_postgres(settings).url(DATABASE)


def open_fills_by_day(settings: Settings) -> FillsByDay:
    """What the feature line reads: the lake's fills, or Artemis' copy where that is chosen."""
    if settings.fills_from_artemis:
        return ArtemisCopy(open_artemis_fills(settings))
    return LakeFills(open_lake(settings))


def open_market_history(settings: Settings) -> MarketHistory:
    """Candles, flow and liquidations, from the lake into the warehouse.

    The exchange is asked for candles of missing fills where its API belongs to them.
    """
    exchange = _exchange_cache(settings) if settings.api_is_meant else None
    tables = DayTables(open_warehouse(settings))
    return MarketHistory(
        open_fills_by_day(settings), tables, exchange, settings.coins, _vaults(settings)
    )


def open_perp_balances(settings: Settings) -> PerpBalances:
    """Artemis' balances at `VIGIL_ARTEMIS_DATA`, and where they lie in the lake."""
    artemis = Store(settings.artemis_data, settings.s3_for(settings.artemis_data))
    return PerpBalances(artemis, _lake_store(settings), settings.data_dir / "scratch")


def open_open_interest(settings: Settings) -> OpenInterest:
    """Open interest, addresses and account balances."""
    tables = DayTables(open_warehouse(settings))
    return OpenInterest(open_fills_by_day(settings), open_perp_balances(settings), tables)


def open_funding_history(settings: Settings) -> FundingHistory:
    """Settled rates of `VIGIL_COINS`, by way of the lake.

    Raises:
        InvalidSetting: The API is not known to belong to the fills.
    """
    if not settings.api_is_meant:
        raise foreign_api()
    tables = DayTables(open_warehouse(settings))
    return FundingHistory(_exchange_cache(settings), tables, settings.coins)


def _vaults(settings: Settings) -> tuple[str, ...]:
    return (*VAULTS, *settings.vaults)


def open_new_smart_money(settings: Settings, *, by_lambda: bool = False) -> NewSmartMoney:
    """Smart money of the warehouse, and the exchange that is asked about it.

    Raises:
        InvalidSetting: The API is not known to belong to the fills.
        FunctionFailed: There is no function to go by, or no right to call it.
    """
    if not settings.api_is_meant:
        raise foreign_api()
    if by_lambda:
        route = open_lambda_route(settings)
        api = ExchangeApi(settings.api_url, route, transport=route)
    else:
        api = _exchange_api(settings)
    return NewSmartMoney(open_warehouse(settings), api, settings.data_dir)


def open_lambda_function(settings: Settings) -> LambdaFunction:
    """The user's own function, by the user's credentials; there or not."""
    # The SDK takes a moment to import, and few need it.
    from vigil_resources.exchange.lambda_egress import LambdaFunction

    return LambdaFunction(settings.aws)


def open_lambda_route(settings: Settings) -> LambdaRoute:
    """The way to the exchange by that function, which is called once to learn its address."""
    from vigil_resources.exchange.lambda_egress import LambdaRoute

    function = open_lambda_function(settings)
    budgets = settings.data_dir / "lambda_budgets"
    return LambdaRoute(function, settings.api_url, budgets, settings.data_dir)


def _exchange_cache(settings: Settings) -> ExchangeCache:
    """The exchange's API by way of the lake."""
    """The exchange's API by way of the lake; all processes share one budget."""
    return ExchangeCache(_exchange_api(settings), _lake_store(settings))


def _exchange_api(settings: Settings) -> ExchangeApi:
    """The exchange's API from this machine, whose processes all share one budget."""
    return ExchangeApi(settings.api_url, _budget(settings))


def _budget(settings: Settings) -> WeightBudget:
    return WeightBudget(settings.data_dir / "exchange_budget", settings.api_weight)


def open_reconciliation(settings: Settings) -> Reconciliation:
    """What days are checked against: the lake, the warehouse, the balances."""
    return Reconciliation(
        open_lake(settings), open_warehouse(settings), open_perp_balances(settings)
    )


def open_wallets(settings: Settings) -> Wallets:
    """Lots, wallet profiles and co-occurrences."""
    tables = DayTables(open_warehouse(settings))
    return Wallets(_lake_store(settings), tables, _vaults(settings))


def open_account_history(settings: Settings) -> AccountHistory:
    """Funding and transfers of the watchlist's accounts and of `VIGIL_ACCOUNTS`.

    Raises:
        InvalidSetting: The API is not known to belong to the fills.
    """
    if not settings.api_is_meant:
        raise foreign_api()
    return AccountHistory(_exchange_api(settings), open_warehouse(settings), settings.accounts)


def open_live_confirmations(settings: Settings) -> LiveConfirmations:
    """Loaded days beside what was streamed of them."""
    return LiveConfirmations(open_warehouse(settings))


def open_live_store(settings: Settings) -> LiveStore:
    """Where streamed rows go."""
    return LiveStore(open_warehouse(settings))


def open_live_tail(settings: Settings, store: LiveStore, report: Callable[[str], None]) -> LiveTail:
    """The exchange's stream of watched accounts and of `VIGIL_COINS`.

    Raises:
        InvalidSetting: The stream is not known to belong to the fills.
    """
    if not settings.ws_is_meant:
        raise InvalidSetting(
            "VIGIL_WS_URL", "", "the WebSocket that belongs to the fills at VIGIL_NODE_DATA"
        )
    api = None
    if settings.api_is_meant:
        # Whoever listens cannot wait five minutes for an answer: it asks again later.
        api = ExchangeApi(settings.api_url, _budget(settings), timeout_s=10, patience_s=30)
    watch = LiveWatch(open_warehouse(settings), api, settings.accounts, settings.coins, report)
    confirmations = open_live_confirmations(settings)
    return LiveTail(
        settings.ws_url, store, watch.streams, api, report=report, chores=confirmations.keep
    )


def open_trader_metrics(settings: Settings) -> TraderMetrics:
    """The corrected figures of traders."""
    return TraderMetrics(open_warehouse(settings))


def open_trader_labels(settings: Settings) -> TraderLabels:
    """What traders are called."""
    return TraderLabels(open_warehouse(settings))


def open_published_traders(settings: Settings) -> PublishedTraders:
    """What lists of traders are made of."""
    return PublishedTraders(open_warehouse(settings))


def open_snapshots(settings: Settings) -> Snapshots:
    """Feature snapshots and their labels, of `VIGIL_COINS`."""
    tables = DayTables(open_warehouse(settings))
    return Snapshots(tables, open_perp_balances(settings), settings.coins)


def open_training_set(settings: Settings) -> TrainingSet:
    """Snapshots with their labels as Parquet, in the lake."""
    tables = DayTables(open_warehouse(settings))
    return TrainingSet(tables, open_perp_balances(settings), _lake_store(settings))


def open_persistence_tests(settings: Settings) -> PersistenceTests:
    """Whether rankings of traders hold out of sample."""
    return PersistenceTests(DayTables(open_warehouse(settings)), PERSISTENCE)


def open_alerts(settings: Settings) -> Alerts:
    """Alerts on followed traders, told where messages go."""
    return Alerts(open_warehouse(settings), targets(settings).alert_channels)


def open_paper_trading(settings: Settings) -> PaperTrading:
    """Paper accounts of followed traders, with their alerts, told where messages go."""
    channels = targets(settings).intent_channels
    return PaperTrading(open_warehouse(settings), open_alerts(settings), channels)


def open_deliveries(settings: Settings) -> Deliveries:
    """The outbox, to `VIGIL_WEBHOOK_URL` and `VIGIL_ALERT_EMAIL`."""
    return Deliveries(open_warehouse(settings), targets(settings))


def open_run_failures(settings: Settings) -> RunFailures:
    """Messages about failed runs and late assets, told where they go and where runs are seen."""
    channels = targets(settings).alert_channels
    return RunFailures(open_warehouse(settings), channels, settings.dagster_url)


def open_pipeline_runs(settings: Settings) -> PipelineRuns:
    """Dagster's runs, as the warehouse keeps them."""
    return PipelineRuns(open_warehouse(settings))


def targets(settings: Settings) -> Targets:
    """Where messages go."""
    return Targets(
        webhook_url=settings.webhook_url,
        webhook_secret=settings.webhook_secret,
        smtp_url=settings.smtp_url,
        email=settings.alert_email,
    )


def open_backtests(settings: Settings) -> Backtests:
    """Requests for backtests, and their runs."""
    return Backtests(open_warehouse(settings), settings.bounds)


def dagster_storage_url(settings: Settings) -> str:
    """Where Dagster keeps its runs and events.

    The driver is named: SQLAlchemy would otherwise choose one that Dagster's notifications
    do not work with.
    """
    url = settings.dagster_pg_url or embedded_postgres(settings).url(DAGSTER_DATABASE)
    return "postgresql+psycopg2://" + url.split("://", 1)[1]


def open_chats(settings: Settings) -> Chats:
    """Chats whose messages are signals."""
    return Chats(open_warehouse(settings))


def open_leaderboards(settings: Settings) -> Leaderboards:
    """Imported leaderboards."""
    return Leaderboards(open_warehouse(settings))


def open_telegram_bot(settings: Settings) -> TelegramBot:
    """The user's bot. Raises `InvalidSetting` where none is named."""
    if settings.telegram_token is None:
        raise InvalidSetting("VIGIL_TELEGRAM_TOKEN", "", "the token of a bot that is in the chats")
    return TelegramBot(settings.telegram_url, settings.telegram_token)
