"""What the roles of the database may do, and what they may not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.conftest import Installation, installed
from vigil_resources.api_keys import ApiKeys
from vigil_resources.database.roles import Role, address_as
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.wiring import database_url


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("roles")
    with installed(folder, folder, module_patch) as installation:
        yield installation


OPTIONS = "-c timezone=UTC -c search_path=public,compat"


@contextmanager
def being(vigil: Installation, role: Role) -> Iterator[psycopg.Connection[Any]]:
    """A connection that logged in as a role."""
    url = database_url(vigil.settings)
    address = address_as(role, url, is_embedded=True, options=OPTIONS, say=pytest.fail)
    with psycopg.connect(address, autocommit=True) as connection:
        yield connection


def rows(connection: psycopg.Connection[Any], statement: str) -> list[tuple[Any, ...]]:
    return connection.execute(statement.encode()).fetchall()


FORBIDDEN = [
    "SELECT secret_sha256 FROM api_keys",
    "SELECT * FROM api_keys",
    "SELECT count(*) FROM api_sessions",
    "INSERT INTO api_keys (key_id, secret_sha256, label, scopes, created_at)"
    " VALUES ('abcdefgh', 'x', 'mine', '{admin}', 0)",
    "UPDATE api_keys SET revoked_at = NULL",
    "UPDATE api_keys SET scopes = '{admin}'",
    "DELETE FROM api_keys",
    "INSERT INTO fills DEFAULT VALUES",
    "UPDATE fills SET px = 1",
    "DELETE FROM fills",
    "TRUNCATE fills",
    "DELETE FROM day_state",
    "UPDATE trader_profiles SET trader_type = 'X'",
    "DELETE FROM published_traders",
    "DELETE FROM traders",
    "DELETE FROM trader_settings_history",
    "UPDATE trader_settings_history SET changed_by = 'nobody'",
    "UPDATE promotions SET passed = true",
    "UPDATE backtests SET status = 'done'",
    "UPDATE alerts SET rule = 'none'",
    "DELETE FROM alerts",
    "DELETE FROM deliveries",
    "UPDATE schema_objects SET sha256 = ''",
    "CREATE TABLE mine (n integer)",
    "CREATE TABLE fill_days.mine (n integer)",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "ALTER TABLE traders DROP CONSTRAINT traders_check",
    "DROP TABLE traders",
    "DROP VIEW data_health",
    "ALTER TABLE traders DISABLE TRIGGER traders_history",
    "CREATE TRIGGER mine AFTER INSERT ON traders EXECUTE FUNCTION record_trader_settings()",
    "SET ROLE vigil",
    "SELECT set_config('role', 'vigil', false)",
    "SET SESSION AUTHORIZATION vigil",
    "ALTER ROLE vigil_api SUPERUSER",
    "GRANT SELECT ON api_keys TO vigil_api",
    "SELECT pg_read_file('/etc/hostname')",
    "COPY traders TO PROGRAM 'true'",
    "COPY traders TO '/tmp/traders'",
    "SELECT lo_import('/etc/hostname')",
    "SELECT passwd FROM pg_shadow",
    "ALTER SYSTEM SET log_statement = 'all'",
]  # fmt: skip


@pytest.mark.parametrize("role", Role)
def test_what_no_role_may_do(vigil: Installation, role: Role) -> None:
    with being(vigil, role) as connection:
        for statement in FORBIDDEN:
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                continue
            pytest.fail(f"{role} may {statement}")


def test_the_api_writes_to_the_desk_and_a_reader_nowhere(vigil: Installation) -> None:
    key = "INSERT INTO idempotency_keys (caller, route, key, body_sha256, created_at)" \
        " VALUES ('c', 'r', 'k', 'b', 0)"  # fmt: skip
    with being(vigil, Role.API) as connection:
        connection.execute(key.encode())
        assert rows(connection, "SELECT caller FROM idempotency_keys") == [("c",)]
    with being(vigil, Role.READER) as connection:
        for statement in (key, "SELECT caller FROM idempotency_keys"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_no_role_may_write_what_is_not_listed(vigil: Installation) -> None:
    """From the catalog, so that no table is left out."""
    written = {
        Role.READER: set[str](),
        Role.API: {
            "backtests", "chat_messages", "idempotency_keys", "imports", "leaderboard_entries",
            "promotions", "signals", "trader_settings_history", "traders",
        },
    }  # fmt: skip
    for role, expected in written.items():
        found = vigil.records(
            "SELECT relname FROM pg_class WHERE relnamespace IN ('public'::regnamespace,"
            " 'fill_days'::regnamespace) AND relkind IN ('r', 'p', 'v') AND (has_table_privilege("
            f"'{role}', oid, 'INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER'))"
        )
        assert {row["relname"] for row in found} == expected


def test_a_right_key_is_known_without_its_digest(vigil: Installation) -> None:
    with vigil.warehouse.connect() as connection:
        keys = ApiKeys(connection)
        key, revoked = keys.create("good", ["manage"]), keys.create("bad", ["admin"])
        keys.revoke(revoked.split("_")[1])
    for role in Role:
        with being(vigil, role) as connection:
            found = ApiKeys(connection).owner(key)
            assert found is not None
            assert (found[0].label, found[0].scopes) == ("good", {"manage"})
            assert ApiKeys(connection).owner(revoked) is None
            assert ApiKeys(connection).owner(key[:-1] + ("A" if key[-1] != "A" else "B")) is None
            assert {one.label for one in ApiKeys(connection).all()} == {"good", "bad"}
    with being(vigil, Role.API) as connection:
        session = ApiKeys(connection).begin_session(key.split("_")[1])
        assert ApiKeys(connection).session_owner(session) is not None
        ApiKeys(connection).end_session(session)
        assert ApiKeys(connection).session_owner(session) is None
    with (
        being(vigil, Role.READER) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        ApiKeys(connection).begin_session(key.split("_")[1])


def test_what_is_made_later_can_be_read_and_not_written(vigil: Installation) -> None:
    with vigil.warehouse.connect() as connection:
        connection.execute("CREATE TABLE made_later AS SELECT 1 AS n")
    for role in Role:
        with being(vigil, role) as connection:
            assert rows(connection, "SELECT n FROM made_later") == [(1,)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM made_later")


def test_installing_again_takes_back_what_a_reader_once_had(vigil: Installation) -> None:
    """As versions before these roles let vigil_reader read all tables."""
    with vigil.warehouse.connect() as connection:
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO vigil_reader")
    vigil.warehouse.install()
    with being(vigil, Role.READER) as connection:
        for table in ("api_keys", "api_sessions", "idempotency_keys"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))


def ordinary_user(url: str, *, may_make_roles: bool) -> str:
    """The URL of a user who owns the database and is no superuser."""
    name, database = "an_owner", urlsplit(url).path[1:]
    making = "CREATEROLE" if may_make_roles else "NOCREATEROLE"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'word' {making}".encode())
        connection.execute(f"ALTER DATABASE {database} OWNER TO {name}".encode())
        # CREATE EXTENSION is the superuser's; where it is offered it is there already.
        connection.execute(f"GRANT CREATE ON SCHEMA public TO {name}".encode())
    parts = urlsplit(url)
    return parts._replace(netloc=f"{name}:word@{parts.hostname}:{parts.port}").geturl()


@pytest.mark.parametrize("may_make_roles", [True, False])
def test_on_another_server_by_an_ordinary_user(
    new_database: Callable[[], str], may_make_roles: bool, caplog: pytest.LogCaptureFixture
) -> None:
    url = ordinary_user(new_database(), may_make_roles=may_make_roles)
    Warehouse(url).install()
    assert ("no vigil_reader" in caplog.text) == (not may_make_roles)
    said: list[str] = []
    address = address_as(Role.API, url, is_embedded=False, options=OPTIONS, say=said.append)
    assert (said == []) == may_make_roles
    with Warehouse(address).connect(autocommit=True) as connection:
        ((user,),) = rows(connection, "SELECT current_user")
        assert (user == "vigil_api") == may_make_roles
        rows(connection, "SELECT count(*) FROM traders")
        if may_make_roles:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DELETE FROM fills")
