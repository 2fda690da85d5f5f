"""Install or upgrade the schema: migrations once, everything else when its text changes."""

import hashlib
import logging

import psycopg
from psycopg import sql

from vigil_core.desk.parameters import BOUNDS, Bounds
from vigil_core.errors import BackendChanged, MigrationChanged
from vigil_resources.database import roles
from vigil_resources.database.backends import Backend, offered
from vigil_resources.statements import SchemaObject, manifest, migrations, query, template

_log = logging.getLogger("vigil.schema")

_INSTALL_LOCK = 0x7669_6769_6C00  # "vigil"


def install(connection: psycopg.Connection, bounds: Bounds = BOUNDS) -> list[str]:
    """Bring a database to the present schema, and give the names of what was applied.

    May be called at any time and by several processes at once: they take turns, and the
    second finds nothing to do. One transaction: a reader sees the old schema or the new. The
    first installation decides the backend, by what the database offers then. Bounds of traders'
    settings become CHECK constraints; rows that are outside stay an error.

    Raises:
        MigrationChanged: The text of an applied migration is no longer the same.
        BackendChanged: The database no longer offers the backend it was installed for, or
            holds another by now.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_INSTALL_LOCK])
        connection.execute(query("schema/create_schema_objects"))
        rows = connection.execute("SELECT name, sha256, backend FROM schema_objects").fetchall()
        installed = {name: sha for name, sha, _ in rows}
        backend = offered(connection, may_create=not rows)
        for recorded in {recorded for _, _, recorded in rows} - {backend}:
            raise BackendChanged(recorded, backend)
        applied = _Installation(connection, backend, installed, bounds).apply()
        # Every time: what was rebuilt has lost what was granted on it.
        if not roles.install(connection):
            _log.warning("%s %s", roles.NO_ROLES, " and no ".join(roles.Role))
        return applied


class _Installation:
    """One transaction's work."""

    def __init__(
        self,
        connection: psycopg.Connection,
        backend: Backend,
        installed: dict[str, str],
        bounds: Bounds,
    ) -> None:
        self._connection = connection
        self._backend = backend
        self._installed = installed
        """Digests by name, of what was there when it began."""
        self._bounds = bounds
        self._migrations = migrations(backend)

    def apply(self) -> list[str]:
        """Give the names of what was applied."""
        applied = [self._migrate(m) for m in self._migrations if self._is_new(m)]
        return applied + self._apply_manifest() + self._apply_bounds()

    def _is_new(self, migration: SchemaObject) -> bool:
        if migration.name not in self._installed:
            return True
        if self._installed[migration.name] != migration.sha256:
            raise MigrationChanged(migration.name)
        return False

    def _migrate(self, migration: SchemaObject) -> str:
        self._connection.execute(migration.text)
        self._record(migration, migration.sha256)
        return migration.name

    def _apply_manifest(self) -> list[str]:
        objects = manifest()
        digests = _digests(objects)
        changed = [o for o in objects if self._installed.get(o.name) != digests[o.name]]
        names = {o.name for o in [*objects, *self._migrations]} | {
            f"bounds/{column}" for column in self._bounds
        }
        gone = self._installed.keys() - names
        if not changed and not gone:
            return []
        # Views and reading functions go first and come back last: nothing they read can then
        # keep an old shape alive, and a rebuilt table cannot take them with it unnoticed.
        for view in reversed([name for name in self._installed if name.startswith("views/")]):
            drop = sql.SQL("DROP VIEW IF EXISTS {} CASCADE")
            self._connection.execute(drop.format(sql.Identifier(view.rsplit("/", 1)[1])))
        for name in gone:
            self._connection.execute("DELETE FROM schema_objects WHERE name = %s", [name])
        self._connection.execute("SET LOCAL search_path TO public, compat")
        for item in objects:
            if item.kind == "model" and item in changed:
                self._rebuild_model(item)
            elif item.kind == "function" and item in changed:
                self._replace_function(item)
            elif item.kind == "view" or (item.kind != "model" and item in changed):
                self._connection.execute(item.text)
            if item in changed:
                self._record(item, digests[item.name])
        return [item.name for item in changed]

    def _replace_function(self, function: SchemaObject) -> None:
        try:
            with self._connection.transaction():
                self._connection.execute(function.text)
        except psycopg.errors.InvalidFunctionDefinition:
            # It gives other columns than before, which no function may be replaced by.
            name = sql.Identifier(function.relation)
            self._connection.execute(template("schema/drop_function", name=name))
            self._connection.execute(function.text)

    def _apply_bounds(self) -> list[str]:
        applied = []
        for column, bound in self._bounds.items():
            item = SchemaObject(f"bounds/{column}", f"{bound.least} {bound.most}")
            if self._installed.get(item.name) == item.sha256:
                continue
            parts = {
                "name": sql.Identifier(f"traders_{column}_bounds"),
                "column": sql.Identifier(column),
                "least": sql.Literal(bound.least),
                "most": sql.Literal(bound.most),
            }
            self._connection.execute(template("desk/bound_setting", **parts))
            self._record(item, item.sha256)
            applied.append(item.name)
        return applied

    def _rebuild_model(self, model: SchemaObject) -> None:
        parts = {
            "name": sql.Identifier(model.relation),
            "relation": sql.Literal(model.relation),
            "body": sql.SQL(model.text),
            "key": sql.SQL(", ").join(map(sql.Identifier, model.key)),
        }
        for statement in ("drop_model", "create_model", "index_model"):
            self._connection.execute(self._backend.template(statement, **parts))
        self._connection.execute(query("aggregates/forget_model"), {"relation": model.relation})

    def _record(self, item: SchemaObject, sha256: str) -> None:
        self._connection.execute(
            query("schema/record_object"),
            {"name": item.name, "kind": item.kind, "sha256": sha256, "backend": self._backend},
        )


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
