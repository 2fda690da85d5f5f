"""Rows to learn from."""

import dagster as dg

from vigil_assets.artemis.snapshots import feature_snapshots, snapshot_labels
from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of
from vigil_core.artemis.parameters import DEFAULT
from vigil_resources.artemis.training_set import TrainingSet


@dg.asset(
    group_name="artemis",
    kinds={"polars", "parquet"},
    deps=[feature_snapshots, snapshot_labels],
    code_version=f"{DEFAULT.feature_version}-{DEFAULT.label_version}",
    **DAILY,
)
@patient
def training_set(
    context: dg.AssetExecutionContext, training: dg.ResourceParam[TrainingSet]
) -> dg.MaterializeResult[None]:
    """Snapshots with complete labels as Parquet, a file per coin and month, and a manifest.

    The months of the run's days are written again where they are stale.
    """
    manifest = training.build(list(days_of(context)))
    context.log.info("%d rows of %s", manifest["rows"], ", ".join(manifest["coins"]))
    return dg.MaterializeResult(
        metadata={
            "rows": manifest["rows"],
            "not_exported": dg.MetadataValue.json(manifest["not_exported"]),
            "effective_rows": dg.MetadataValue.json(manifest["effective_rows"]),
            "null_share": dg.MetadataValue.json(manifest["null_share"]),
            "targets": dg.MetadataValue.json(manifest["targets"]),
            "folds": len(manifest["folds"]),
            "files": len(manifest["files"]),
            "bytes": sum(entry["bytes"] for entry in manifest["files"]),
        }
    )
