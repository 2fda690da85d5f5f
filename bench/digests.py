"""What an installation holds: SHA-256 of every table, its rows in order, and of every lake file.

Two installations that saw the same objects hold the same, whatever happened to one of them on the
way. Left out is only what says when, how often, how fast or by which run something was written.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import psycopg
from psycopg import sql

LOADED = ("loaded_at", "updated_at", "generation", "revision", "built_from")
"""Columns that say when, how often and of which builds a row was loaded."""

WRITTEN = (
    *LOADED,
    *("applied_at", "built_at", "computed_at", "created_at", "observed_at"),
    *("known_from", "known_until", "elapsed_seconds"),
)
"""Those, and when and how fast its figures were made."""

RUNS = frozenset({"pipeline_runs", "pipeline_assets", "schema_objects"})
"""Tables about what ran."""

TESTS = frozenset({"persistence_test", "persistence_rolls"})
"""Tables of tests made as of the last day of a run: who cuts days into other runs tests others."""

ALL_ROWS = sql.SQL("true")
WITHOUT_TESTS = sql.SQL("coalesce(to_jsonb(t) ->> 'relation', '') NOT LIKE 'persistence%'")
"""Likewise of what tables are made of."""

_TABLES = """
SELECT n.nspname, c.relname, c.relispartition
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname IN ('public', 'fill_days')
ORDER BY 1, 2
"""


def tables(
    connection: psycopg.Connection,
    *,
    columns_out: Iterable[str],
    tables_out: Collection[str] = (),
    which: sql.Composable = ALL_ROWS,
) -> dict[str, str]:
    """Digest of every table; of a partition of one, that it is there.

    Args:
        connection: To the warehouse.
        columns_out: Left out of all tables.
        tables_out: Left out themselves.
        which: Condition on a row `t`.
    """
    found = {}
    row = sql.SQL("(to_jsonb(t) - {}::text[])::text").format(sql.Literal(list(columns_out)))
    for schema, name, is_partition in connection.execute(_TABLES).fetchall():
        if name not in tables_out:
            table = sql.Identifier(schema, name)
            there = "partition" if is_partition else _of(connection, table, row, which)
            found[name if schema == "public" else f"{schema}.{name}"] = there
    return found


def _of(
    connection: psycopg.Connection,
    table: sql.Identifier,
    row: sql.Composable,
    which: sql.Composable,
) -> str:
    statement = sql.SQL(
        'COPY (SELECT {row} FROM {table} AS t WHERE {which} ORDER BY {row} COLLATE "C") TO STDOUT'
    ).format(row=row, table=table, which=which)
    digest = hashlib.sha256()
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for block in copy:
            digest.update(block)
    return digest.hexdigest()


def files(lake: Path) -> dict[str, str]:
    """Of every file below the lake's root, those that no listing shows too."""
    return {
        str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(lake.rglob("*"))
        if path.is_file()
    }


def differences(found: Mapping[str, str], expected: Mapping[str, str]) -> tuple[str, ...]:
    """What is not equal, and how."""
    return tuple(
        f"{name}: {'gone' if name not in found else 'extra' if name not in expected else 'other'}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    )
