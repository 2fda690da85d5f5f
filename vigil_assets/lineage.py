"""Which columns an asset has, which columns each is made of, where its text lies.

The one table of it; `tests/end_to_end/test_lineage.py` holds it against the database's schema and
against the assets' dependencies. Columns whose makings are a whole day's walk (metrics, features)
are left out: the asset's dependencies are all that could be said.
"""

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from vigil_assets.columns import lake_columns
from vigil_core.artemis.balances import POSITION_SCHEMA
from vigil_core.fills.schema import LAKE_SCHEMA, WAREHOUSE_COLUMNS
from vigil_resources.settings import PROJECT_ROOT, Settings

COLUMNS_FILE = Path(__file__).with_name("columns.json")
"""Columns of the relations below, by `./vigil columns`: name, type, comment."""

RELATIONS = {
    **{
        name: name
        for name in (
            *("fills", "trader_daily", "coin_daily", "builder_daily", "round_trips"),
            *("smart_money_positions", "trader_metrics", "trader_labels", "trader_profiles"),
            *("smart_money_watchlist", "seed_audit", "reconciliation", "persistence_test"),
            *("candles", "volume_history", "trade_flow_history", "liquidation_events"),
            *("oi_history", "addresses", "funding_history", "wallet_profiles", "co_occurrences"),
            *("feature_snapshots", "snapshot_labels", "published_traders", "backtests"),
            *("trader_performance", "trader_risk"),
        )
    },
    "account_history": "account_funding",
    "paper_trades": "copies",
}
"""The table or view in which an asset is read."""

_USD_FEE = "fee_token coin side px"
"""What turns a fee into dollars, beside the fee itself."""

LINEAGE: dict[str, dict[str, str]] = {
    # Loaded as they are.
    "fills": {name: f"fills_parquet: {name}" for name in WAREHOUSE_COLUMNS if name in LAKE_SCHEMA},
    "trader_daily": {
        "day": "fills: time",
        "user_address": "fills: user_address",
        "volume": "fills: px sz",
        "unique_coins": "fills: coin",
        "realized_pnl": "fills: closed_pnl",
        "fees_paid": f"fills: fee {_USD_FEE}",
        "builder_fees_paid": f"fills: builder_fee {_USD_FEE}",
        "unpriced_fee_fills": f"fills: fee {_USD_FEE}",
        "taker_fills": "fills: crossed",
        "maker_fills": "fills: crossed",
        "winning_fills": "fills: closed_pnl",
        "losing_fills": "fills: closed_pnl",
        "closing_fills": "fills: closed_pnl",
        "open_long_count": "fills: dir",
        "open_short_count": "fills: dir",
        "liquidation_fills": "fills: liquidation",
        "liquidation_volume": "fills: liquidation px sz",
        "twap_fills": "fills: twap_id",
        "twap_volume": "fills: twap_id px sz",
    },
    "coin_daily": {
        "day": "fills: time",
        "coin": "fills: coin",
        "unique_traders": "fills: user_address",
        "volume": "fills: px sz crossed dir",
        "buy_volume": "fills: px sz crossed dir side",
        "sell_volume": "fills: px sz crossed dir side",
        "total_pnl": "fills: closed_pnl",
        "total_fees": f"fills: fee {_USD_FEE}",
        "liquidation_count": "fills: liquidation crossed",
        "liquidation_volume": "fills: liquidation crossed px sz",
    },
    "builder_daily": {
        "day": "fills: time",
        "builder": "fills: builder",
        "unique_traders": "fills: user_address",
        "volume": "fills: px sz",
        "total_fees": f"fills: fee {_USD_FEE}",
        "builder_fees": f"fills: builder_fee {_USD_FEE}",
    },
    "round_trips": {
        "day": "fills: time",
        "user_address": "fills: user_address",
        "coin": "fills: coin",
        "direction": "fills: side start_position",
        "opened_at": "fills: time start_position",
        "closed_at": "fills: time",
        "hold_ms": "fills: time",
        "peak_size": "fills: sz side start_position",
        "entry_size": "fills: sz side",
        "entry_notional": "fills: px sz side",
        "exit_size": "fills: sz side",
        "exit_notional": "fills: px sz side",
        "gross_pnl": "fills: closed_pnl",
        "fees": f"fills: fee {_USD_FEE}",
        "net_pnl": f"fills: closed_pnl fee {_USD_FEE}",
        "unpriced_fills": f"fills: fee {_USD_FEE}",
        "size_ms": "fills: sz side time",
        "is_liquidated": "fills: liquidation user_address",
    },
    "trader_profiles": {
        "user_address": "trader_daily: user_address",
        "trading_days": "trader_daily: day",
        "total_fills": "trader_daily: fill_count",
        "total_volume": "trader_daily: volume",
        "realized_pnl": "trader_daily: realized_pnl",
        "fees_paid": "trader_daily: fees_paid",
        "builder_fees_paid": "trader_daily: builder_fees_paid",
        "net_pnl": "trader_daily: realized_pnl fees_paid",
        "maker_pct": "trader_daily: maker_fills fill_count",
        "win_rate": "trader_daily: winning_fills closing_fills",
        "mtm_tv": "trader_daily: realized_pnl volume",
        "long_ratio": "trader_daily: open_long_count open_short_count",
        "liquidation_fills": "trader_daily: liquidation_fills",
        "liquidation_volume": "trader_daily: liquidation_volume",
        "liquidation_pct": "trader_daily: liquidation_fills fill_count",
        "twap_fills": "trader_daily: twap_fills",
        "twap_volume": "trader_daily: twap_volume",
        "twap_pct": "trader_daily: twap_volume volume",
        "sharpe_ratio": "trader_daily: realized_pnl",
    },
    "candles": {
        "coin": "fills_parquet: coin",
        "open_time": "fills_parquet: time",
        "open": "fills_parquet: px",
        "high": "fills_parquet: px",
        "low": "fills_parquet: px",
        "close": "fills_parquet: px",
        "volume": "fills_parquet: sz",
        "trades": "fills_parquet: tid",
    },
    "volume_history": {
        "coin": "fills_parquet: coin",
        "recorded_at": "fills_parquet: time",
        "volume_usd": "fills_parquet: px sz",
    },
    "trade_flow_history": {
        "coin": "fills_parquet: coin",
        "recorded_at": "fills_parquet: time",
        "buy_volume_usd": "fills_parquet: px sz side crossed",
        "sell_volume_usd": "fills_parquet: px sz side crossed",
    },
}
"""Asset → column → `upstream asset: its columns`."""

