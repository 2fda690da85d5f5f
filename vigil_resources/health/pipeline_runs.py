"""Dagster's runs as rows of the warehouse, so that pages and metrics can ask for them in SQL.

Nothing here knows Dagster: a sensor hands over what it found (`vigil_assets/run_history.py`).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import query


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """One run as it was last seen; times in milliseconds since the epoch, UTC."""

    run_id: str
    job: str
    status: str
    """Dagster's word, upper case."""
    assets: list[str] = field(default_factory=list)
    first_partition: str | None = None
    last_partition: str | None = None
    backfill_id: str | None = None
    retry_of: str | None = None
    created_at: int
    started_at: int | None = None
    ended_at: int | None = None
    failed_steps: list[str] = field(default_factory=list)
    error: str | None = None
    """Kind of error, nothing of its text: that may repeat a secret."""
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialized:
    """When an asset was materialized last."""

    asset: str
    materialized_at: int
    partition: str | None
    run_id: str


class PipelineRuns:
    """Writes `pipeline_runs` and `pipeline_assets`. What is known already may be handed again."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def record(self, runs: Iterable[PipelineRun], assets: Iterable[Materialized]) -> None:
        """Keep what was found, in one transaction."""
        with self._warehouse.connect() as connection, connection.cursor() as cursor:
            cursor.executemany(query("runs/save_run"), [asdict(run) for run in runs])
            cursor.executemany(query("runs/save_asset"), [asdict(asset) for asset in assets])
