"""What every recipe needs before it can work: a database, its schema, Dagster's storage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vigil_core.errors import NotWritten
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_resources.wiring import (
    DAGSTER_DATABASE,
    DATABASE,
    dagster_storage_url,
    embedded_postgres,
    open_warehouse,
)

if TYPE_CHECKING:
    import dagster as dg


@contextmanager
def database_ready(settings: Settings, *, install: bool = True) -> Iterator[None]:
    """The database of the settings, reachable and of the present schema.

    The embedded server is started where it is needed, and stopped when its last user goes.
    """
    if settings.database_url is not None:
        if install:
            open_warehouse(settings).install()
        yield
        return
    server = embedded_postgres(settings)
    with server.session():
        server.ensure_database(DATABASE)
        if install:
            open_warehouse(settings).install()
        yield


@contextmanager
def dagster_ready(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Database and Dagster instance, with the environment that Dagster's processes read."""
    needs_server = settings.database_url is not None and settings.dagster_pg_url is None
    server = embedded_postgres(settings)
    with database_ready(settings):
        if needs_server:
            with server.session():
                yield from _instance(settings)
        else:
            yield from _instance(settings)


def _instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    if settings.dagster_pg_url is None:
        embedded_postgres(settings).ensure_database(DAGSTER_DATABASE)
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    config = settings.dagster_home / "dagster.yaml"
    if not config.exists():
        # Dagster takes a half-written one for what it says, and an empty one for a wish to keep
        # runs in files: it is there whole, or not at all.
        beside = config.with_name(f"dagster.yaml.{os.getpid()}")
        try:
            beside.write_text((PROJECT_ROOT / "dagster_home" / "dagster.yaml").read_text())
            beside.replace(config)
        except OSError as error:
            home = str(settings.dagster_home)
            raise NotWritten("dagster.yaml", home, str(error.strerror)) from error
        finally:
            beside.unlink(missing_ok=True)
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    os.environ["DAGSTER_PG_URL"] = dagster_storage_url(settings)
    # The materializations of a step, a partition each, in one statement instead of one each.
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
    # Seconds to import; whoever only wants the database does not come here.
    import dagster as dg

    from vigil_assets.partitions import set_pool_limits

    with dg.DagsterInstance.get() as instance:
        # Made for the web server, and right for whatever runs for long: its storages then keep
        # their connections. Otherwise each statement opens one, a third of a small run's time.
        instance.optimize_for_webserver(
            statement_timeout=600_000, pool_recycle=3600, max_overflow=20
        )
        # Each storage makes its tables at first use; web server and daemon doing that at the
        # same time on an empty database leave it broken.
        instance.get_runs(limit=1)
        instance.all_asset_keys()
        instance.all_instigator_state()
        set_pool_limits(instance)
        yield instance
