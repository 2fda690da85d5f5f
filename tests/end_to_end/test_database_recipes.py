"""The recipes about the database, as a user types them, on one embedded server."""

import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import polars as pl
import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from tests.conftest import CLEARED, Installation
from vigil_cli.__main__ import main
from vigil_resources.database.roles import Role
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_resources.wiring import DATABASE, embedded_postgres
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)
DAYS = [str(FIRST), str(LAST)]

Vigil = Callable[..., tuple[int, str, str]]


def typed(*words: str, stdin: str = "") -> int:
    """What `./vigil WORDS…` runs, in this process: most of a recipe's time is imports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["vigil", *words])
        patch.setattr("sys.stdin", io.StringIO(stdin))
        return main()


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """A running server and a filled lake."""
    folder = tmp_path_factory.mktemp("recipes")
    write_world(TINY, folder / "raw")
    for name in CLEARED:
        module_patch.delenv(name, raising=False)
    module_patch.setenv("VIGIL_DATA_DIR", str(folder / "data"))
    module_patch.setenv("VIGIL_NODE_DATA", str(folder / "raw"))
    module_patch.setenv("DAGSTER_HOME", str(folder / "dagster_home"))
    settings = Settings.from_environment()
    try:
        assert typed("db-local-up") == 0
        assert typed("fetch-data", *DAYS) == 0
        yield Installation(settings)
    finally:
        assert typed("db-local-down") == 0
        assert not embedded_postgres(settings).is_running()


@pytest.fixture
def vigil(capfd: pytest.CaptureFixture[str]) -> Vigil:
    """Run a recipe; gives exit status, output and errors."""

    def run(*words: str, stdin: str = "") -> tuple[int, str, str]:
        capfd.readouterr()
        status = typed(*words, stdin=stdin)
        return status, *capfd.readouterr()

    return run


@pytest.fixture
def loaded(home: Installation) -> Installation:
    """With both days in the embedded database, whatever a test before left of it."""
    assert typed("db-local-migrate") == 0
    if len(home.warehouse.loaded_days()) < TINY.day_count:
        assert typed("local-load", *DAYS) == 0
    assert typed("db-local-refresh") == 0
    return home


@pytest.fixture
def elsewhere(home: Installation, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """`DATABASE_URL` is an empty second database, of a user who may not do much else."""
    yield from database_of(home, monkeypatch, "elsewhere", "NOCREATEROLE")


@pytest.fixture
def where_roles_are_made(
    home: Installation, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """The same of a user who may make roles, on a server that has none yet."""
    assert typed("db-query", "SELECT 1") == 0
    admin = embedded_postgres(home.settings).url("postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        for role in Role:
            connection.execute(f"ALTER ROLE {role} RENAME TO put_aside_{role}".encode())
        yield from database_of(home, monkeypatch, "where_roles_are_made", "CREATEROLE")
        for role in Role:
            connection.execute(f"ALTER ROLE put_aside_{role} RENAME TO {role}".encode())


def database_of(
    home: Installation, monkeypatch: pytest.MonkeyPatch, name: str, right: str
) -> Iterator[Installation]:
    admin = embedded_postgres(home.settings).url("postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        role = Identifier(name)
        create = SQL("CREATE ROLE {} LOGIN PASSWORD {} CREATEDB " + right)
        connection.execute(create.format(role, Literal("secret")))
        connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(role, role))
        port = urlsplit(admin).port
        url = f"postgresql://{name}:secret@127.0.0.1:{port}/{name}?sslmode=disable"
        monkeypatch.setenv("DATABASE_URL", url)
        yield Installation(replace(home.settings, database_url=url))
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(role))
        if right == "CREATEROLE":
            for made in Role:
                connection.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(made)))
        connection.execute(SQL("DROP ROLE {}").format(role))


def count(vigil: Installation, relation: str) -> int:
    [row] = vigil.records(f"SELECT count(*) AS rows FROM {relation}")
    return int(row["rows"])


# --- the server and the schema -----------------------------------------------------------


@pytest.mark.usefixtures("home")
def test_a_server_that_is_kept_runs_until_it_is_stopped(
    vigil: Vigil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIGIL_DATA_DIR", str(tmp_path / "data"))
    server = embedded_postgres(Settings.from_environment())
    status, output, _ = vigil("db-local-up")
    assert (status, output) == (0, server.url() + "\n")

    assert vigil("db-local-migrate")[0] == 0
    assert server.is_running()
    assert vigil("db-local-up")[0] == 0

    assert vigil("db-local-down")[0] == 0
    assert not server.is_running()
    assert vigil("db-local-down")[0] == 0


@pytest.mark.usefixtures("elsewhere")
def test_a_schema_is_installed_once_under_each_name_of_the_recipe(vigil: Vigil) -> None:
    status, output, _ = vigil("db-migrate")
    assert status == 0
    assert "applied migrations/0001_compat_time_bucket\n" in output
    assert "applied views/top_traders_by_type\n" in output
    for name in ("db-migrate", "db-base", "db-aggregates"):
        assert vigil(name)[:2] == (0, "the schema is up to date\n")


@pytest.mark.usefixtures("home")
def test_a_selection_of_nothing_is_said(vigil: Vigil) -> None:
    for selection in ("fills,trader_daily", "key:nothing"):
        status, _, errors = vigil("backfill", *DAYS, "--select", selection)
        assert status == 1
        assert errors.startswith(f"vigil: --select='{selection}': expected a selection")


# --- loads -------------------------------------------------------------------------------


def test_a_stopped_load_goes_on_where_it_was(home: Installation, vigil: Vigil) -> None:
    assert typed("db-reset", "--yes-drop", DATABASE) == 0
    assert vigil("local-load", str(FIRST), str(FIRST))[0] == 0
    [early] = home.records("SELECT * FROM day_state")

    status, _, errors = vigil("local-load", *DAYS)

    assert (status, "done: 1 days" in errors) == (0, True)
    assert home.records("SELECT * FROM day_state ORDER BY day")[0] == early
    assert len(home.warehouse.loaded_days()) == TINY.day_count
    before = home.digests()
    status, _, errors = vigil("local-load", *DAYS)
    assert (status, "nothing was missing or stale" in errors) == (0, True)
    assert home.digests() == before


def test_a_lake_is_loaded_into_another_database_as_into_the_embedded_one(
    loaded: Installation, elsewhere: Installation, vigil: Vigil
) -> None:
    assert vigil("cloud-load", *DAYS)[0] == 0
    assert vigil("cloud-load", *DAYS)[0] == 0
    assert vigil("db-refresh")[0] == 0

    assert elsewhere.contents() == loaded.contents()
    assert count(elsewhere, "fills") > 0


def test_a_refresh_builds_what_is_stale_and_then_nothing(
    loaded: Installation, vigil: Vigil
) -> None:
    with loaded.warehouse.connect() as connection:
        connection.execute("DELETE FROM aggregate_state WHERE relation = 'coin_daily'")

    status, output, errors = vigil("db-refresh")

    assert (status, "built" in output) == (0, True)
    assert all(f"coin_daily {day}: " in errors for day in DAYS)
    assert vigil("db-refresh")[:2] == (0, "nothing was stale\n")
    assert vigil("db-local-refresh")[:2] == (0, "nothing was stale\n")


def test_the_figures_shown_are_those_of_the_tables(loaded: Installation, vigil: Vigil) -> None:
    for recipe in ("db-stats", "db-local-stats"):
        status, output, _ = vigil(recipe)
        lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.split("\n")]
        shown = {cells[0]: cells for cells in lines if cells}
        assert status == 0
        assert output.startswith("SIMULATED: 2 of 2 days")
        for relation in ("fills", "trader_daily", "coin_daily", "builder_daily"):
            assert shown[relation][1] == f"{count(loaded, relation):,}"
        for row in loaded.records("SELECT trader_type AS t, count(*) AS n, sum(total_fills) AS f "
                                  "FROM trader_profiles GROUP BY 1"):  # fmt: skip
            assert shown[row["t"]][1:3] == [f"{row['n']:,}", f"{row['f']:,}"]
        for row in loaded.records("SELECT day, fills FROM data_health"):
            assert f"{row['fills']:,}" in shown[row["day"]]


def test_the_report_lies_where_it_says(loaded: Installation, vigil: Vigil) -> None:
    status, output, _ = vigil("analyze")

    page = Path(output.strip())
    assert status == 0
    assert 'src="data:image/png;base64,' in page.read_text("utf-8")
    profiles = pl.read_parquet(page.parent / "trader_profiles.parquet")
    rows = loaded.records("SELECT * FROM trader_profiles ORDER BY user_address")
    assert profiles.height == len(rows)
    for name in ("user_address", "realized_pnl", "fees_paid", "net_pnl", "trader_type"):
        assert profiles[name].to_list() == [row[name] for row in rows]


# --- reading -----------------------------------------------------------------------------


def test_a_pipe_gets_every_figure_in_full(loaded: Installation, vigil: Vigil) -> None:
    status, output, errors = vigil(
        "db-query",
        "SELECT 0.00000001 AS small, 1::numeric / 3 AS third, NULL AS nothing, true AS yes, "
        """'{"a": [1, "x\\ty"]}'::jsonb AS json, E'1\\t2\\n3' AS text, 'a' LIKE '%a%' AS like""",
    )
    names, values, *rest = output.split("\n")
    assert (status, errors, rest) == (0, "", [""])
    assert names.split("\t") == ["small", "third", "nothing", "yes", "json", "text", "like"]
    assert values.split("\t") == [
        "0.00000001", "0.33333333333333333333", "", "t", r'{"a": [1, "x\ty"]}', r"1\t2\n3", "t",
    ]  # fmt: skip

    output = vigil("db-query", "SELECT user_address, net_pnl FROM trader_profiles")[1]
    found = dict(line.split("\t") for line in output.splitlines()[1:])
    rows = loaded.records("SELECT user_address, net_pnl::text FROM trader_profiles")
    assert found == {row["user_address"]: row["net_pnl"] or "" for row in rows}


@pytest.mark.parametrize("relation", ["fills", "trader_daily", "data_health", "missing_blocks",
                                      "smart_money_positions", "recent_liquidations",
                                      "top_traders_by_type", "schema_objects"])  # fmt: skip
def test_every_relation_can_be_read(loaded: Installation, vigil: Vigil, relation: str) -> None:
    status, output, _ = vigil("db-query", f"SELECT count(*) FROM {relation}")
    assert (status, output) == (0, f"count\n{count(loaded, relation)}\n")


WRITES = [
    "DELETE FROM fills",
    "SET TRANSACTION READ WRITE; DELETE FROM fills",
    "SET default_transaction_read_only = off; DELETE FROM fills",
    "COMMIT; DELETE FROM fills",
    "RESET ROLE; DELETE FROM fills",
    "RESET SESSION AUTHORIZATION; DELETE FROM fills",
    "COPY (SELECT 1) TO PROGRAM 'touch {folder}/here'",
    "COPY (SELECT 1) TO '{folder}/here'",
    "COPY fills TO STDOUT",
    "DO $$ BEGIN SET TRANSACTION READ WRITE; DELETE FROM fills; END $$",
    "DO $$ BEGIN COMMIT; SET TRANSACTION READ WRITE; DELETE FROM fills; END $$",
    "DO $$ BEGIN RESET ROLE; DELETE FROM fills; END $$",
    "WITH gone AS (DELETE FROM fills RETURNING 1) SELECT count(*) FROM gone",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "EXPLAIN ANALYZE DELETE FROM fills",
    "SELECT lo_create(7)",
    "CREATE TABLE mine AS SELECT 1",
    "DROP TABLE trader_profiles",
]

OF_A_SUPERUSER = [
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT set_config('role', 'vigil', false)",
    "SET ROLE vigil",
    "SET SESSION AUTHORIZATION vigil",
    "ALTER SYSTEM SET jit = on",
    "SELECT pg_reload_conf()",
    "SELECT lo_export(lo_create(7), '{folder}/here')",
    "SELECT set_config('role', 'none', false), query_to_xml('DELETE FROM fills', true, true, '')",
]


def refused(vigil: Vigil, statement: str, folder: Path) -> None:
    status, output, errors = vigil("db-query", statement.replace("{folder}", str(folder)))
    assert status == 1
    assert output == ""
    assert "vigil: " in errors
    assert "Traceback" not in errors
    if "; " in statement and not statement.startswith("DO"):
        assert errors.endswith("expected one SQL statement, got several: run them one by one\n")
    assert not (folder / "here").exists()


@pytest.mark.parametrize("statement", [*WRITES, *OF_A_SUPERUSER])
def test_no_statement_writes(
    loaded: Installation, vigil: Vigil, tmp_path: Path, statement: str
) -> None:
    before = count(loaded, "fills")
    tmp_path.chmod(0o777)
    refused(vigil, statement, tmp_path)
    assert count(loaded, "fills") == before > 0


def test_the_reader_could_not_write_if_it_were_let(loaded: Installation, vigil: Vigil) -> None:
    """Its rights alone, without the read-only transaction."""
    with loaded.warehouse.connect() as connection:
        connection.execute("CREATE TABLE made_later AS SELECT 7 AS seven")
    assert vigil("db-query", "SELECT * FROM made_later")[:2] == (0, "seven\n7\n")
    with loaded.warehouse.connect() as connection:
        connection.execute("DROP TABLE made_later")
        [may] = connection.execute(
            "SELECT count(*) FROM pg_class, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'])"
            " AS r (name) WHERE relkind IN ('r', 'p') AND"
            " has_table_privilege('vigil_reader', pg_class.oid, r.name)"
        ).fetchall()
        role = connection.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls"
            " FROM pg_roles WHERE rolname = 'vigil_reader'"
        ).fetchall()
    assert may == (0,)
    assert role == [(False,) * 5]


@pytest.mark.usefixtures("home")
def test_a_mistake_is_shown_where_it_is(vigil: Vigil) -> None:
    status, output, errors = vigil("db-query", "SELEC 1")
    assert (status, output) == (1, "")
    assert errors == 'vigil: syntax error at or near "SELEC"\nLINE 1: SELEC 1\n        ^\n'
    status, _, errors = vigil("db-query", "SELECT 1 FROM nowhere")
    assert (status, errors.split("\n")[0]) == (1, 'vigil: relation "nowhere" does not exist')


@pytest.mark.usefixtures("elsewhere")
def test_a_user_without_roles_reads_in_one_read_only_statement(
    vigil: Vigil, tmp_path: Path
) -> None:
    assert vigil("db-migrate")[0] == 0
    status, output, errors = vigil("db-query", "SELECT current_user")
    assert (status, output) == (0, "current_user\nelsewhere\n")
    assert "read-only transaction" in errors
    for statement in WRITES:
        refused(vigil, statement, tmp_path)


@pytest.mark.usefixtures("where_roles_are_made")
def test_a_user_with_roles_becomes_the_reader(vigil: Vigil, tmp_path: Path) -> None:
    assert vigil("db-migrate")[0] == 0
    status, output, errors = vigil("db-query", "SELECT current_user, count(*) FROM fills")
    assert (status, output, errors) == (0, "current_user\tcount\nvigil_reader\t0\n", "")
    for statement in WRITES:
        refused(vigil, statement, tmp_path)


def test_a_superuser_is_told_what_that_means(
    loaded: Installation, vigil: Vigil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", embedded_postgres(loaded.settings).url(DATABASE))
    status, output, errors = vigil("db-query", "SELECT current_user")
    assert (status, output) == (0, "current_user\nvigil_reader\n")
    assert "superuser" in errors


def test_a_question_leaves_another_schema_as_it_is(elsewhere: Installation, vigil: Vigil) -> None:
    assert vigil("db-query", "SELECT 1")[:2] == (0, "?column?\n1\n")
    assert elsewhere.records("SELECT relname FROM pg_class WHERE relname = 'schema_objects'") == []


@pytest.mark.usefixtures("home")
def test_a_reader_who_has_enough_is_no_error() -> None:
    """In a process of its own: what goes wrong at its exit counts as well."""
    many = "SELECT generate_series(1, 100000)"
    with subprocess.Popen(
        [sys.executable, "-m", "vigil_cli", "db-query", many],
        cwd=PROJECT_ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"generate_series\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


# --- psql --------------------------------------------------------------------------------


def test_psql_gets_its_options_and_gives_its_status(
    loaded: Installation, vigil: Vigil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "overwritten by the recipe")
    status, output, _ = vigil("db-shell", "-At", "-c", "SELECT count(*) FROM fills")
    assert (status, output) == (0, f"{count(loaded, 'fills')}\n")
    status, _, errors = vigil("db-shell", "-c", "SELEC")
    assert (status, "syntax error" in errors) == (1, True)


def test_no_password_stands_on_a_command_line(
    home: Installation, vigil: Vigil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "overwritten by the recipe")
    status, output, _ = vigil("db-shell", "-At", "-c", r"\! tr '\0' ' ' < /proc/$PPID/cmdline")
    password = urlsplit(embedded_postgres(home.settings).url()).password
    assert status == 0
    assert "psql" in output
    assert str(password) not in output


# --- the end -----------------------------------------------------------------------------


def test_a_database_is_dropped_by_its_name_only(elsewhere: Installation, vigil: Vigil) -> None:
    assert vigil("db-migrate")[0] == 0
    with elsewhere.warehouse.connect() as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1")

    for answer in ("vigil\n", "\n", ""):
        status, _, errors = vigil("db-reset", stdin=answer)
        assert status == 1
        assert "vigil: not dropped: expected 'elsewhere'" in errors
    assert vigil("db-reset", "--yes-drop", "vigil")[0] == 1
    assert count(elsewhere, "mine") == 1

    status, output, _ = vigil("db-reset", stdin="elsewhere\n")

    assert (status, output.endswith("elsewhere is empty\n")) == (0, True)
    assert elsewhere.records("SELECT to_regclass('mine') AS mine") == [{"mine": None}]
    assert count(elsewhere, "fills") == 0


def test_a_database_is_dropped_though_one_of_more_rights_is_still_in_it(
    home: Installation, elsewhere: Installation, vigil: Vigil
) -> None:
    assert vigil("db-migrate")[0] == 0
    # As autovacuum often is, just then.
    boss = psycopg.connect(embedded_postgres(home.settings).url("elsewhere"))
    leaves = threading.Timer(2, boss.close)
    leaves.start()

    assert vigil("db-reset", "--yes-drop", "elsewhere")[:2] == (0, "elsewhere is empty\n")

    leaves.join()
    assert count(elsewhere, "fills") == 0


def test_what_was_dropped_is_loaded_again_and_can_be_read(
    loaded: Installation, vigil: Vigil
) -> None:
    before = loaded.contents()
    assert vigil("db-query", "SELECT 1")[0] == 0

    assert vigil("db-reset", "--yes-drop", DATABASE)[:2] == (0, f"{DATABASE} is empty\n")

    assert vigil("db-query", "SELECT count(*) FROM fills")[:2] == (0, "count\n0\n")
    assert vigil("local-load", *DAYS)[0] == 0
    assert vigil("db-local-refresh")[0] == 0
    assert loaded.contents() == before
