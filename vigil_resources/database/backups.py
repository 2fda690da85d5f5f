"""Backups of the warehouse by pg_dump, and their restore: whole, or what nothing else gives back.

A backup is one file (`….dump`) or a folder, which several processes write at a time. It holds the
state of one moment; it is complete once it has its name. A restore goes into a database of another
name, which takes the old one's place when all is there.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from vigil_core.desk.parameters import Bounds
from vigil_core.errors import VigilError
from vigil_resources.database.backends import Backend
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import migrations, models, query, template

REBUILT = (
    "account_balances",
    "account_reconciliation",
    "addresses",
    "aggregate_state",
    "artemis_state",
    "balance_collapses",
    "block_breaks",
    "candles",
    "co_occurrences",
    "day_parts",
    "day_state",
    "feature_snapshots",
    "fills",
    "funding_history",
    "held_positions",
    "known_traders",
    "label_evaluations",
    "label_state",
    "liquidation_events",
    "load_progress",
    "metric_state",
    "metric_state_versions",
    "oi_changes",
    "oi_history",
    "persistence_rolls",
    "persistence_test",
    "position_state",
    "profile_state",
    "published_state",
    "published_traders",
    "quarantined_lines",
    "reconciliation",
    "restated_totals",
    "round_trips",
    "smart_money_positions",
    "snapshot_labels",
    "totals_known_from",
    "trade_flow_history",
    "trader_coin_daily",
    "trader_labels",
    "trader_profiles",
    "trader_totals",
    "volume_history",
    "wallet_profiles",
    *models(),
)
"""Tables whose rows a backfill makes again from the lake. A table that is not named here is kept:
what nobody thought of must not be lost."""

DAYS = "fill_days"
"""Schema of the partitions of `fills`."""

_CONFIGURATION = {"schema_objects", "classification_conditions", "rule_sets"}
"""What the installation of an empty database writes."""

_GRANT = re.compile(r'^GRANT .* TO "?([a-z_][a-z0-9_]*)"?;$', re.M)
_ENTRY = re.compile(r"^\d+;")


class BackupFailed(VigilError):
    """pg_dump or pg_restore did not do its work, or would do harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupDone:
    """What was written."""

    path: Path
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was read back."""

    database: str
    made_roles: tuple[str, ...]
    """Roles that had been granted something and were not there; they have no password."""
    applied: tuple[str, ...]
    """Parts of the schema that are newer than the backup."""
    seconds: float


class Backups:
    """Of one database.

    Args:
        url: The database, as the one who owns it.
        binaries: Folder with pg_dump and pg_restore, of the server's version or newer.
        bounds: Of the desk's settings, for the schema of a restored database.
    """

    def __init__(self, url: str, binaries: Path, bounds: Bounds) -> None:
        self._url = url
        self._binaries = binaries
        self._bounds = bounds

    def back_up(self, path: Path, *, desk_only: bool = False, jobs: int = 2) -> BackupDone:
        """Write a backup: one file if it is called `….dump`, else a folder, by several processes.

        Raises:
            BackupFailed: The path is taken, the database is TimescaleDB's, or pg_dump failed.
        """
        if path.exists():
            raise BackupFailed(f"{path} is there already")
        warehouse = Warehouse(self._url, self._bounds)
        if warehouse.backend is Backend.TIMESCALE:
            raise BackupFailed(
                "chunks of TimescaleDB do not come back by pg_dump alone: use a physical backup, "
                "docs/operations.md"
            )
        begun, started_at = time.monotonic(), _now_ms()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".unfinished")
        _remove(unfinished)
        is_file = path.suffix == ".dump"
        form = ["--format=custom"] if is_file else ["--format=directory", f"--jobs={jobs}"]
        tables = [*REBUILT, f"{DAYS}.*"] if desk_only else []
        # fill_days has its tables alone; all others are in public.
        excluded = [
            f"--exclude-table-data={name if '.' in name else f'public.{name}'}" for name in tables
        ]
        self._run("pg_dump", *form, *excluded, f"--file={unfinished}")
        # A folder without its list of contents, or a file that was cut off, would be no backup.
        self._run("pg_restore", "--list", str(unfinished), connects=False)
        unfinished.rename(path)
        done = BackupDone(path=path, bytes=_bytes(path), seconds=time.monotonic() - begun)
        # A schema that is upgraded next may lack the table yet; the backup is good all the same.
        with suppress(psycopg.errors.UndefinedTable), warehouse.connect() as connection:
            values = {
                "started_at": started_at,
                "finished_at": _now_ms(),
                "desk_only": desk_only,
                "bytes": done.bytes,
            }
            connection.execute(query("backups/record"), values)
        return done

    def restore(self, path: Path, *, jobs: int = 2) -> Restored:
        """Put a backup into the place of this database, which must hold nothing of its own.

        Killed at any moment, it leaves the database as it was, and may be begun again.

        Raises:
            BackupFailed: It is no backup of this Vigil or an earlier one, the database holds rows,
                or pg_restore failed.
        """
        begun = time.monotonic()
        self._refuse_newer(path)
        name = str(conninfo_to_dict(self._url)["dbname"])
        self._refuse_rows(name)
        unfinished = f"{name}_restoring"
        with psycopg.connect(make_conninfo(self._url, dbname="postgres"), autocommit=True) as admin:
            made = tuple(self._make_roles(admin, path))
            admin.execute(template("backups/drop_database", name=sql.Identifier(unfinished)))
            admin.execute(template("backups/create_database", name=sql.Identifier(unfinished)))
            self._fill(path, unfinished, jobs)
            url = make_conninfo(self._url, dbname=unfinished)
            applied = Warehouse(url, self._bounds).install()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ANALYZE")
            rights = {"source": sql.Literal(name), "target": sql.Literal(unfinished)}
            admin.execute(template("backups/copy_database_rights", **rights))
            admin.execute(template("backups/drop_database", name=sql.Identifier(name)))
            parts = {"name": sql.Identifier(unfinished), "new_name": sql.Identifier(name)}
            admin.execute(template("backups/rename_database", **parts))
        return Restored(
            database=name,
            made_roles=made,
            applied=tuple(applied),
            seconds=time.monotonic() - begun,
        )

    # --- before a restore ----------------------------------------------------------------

    def _refuse_newer(self, path: Path) -> None:
        """A Vigil that does not know a change of the schema would take it back without a word."""
        if not path.exists():
            raise BackupFailed(f"{path} is not there")
        installed = dict(self._installed(path))
        if not installed:
            raise BackupFailed(f"{path} is no backup of Vigil: it lacks the record of its schema")
        known = {one.name for one in migrations(Backend.PLAIN)}
        newer = sorted(n for n in installed if n.startswith("migrations/") and n not in known)
        if newer:
            raise BackupFailed(f"the backup is of a newer Vigil: it has {', '.join(newer)}")
        if set(installed.values()) != {str(Backend.PLAIN)}:
            raise BackupFailed("the backup is of a TimescaleDB installation")

    def _installed(self, path: Path) -> Iterator[tuple[str, str]]:
        """Name and backend of each object, from the backup's own rows of schema_objects."""
        text = self._run(
            *("pg_restore", "--data-only", "--table=schema_objects", "--file=-", str(path)),
            connects=False,
        )
        columns: list[str] = []
        for line in text.splitlines():
            if line.startswith("COPY public.schema_objects ("):
                columns = line.partition("(")[2].partition(")")[0].split(", ")
            elif line == r"\.":
                return
            elif columns:
                row = dict(zip(columns, line.split("\t"), strict=True))
                yield row["name"], row["backend"]

    def _refuse_rows(self, name: str) -> None:
        try:
            connection = psycopg.connect(self._url)
        except psycopg.OperationalError as error:
            if "does not exist" in str(error):
                return
            raise
        with connection:
            held = [
                f"{schema}.{table}"
                for schema, table in connection.execute(query("backups/tables")).fetchall()
                if table not in _CONFIGURATION and _has_rows(connection, schema, table)
            ]
        if held:
            some = ", ".join(held[:5])
            raise BackupFailed(
                f"{name} holds rows ({some}{' …' if len(held) > 5 else ''}): "
                "restore into an empty database, or empty this one first (./vigil db-reset)"
            )

    def _make_roles(
        self, admin: psycopg.Connection[tuple[object, ...]], path: Path
    ) -> Iterator[str]:
        text = self._run("pg_restore", "--schema-only", "--file=-", str(path), connects=False)
        wanted = set(_GRANT.findall(text)) - {"public"}
        rows = admin.execute(query("backups/roles")).fetchall()
        for role in sorted(wanted - {str(name) for (name,) in rows}):
            admin.execute(template("backups/create_role", name=sql.Literal(role)))
            yield role

    # --- programs ------------------------------------------------------------------------

    def _fill(self, path: Path, database: str, jobs: int) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".list") as listing:
            listing.write("\n".join(self._wanted(path)) + "\n")
            listing.flush()
            self._run(
                *("pg_restore", "--no-owner", "--exit-on-error", f"--jobs={jobs}"),
                *(f"--use-list={listing.name}", str(path)),
                database=database,
            )

    def _wanted(self, path: Path) -> Iterator[str]:
        """All of the backup, but rights to what others' users will make some day."""
        user = conninfo_to_dict(self._url).get("user")
        for line in self._run("pg_restore", "--list", str(path), connects=False).splitlines():
            is_foreign = " DEFAULT ACL " in line and line.rsplit(" ", 1)[1] != user
            if _ENTRY.match(line) and not is_foreign:
                yield line

    def _run(
        self, program: str, *arguments: str, database: str | None = None, connects: bool = True
    ) -> str:
        parts = conninfo_to_dict(self._url)
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        connection: list[str] = []
        if connects:
            # Everyone on the machine can read a command line.
            if "password" in parts:
                environment["PGPASSWORD"] = str(parts.pop("password"))
            if database is not None:
                parts["dbname"] = database
            connection = [f"--dbname={make_conninfo('', **parts)}"]
        ended = subprocess.run(
            [str(self._binaries / program), *connection, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            # Hashes of keys and what people wrote are nobody else's business.
            umask=0o077,
        )
        if ended.returncode:
            raise BackupFailed(f"{program}: {ended.stderr.strip()[-2000:]}")
        return ended.stdout


def _has_rows(connection: psycopg.Connection[tuple[object, ...]], schema: str, table: str) -> bool:
    statement = template("backups/has_rows", table=sql.Identifier(schema, table))
    [row] = connection.execute(statement).fetchall()
    return bool(row[0])


def _bytes(path: Path) -> int:
    files: Iterable[Path] = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