TEXTS: dict[str, tuple[str, ...]] = {
    **{name: (f"sql/models/{name}.sql",) for name in ("trader_daily", "coin_daily")},
    "builder_daily": ("sql/models/builder_daily.sql",),
    "fills": ("sql/queries/fills/copy_day.sql", "sql/queries/fills/create_day.sql"),
    "round_trips": (
        "sql/queries/round_trips/fills_of_day.sql",
        "vigil_core/metrics/round_trips.py",
    ),
    "smart_money_positions": ("sql/queries/positions/build_day.sql",),
    "trader_metrics": ("sql/queries/metrics/add_totals.sql", "sql/views/trader_metrics.sql"),
    "trader_labels": ("sql/queries/labels/evaluate.sql",),
    "trader_profiles": (
        "sql/queries/profiles/compute.sql",
        "sql/functions/trader_metrics_before.sql",
    ),
    "smart_money_watchlist": ("sql/views/smart_money_watchlist.sql",),
    "seed_audit": ("sql/views/seed_audit.sql",),
    "published_traders": ("sql/queries/published/create_rows.sql",),
    "trader_performance": ("sql/queries/desk/build_performance.sql",),
    "trader_risk": ("sql/queries/desk/build_risk.sql",),
    "fills_parquet": ("vigil_core/fills/kernel.py",),
}
"""What an asset is computed by, beside its own function."""

PAGES = {
    **dict.fromkeys(("fills", "fills_parquet", "raw_fills"), "/health"),
    **dict.fromkeys(("trader_daily", "coin_daily", "builder_daily"), "/health"),
    **dict.fromkeys(("trader_profiles", "trader_metrics", "trader_labels"), "/traders"),
    **dict.fromkeys(("round_trips", "published_traders"), "/traders"),
    **dict.fromkeys(("smart_money_watchlist", "smart_money_positions"), "/smart-money"),
    "liquidation_events": "/liquidations",
    **dict.fromkeys(("seed_audit", "persistence_test"), "/audit"),
    "reconciliation": "/health",
    **dict.fromkeys(("paper_trades", "trader_performance", "trader_risk"), "/manage"),
    "backtests": "/backtests",
}
"""Where an asset is looked at."""


