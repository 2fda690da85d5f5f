"""A Vigil of its own for a test: data folder, embedded Postgres, Dagster instance."""

import atexit
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from vigil_cli.ready import database_ready
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.files.lake import Lake
from vigil_resources.settings import Settings
from vigil_resources.wiring import embedded_postgres, open_lake, open_warehouse

CLEARED = (
    "DATABASE_URL",
    "DAGSTER_PG_URL",
    "PARQUET_S3",
    "AWS_ENDPOINT_URL",
    "VIGIL_PG_BIN",
)


RELATIONS = (
    "fills",
    "trader_daily",
    "coin_daily",
    "builder_daily",
    "trader_coin_daily",
    "round_trips",
    "trader_profiles",
    "load_progress",
    "day_state",
    "day_parts",
    "quarantined_lines",
)
VIEWS = (
    "held_positions",
    "trader_totals",
    "metric_state",
    "trader_metrics",
    "trader_labels",
    "label_evaluations",
    "seed_audit",
    "smart_money_positions",
    "block_breaks",
    "aggregate_state",
    "classification_conditions",
    "top_traders_by_type",
    "smart_money_watchlist",
    "recent_liquidations",
    "missing_hours",
    "missing_blocks",
    "data_health",
)
"""Further relations and views, for `contents`."""


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
            cursor = connection.execute(statement)
            names = [column.name for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def digests(self) -> dict[str, str]:
        """One digest per relation, over every column of every row."""
        return {name: self._digest(name, "t::text") for name in RELATIONS}

    def contents(self) -> dict[str, str]:
        """The same without what says when, or how often, a file or a row was written."""
        volatile = "{etag,loaded_at,loaded_lag_s,updated_at,generation,revision}"
        without = f"(to_jsonb(t) - '{volatile}'::text[])::text"
        return {name: self._digest(name, without) for name in [*RELATIONS, *VIEWS]}

    def _digest(self, relation: str, row: str) -> str:
        [found] = self.records(
            f"SELECT md5(string_agg({row}, '|' ORDER BY {row})) AS digest FROM {relation} AS t"
        )
        return str(found["digest"])


@cache
def _empty_vigil() -> Path:
    """A data folder with the schema and nothing in it, made once a process; its server is down.

    To copy one costs a tenth of making a cluster.
    """
    folder = Path(tempfile.mkdtemp(prefix="vigil-empty-"))
    atexit.register(shutil.rmtree, folder)
    with database_ready(Settings.from_environment({"VIGIL_DATA_DIR": str(folder)})):
        pass
    return folder


@contextmanager
def installed(
    folder: Path,
    node_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str | None = None,
) -> Iterator[Installation]:
    """On the embedded server, or in the database named."""
    for name in CLEARED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VIGIL_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("VIGIL_NODE_DATA", str(node_data))
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "dagster_home"))
    # A test with a daemon counts the runs that it asked for itself.
    if "VIGIL_AUTOMATION" not in os.environ:
        monkeypatch.setenv("VIGIL_AUTOMATION", "off")
    if database_url is not None:
        monkeypatch.setenv("DATABASE_URL", database_url)
    settings = Settings.from_environment()
    if not (database_url or settings.data_dir.exists()):
        settings.data_dir.mkdir(parents=True)
        # With owners and modes: the server runs as another user where the tests run as root.
        subprocess.run(["cp", "-a", _empty_vigil() / "postgres", settings.data_dir], check=True)
    server = nullcontext() if database_url else embedded_postgres(settings).session()
    with server, database_ready(settings):
        yield Installation(settings)


@contextmanager
def _timescale_databases() -> Iterator[Callable[[], str]]:
    server = os.environ.get("VIGIL_TEST_TIMESCALE_URL")
    if not server:
        pytest.skip("VIGIL_TEST_TIMESCALE_URL names no server with TimescaleDB")
    with psycopg.connect(server, autocommit=True) as connection, ExitStack() as made:

        def new_database() -> str:
            name = f"vigil_test_{secrets.token_hex(6)}"
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
            drop = SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name))
            made.callback(connection.execute, drop)
            return urlsplit(server)._replace(path=f"/{name}").geturl()

        yield new_database


@pytest.fixture
def timescale_url() -> Iterator[str]:
    """An empty database of a server with TimescaleDB's community features."""
    with _timescale_databases() as new_database:
        yield new_database()


@pytest.fixture(params=["plain", "timescale"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes empty databases, and gives their URLs; once on each engine."""
    if request.param == "timescale":
        with _timescale_databases() as make:
            yield make
        return
    with EmbeddedPostgres(tmp_path / "server").session() as server:

        def make_plain() -> str:
            name = f"vigil_test_{secrets.token_hex(6)}"
            server.ensure_database(name)
            return server.url(name)

        yield make_plain


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
