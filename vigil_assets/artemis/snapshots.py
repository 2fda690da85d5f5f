"""Feature snapshots, and the labels of what came after them."""

import dagster as dg
import polars as pl

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import BY_DAY, days_of, report_day
from vigil_assets.plots import feature_plot, label_plot
from vigil_core.artemis.parameters import DEFAULT, FLAGS
from vigil_resources.artemis.snapshots import Snapshots


@dg.asset(
    group_name="artemis",
    kinds={"polars", "postgres"},
    deps=[
        "candles",
        "volume_history",
        "trade_flow_history",
        "liquidation_events",
        "oi_history",
        "funding_history",
        dg.AssetDep(
            "wallet_profiles",
            partition_mapping=dg.TimeWindowPartitionMapping(
                start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
            ),
        ),
    ],
    code_version=DEFAULT.feature_version,
    **BY_DAY,
)
@patient
def feature_snapshots(
    context: dg.AssetExecutionContext, snapshots: dg.ResourceParam[Snapshots]
) -> dg.MaterializeResult[None]:
    """288 rows per coin: twelve features of what was known before each five minutes.

    What is not known is NULL with a flag and a reason. Coins: `VIGIL_COINS`.
    """
    for day in days_of(context):
        rows = snapshots.build_features(day)
        nulls = rows.select(pl.col(list(FLAGS.values())).is_null().mean()).to_dicts()[0]
        report_day(
            context,
            day,
            rows.height,
            null_share=dg.MetadataValue.json(nulls),
            distributions=feature_plot(rows, day),
        )
    return dg.MaterializeResult()


@dg.asset(
    group_name="artemis",
    kinds={"polars", "postgres"},
    deps=[
        feature_snapshots,
        "perp_balances_parquet",
        dg.AssetDep(
            "candles",
            partition_mapping=dg.TimeWindowPartitionMapping(
                start_offset=0, end_offset=1, allow_nonexistent_upstream_partitions=True
            ),
        ),
    ],
    code_version=DEFAULT.label_version,
    **BY_DAY,
)
@patient
def snapshot_labels(
    context: dg.AssetExecutionContext, snapshots: dg.ResourceParam[Snapshots]
) -> dg.MaterializeResult[None]:
    """Best, worst and last outcome within 15 minutes to 4 hours of each snapshot.

    The last horizons of a day end in the next one: until its candles are there they are pending,
    and the day is rebuilt when they are.
    """
    for day in days_of(context):
        rows = snapshots.build_labels(day)
        balance = rows.select(pl.col("^label_(long|short)_net.*$").mean()).to_dicts()[0]
        status = dict(rows["label_status"].value_counts().rows())
        report_day(
            context,
            day,
            rows.height,
            status=dg.MetadataValue.json(status),
            pending=status.get("pending", 0),
            label_balance=dg.MetadataValue.json(balance),
            balance=label_plot(balance, day),
        )
    return dg.MaterializeResult()
