"""Dagster's storage on Postgres, with what a run plans to build written in one statement.

Of each asset and day that a run is to build there is an event before it starts. Dagster hands them
over together, but its storage writes them one at a time, in two transactions each: ninety days of
the whole line are 2,880 of them.
"""

from collections.abc import Sequence
from typing import Any

from dagster import DagsterEventType, EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config

_PLANNED = DagsterEventType.ASSET_MATERIALIZATION_PLANNED


class EventLog(PostgresEventLogStorage):
    """Dagster's event log; a batch of planned materializations is one INSERT."""

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """What is planned first, then all else as Dagster does it."""
        planned = [event for event in events if event.dagster_event_type is _PLANNED]
        others = [event for event in events if event.dagster_event_type is not _PLANNED]
        if planned:
            self._store_planned(planned)
        if others:
            super().store_event_batch(others)

    def _store_planned(self, events: Sequence[EventLogEntry]) -> None:
        insert = self.prepare_insert_event_batch(events)
        with self.index_connection() as connection:
            rows = connection.execute(insert.returning(SqlEventLogStorageTable.c.id)).fetchall()
        # Of an asset the newest event is kept; a planned one has no tags.
        newest = {
            event.get_dagster_event().asset_key: (event, int(row[0]))
            for event, row in zip(events, rows, strict=True)
        }
        for event, number in newest.values():
            self.store_asset_event(event, number)


class PostgresStorage(DagsterPostgresStorage):
    """`dagster_postgres`' storage and its settings, with our event log."""

    def __init__(self, postgres_url: str, *arguments: Any, **settings: Any) -> None:
        super().__init__(postgres_url, *arguments, **settings)
        self._event_log_storage = EventLog(
            postgres_url,
            # Looked for, and made, by the one that this replaces.
            should_autocreate_tables=False,
            token_provider=settings.get("token_provider"),
        )

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> "PostgresStorage":
        """As Dagster makes it of `dagster.yaml`."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
            token_provider=get_token_provider_from_config(config_value),
        )
