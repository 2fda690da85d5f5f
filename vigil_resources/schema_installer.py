"""Install or upgrade the schema: migrations once, everything else when its text changes."""

import hashlib

import psycopg
from psycopg import sql

from vigil_core.errors import BackendChanged, MigrationChanged
from vigil_resources.statements import (
    SchemaObject,
    manifest,
    migrations,
    query,
    template,
)

PLAIN = "plain"
"""The one backend so far: Postgres without TimescaleDB's community features."""

_INSTALL_LOCK = 0x7669_6769_6C00  # "vigil"


def install(connection: psycopg.Connection) -> list[str]:
    """Bring a database to the present schema, and give the names of what was applied.

    May be called at any time and by several processes at once: they take turns, and the
    second finds nothing to do. One transaction: a reader sees the old schema or the new.

    Raises:
        MigrationChanged: The text of an applied migration is no longer the same.
        BackendChanged: The database was installed for another backend.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_INSTALL_LOCK])
        connection.execute(query("schema/create_schema_objects"))
        rows = connection.execute("SELECT name, sha256, backend FROM schema_objects").fetchall()
        installed = {name: sha for name, sha, _ in rows}
        for backend in {backend for _, _, backend in rows} - {PLAIN}:
            raise BackendChanged(backend, PLAIN)
        applied = [_migrate(connection, m) for m in migrations() if _is_new(m, installed)]
        return applied + _apply_manifest(connection, installed)


def _is_new(migration: SchemaObject, installed: dict[str, str]) -> bool:
    if migration.name not in installed:
        return True
    if installed[migration.name] != migration.sha256:
        raise MigrationChanged(migration.name)
    return False


def _migrate(connection: psycopg.Connection, migration: SchemaObject) -> str:
    connection.execute(migration.text)
    _record(connection, migration, migration.sha256)
    return migration.name


def _apply_manifest(connection: psycopg.Connection, installed: dict[str, str]) -> list[str]:
    objects = manifest()
    digests = _digests(objects)
    changed = [o for o in objects if installed.get(o.name) != digests[o.name]]
    gone = installed.keys() - {o.name for o in objects} - {m.name for m in migrations()}
    if not changed and not gone:
        return []
    # Views and reading functions go first and come back last: nothing they read can then
    # keep an old shape alive, and a rebuilt table cannot take them with it unnoticed.
    for view in reversed([name for name in installed if name.startswith("views/")]):
        drop = sql.SQL("DROP VIEW IF EXISTS {} CASCADE")
        connection.execute(drop.format(sql.Identifier(view.rsplit("/", 1)[1])))
    for name in gone:
        connection.execute("DELETE FROM schema_objects WHERE name = %s", [name])
    connection.execute("SET LOCAL search_path TO public, compat")
    for item in objects:
        if item.kind == "model" and item in changed:
            _rebuild_model(connection, item)
        elif item.kind == "view" or (item.kind != "model" and item in changed):
            connection.execute(item.text)
        if item in changed:
            _record(connection, item, digests[item.name])
    return [item.name for item in changed]


def _digests(objects: list[SchemaObject]) -> dict[str, str]:
    """Of each object's text; a model's covers the functions before it, whose rules it applies."""
    digests = {}
    rules = hashlib.sha256()
    for item in objects:
        if item.kind == "function":
            rules.update(item.text.encode())
        text = item.text + rules.hexdigest() if item.kind == "model" else item.text
        digests[item.name] = hashlib.sha256(text.encode()).hexdigest()
    return digests


def _rebuild_model(connection: psycopg.Connection, model: SchemaObject) -> None:
    name = sql.Identifier(model.relation)
    connection.execute(template("aggregates/drop_model", name=name))
    body = sql.SQL(model.text)
    connection.execute(template("aggregates/create_model", name=name, body=body))
    key = sql.SQL(", ").join(map(sql.Identifier, model.key))
    connection.execute(template("aggregates/add_model_key", name=name, key=key))
    connection.execute(query("aggregates/forget_model"), {"relation": model.relation})


def _record(connection: psycopg.Connection, item: SchemaObject, sha256: str) -> None:
    connection.execute(
        query("schema/record_object"),
        {"name": item.name, "kind": item.kind, "sha256": sha256, "backend": PLAIN},
    )
