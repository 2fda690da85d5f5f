"""The drill: back up, lose the server's files, restore, and everything is as it was."""

import hashlib
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.conftest import Installation, installed
from tests.resources.desk import add_trader
from tests.resources.loading import load_day, take_in
from vigil_cli.backup import back_up, restore
from vigil_cli.database import NotConfirmed, refresh
from vigil_core.calendar import day_start_ms
from vigil_resources.api_keys import ApiKeys
from vigil_resources.database import backups as module
from vigil_resources.database.backups import REBUILT, BackupFailed
from vigil_resources.database.reader import connect_reader
from vigil_resources.wiring import database_url, embedded_postgres
from vigil_sandbox.world import TINY, write_world

Digests = dict[str, str]


def digests(vigil: Installation) -> Digests:
    """SHA-256 of every row of every table, in the order of its text."""
    found = {}
    with vigil.warehouse.connect(read_only=True) as connection:
        tables = connection.execute(
            "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind IN ('r', 'm') AND nspname IN ('public', 'fill_days', 'compat')"
        ).fetchall()
        for schema, table in tables:
            digest = hashlib.sha256()
            rows = SQL("COPY (SELECT * FROM {} AS t ORDER BY t::text) TO STDOUT")
            with connection.cursor().copy(rows.format(Identifier(schema, table))) as copy:
                for block in copy:
                    digest.update(block)
            found[f"{schema}.{table}"] = digest.hexdigest()
    return found


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """A small world with its figures, a followed trader and a key."""
    folder = tmp_path_factory.mktemp("filled")
    write_world(TINY, folder / "raw")
    with installed(folder, folder / "raw", module_patch) as vigil:
        for n in range(TINY.day_count):
            day = TINY.first_day + timedelta(days=n)
            take_in(vigil, day)
            load_day(vigil, day)
        refresh(vigil.settings)
        yield vigil


@pytest.fixture(scope="module")
def key(filled: Installation) -> str:
    with filled.warehouse.connect() as connection:
        [(address,)] = connection.execute(
            "SELECT user_address FROM trader_profiles ORDER BY 1 LIMIT 1"
        ).fetchall()
        add_trader(connection, day_start_ms(TINY.first_day), user_address=address)
        return ApiKeys(connection).create("kept", ["manage"])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["all.dump", "folder"])
def test_the_drill(filled: Installation, key: str, tmp_path: Path, name: str) -> None:
    # The reader's rights are part of what has to come back.
    connect_reader(database_url(filled.settings), is_embedded=True, say=print).close()
    before = digests(filled)
    assert sum(filled_rows(filled).values()) > 3_000
    back_up(filled.settings, tmp_path / name, desk_only=False)

    server = embedded_postgres(filled.settings)
    server.stop()
    shutil.rmtree(filled.settings.data_dir / "postgres")
    with pytest.raises(FileNotFoundError):
        (filled.settings.data_dir / "postgres" / "password").read_text()
    server.keep_running()
    restore(filled.settings, tmp_path / name, "vigil")

    after = digests(filled)
    # Of this backup itself nothing can be in it.
    assert {t for t in before if before[t] != after.get(t)} <= {"public.backups"}
    assert before.keys() == after.keys()
    assert filled.warehouse.install() == []
    with filled.warehouse.connect() as connection:
        assert ApiKeys(connection).owner(key) is not None
    reader = connect_reader(database_url(filled.settings), is_embedded=True, say=print)
    with reader:
        assert reader.execute("SELECT count(*) > 0 FROM fills").fetchone() == (True,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("DELETE FROM traders")


def filled_rows(vigil: Installation) -> dict[str, int]:
    tables = ("fills", "trader_daily", "round_trips", "trader_totals")
    return {table: vigil.records(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_desk_alone_comes_back_and_a_load_fills_the_rest(
    filled: Installation, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digests(filled)
    figures = filled_rows(filled)
    back_up(filled.settings, tmp_path / "desk.dump", desk_only=True)
    (tmp_path / "raw").symlink_to(filled.settings.node_data)
    with installed(tmp_path, tmp_path / "raw", monkeypatch) as fresh:
        with pytest.raises(NotConfirmed):
            restore(fresh.settings, tmp_path / "desk.dump", "another")
        restore(fresh.settings, tmp_path / "desk.dump", "vigil")
        after = digests(fresh)
        kept = {
            name
            for name in before
            if name.startswith("public.") and name.removeprefix("public.") not in REBUILT
        } - {"public.backups"}
        assert {"public.traders", "public.trader_settings_history", "public.api_keys"} <= kept
        assert {name for name in kept if before[name] != after[name]} == set()
        assert filled_rows(fresh) == dict.fromkeys(figures, 0)
        for n in range(TINY.day_count):
            day = TINY.first_day + timedelta(days=n)
            take_in(fresh, day)
            load_day(fresh, day)
        refresh(fresh.settings)
        assert filled_rows(fresh) == figures
        with fresh.warehouse.connect() as connection:
            assert ApiKeys(connection).owner(key) is not None


def test_a_restore_refuses_what_would_do_harm(vigil: Installation, tmp_path: Path) -> None:
    path = tmp_path / "small.dump"
    with vigil.warehouse.connect() as connection:
        ApiKeys(connection).create("kept", ["read"])
    back_up(vigil.settings, path, desk_only=False)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(BackupFailed, match="is there already"):
        back_up(vigil.settings, path, desk_only=False)
    with pytest.raises(BackupFailed, match=r"holds rows \(public.api_keys, public.backups\)"):
        restore(vigil.settings, path, "vigil")
    # A cut off file is none.
    cut = tmp_path / "cut.dump"
    cut.write_bytes(path.read_bytes()[:2000])
    with vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM api_keys")
        connection.execute("DELETE FROM backups")
    with pytest.raises(BackupFailed):
        restore(vigil.settings, cut, "vigil")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "migrations", lambda _: [])
        with pytest.raises(BackupFailed, match="newer Vigil: it has migrations/0001"):
            restore(vigil.settings, path, "vigil")
    # Nothing of that touched the database, and the whole one comes back into it.
    assert vigil.records("SELECT count(*) AS n FROM schema_objects")[0]["n"] > 100
    with vigil.warehouse.connect(autocommit=True) as connection:
        connection.execute("REVOKE CONNECT ON DATABASE vigil FROM PUBLIC")
        connection.execute("CREATE ROLE visitor")
        connection.execute("GRANT CONNECT ON DATABASE vigil TO visitor")
        connection.execute("ALTER DATABASE vigil SET work_mem = '5MB'")
    restore(vigil.settings, path, "vigil")
    assert vigil.records("SELECT label FROM api_keys") == [{"label": "kept"}]
    # What a dump does not hold: rights to the database, and its settings.
    [rights] = vigil.records(
        "SELECT has_database_privilege('visitor', 'vigil', 'CONNECT') AS invited,"
        " has_database_privilege('pg_monitor', 'vigil', 'CONNECT') AS anybody,"
        " current_setting('work_mem') AS memory"
    )
    assert rights == {"invited": True, "anybody": False, "memory": "5MB"}


def test_every_table_that_is_rebuilt_exists(vigil: Installation) -> None:
    rows = vigil.records("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'm')")
    assert set(REBUILT) <= {row["relname"] for row in rows}