@cache
def columns() -> Mapping[str, Sequence[tuple[str, str, str | None]]]:
    """Relation → name, type and comment of each column, as `./vigil columns` found them."""
    found: dict[str, list[tuple[str, str, str | None]]] = json.loads(COLUMNS_FILE.read_text())
    return found


def schema_of(asset: str) -> dg.TableSchema | None:
    """The columns of an asset; None where it is no table."""
    if asset == "fills_parquet":
        return lake_columns()
    if asset == "perp_balances_parquet":
        return _of_frame(POSITION_SCHEMA)
    if asset not in RELATIONS:
        return None
    return dg.TableSchema(
        [dg.TableColumn(name, kind, comment) for name, kind, comment in columns()[RELATIONS[asset]]]
    )


def lineage_of(asset: str) -> dg.TableColumnLineage | None:
    """What each column of an asset is made of, as far as it is told."""
    if asset not in LINEAGE:
        return None
    return dg.TableColumnLineage(
        {column: _sources(sources) for column, sources in LINEAGE[asset].items()}
    )


def lineage_metadata(asset: str) -> dict[str, dg.TableColumnLineage]:
    """For a materialization: Dagster's page reads it from the latest one."""
    found = lineage_of(asset)
    return {} if found is None else {"dagster/column_lineage": found}


def _sources(text: str) -> list[dg.TableColumnDep]:
    upstream, names = text.split(": ")
    return [dg.TableColumnDep(dg.AssetKey(upstream), name) for name in names.split()]


def _of_frame(schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, str(kind)) for name, kind in schema.items()])


def described(
    assets: Iterable[dg.AssetsDefinition], settings: Settings
) -> Sequence[dg.AssetsDefinition]:
    """The same assets with their columns, their texts, and the way back to Vigil's pages."""
    mapped = [_with_texts(asset, settings) for asset in assets]
    if settings.repository is None:
        return mapped
    url, branch = settings.repository
    return dg.link_code_references_to_git(  # type: ignore[return-value]
        mapped,
        git_url=url,
        git_branch=branch,
        platform="gitlab" if "gitlab" in url else "github",
        file_path_mapping=dg.AnchorBasedFilePathMapping(
            local_file_anchor=PROJECT_ROOT / "pyproject.toml",
            file_anchor_path_in_repository="pyproject.toml",
        ),
    )


def _with_texts(asset: dg.AssetsDefinition, settings: Settings) -> dg.AssetsDefinition:
    """With the function it is made by: Dagster's own way ends at what is wrapped around it."""
    compute: Any = asset.op.compute_fn
    body = inspect.unwrap(compute.decorated_fn)
    function = dg.LocalFileCodeReference(
        file_path=str(inspect.getsourcefile(body)), line_number=inspect.getsourcelines(body)[1]
    )
    return asset.map_asset_specs(lambda spec: _described(spec, settings, function))


def _described(
    spec: dg.AssetSpec, settings: Settings, function: dg.LocalFileCodeReference
) -> dg.AssetSpec:
    name = spec.key.to_user_string()
    metadata = dict(spec.metadata)
    schema = schema_of(name)
    if schema is not None:
        metadata["dagster/column_schema"] = schema
    if name in RELATIONS:
        metadata["dagster/table_name"] = f"vigil.public.{RELATIONS[name]}"
    if settings.pages_url is not None and name in PAGES:
        metadata["page"] = dg.MetadataValue.url(f"{settings.pages_url}{PAGES[name]}")
    texts = [
        dg.LocalFileCodeReference(file_path=str(PROJECT_ROOT / path), line_number=1, label=path)
        for path in TEXTS.get(name, ())
    ]
    metadata["dagster/code_references"] = dg.CodeReferencesMetadataValue(
        code_references=[function, *texts]
    )
    return spec.replace_attributes(metadata=metadata)
