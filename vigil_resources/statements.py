"""The texts under `sql/`, by name. Nothing else in the project holds SQL."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from psycopg import sql

SQL_ROOT = Path(__file__).resolve().parent.parent / "sql"


@dataclass(frozen=True, slots=True)
class SchemaObject:
    """An entry of `manifest.txt`, or a migration."""

    name: str
    """Path under `sql/` without the suffix."""
    text: str
    key: tuple[str, ...] = ()
    """Primary key of a model's table."""

    @property
    def kind(self) -> str:
        """`migration`, `function`, `model`, `rows` or `view`: the folder."""
        return self.name.split("/")[0].removesuffix("s") if "rows/" not in self.name else "rows"

    @property
    def relation(self) -> str:
        """The name inside the database."""
        return self.name.rsplit("/", 1)[1]

    @property
    def sha256(self) -> str:
        """Digest of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@cache
def query(name: str) -> str:
    """The statement `queries/<name>.sql`."""
    return (SQL_ROOT / "queries" / f"{name}.sql").read_text()


def template(statement: str, /, **parts: sql.Composable | int) -> sql.Composed:
    """A statement whose identifiers or bounds are filled in, where none can be bound."""
    filled = {
        key: part if isinstance(part, sql.Composable) else sql.Literal(part)
        for key, part in parts.items()
    }
    return sql.SQL(query(statement)).format(**filled)


def migrations(backend: str) -> list[SchemaObject]:
    """The common ones and the backend's own, in the order of their numbers."""
    folder = SQL_ROOT / "migrations"
    files = sorted([*folder.glob("*.sql"), *(folder / backend).glob("*.sql")], key=lambda f: f.name)
    return [SchemaObject(f"migrations/{file.stem}", file.read_text()) for file in files]


def manifest() -> list[SchemaObject]:
    """What is installed after the migrations, in order."""
    objects = []
    for line in (SQL_ROOT / "manifest.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, key = line.partition(".sql")
        columns = tuple(column.strip() for column in key.split(",") if column.strip())
        objects.append(SchemaObject(name, (SQL_ROOT / f"{name}.sql").read_text(), columns))
    return objects


def models() -> dict[str, SchemaObject]:
    """The derived relations by name."""
    return {o.relation: o for o in manifest() if o.kind == "model"}


@cache
def digest_of(*statements: str) -> str:
    """Digest of these queries and of the functions that they name, or that those name."""
    functions = {o.relation: o.text for o in manifest() if o.kind == "function"}
    texts = [query(name) for name in statements]
    used: dict[str, str] = {}
    waiting = list(texts)
    while waiting:
        words = set(re.findall(r"\w+", waiting.pop()))
        new = {name: functions[name] for name in words & functions.keys() - used.keys()}
        used |= new
        waiting += new.values()
    texts += [used[name] for name in sorted(used)]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]
