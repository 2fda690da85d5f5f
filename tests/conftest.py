"""A Vigil of its own for a test: data folder, embedded Postgres, Dagster instance."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vigil_cli.ready import database_ready
from vigil_resources.lake import Lake
from vigil_resources.settings import Settings
from vigil_resources.warehouse import Warehouse
from vigil_resources.wiring import embedded_postgres, open_lake, open_warehouse

CLEARED = (
    "DATABASE_URL",
    "DAGSTER_PG_URL",
    "PARQUET_S3",
    "AWS_ENDPOINT_URL",
    "VIGIL_PG_BIN",
)


@dataclass(frozen=True)
class Installation:
    """Where a test's Vigil lives; its server runs as long as the fixture."""

    settings: Settings

    @property
    def warehouse(self) -> Warehouse:
        return open_warehouse(self.settings)

    @property
    def lake(self) -> Lake:
        return open_lake(self.settings)

    def records(self, statement: str) -> list[dict[str, Any]]:
        """Rows of a query, as dictionaries."""
        with self.warehouse.connect(read_only=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            names = [column.name for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def digests(self) -> dict[str, str]:
        """One digest per relation, over every column of every row."""
        relations = [
            "fills",
            "trader_daily",
            "coin_daily",
            "builder_daily",
            "trader_coin_daily",
            "trader_profiles",
            "load_progress",
            "day_state",
            "day_parts",
            "quarantined_lines",
        ]
        return {
            name: self.records(
                f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) AS digest FROM {name} AS t"
            )[0]["digest"]
            for name in relations
        }


@contextmanager
def installed(
    folder: Path, node_data: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    for name in CLEARED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VIGIL_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("VIGIL_NODE_DATA", str(node_data))
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "dagster_home"))
    settings = Settings.from_environment()
    server = embedded_postgres(settings)
    with server.session(), database_ready(settings):
        yield Installation(settings)


@pytest.fixture
def vigil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """An empty Vigil; its raw objects belong under `tmp_path / "raw"`."""
    (tmp_path / "raw").mkdir()
    with installed(tmp_path, tmp_path / "raw", monkeypatch) as installation:
        yield installation


@pytest.fixture(scope="module")
def module_patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch
