"""A month of simulated fills with its undisturbed load, and databases for loads that are disturbed.

All share one server, which lies idle between them; an attack on a server has one of its own.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import lz4.frame
import psycopg
from psycopg import sql

from bench import digests
from chaos.installation import Installation
from chaos.loading import load
from vigil_core.calendar import days_between
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.database.warehouse import Warehouse
from vigil_sandbox.node_writer import compressed
from vigil_sandbox.world import TINY, write_world

FULL = 30
_EMPTY = "empty"

BROKEN_LINES = (b'{"local_time":"2025-', b"\xff\xfe not JSON", b'{"events":[]}', b"null")
"""Lines that are none of the format: cut off, not UTF-8, without its fields, of the wrong shape."""


WHEN = (
    *digests.LOADED,
    *("applied_at", "built_at", "known_from", "known_until", "elapsed_seconds"),
)
"""Columns in which two loads of the same may differ."""


def _tables(here: Installation, columns_out: Iterable[str] = WHEN) -> dict[str, str]:
    with here.warehouse.connect(read_only=True) as connection:
        return digests.tables(connection, columns_out=columns_out)


@dataclass(frozen=True)
class Loads:
    """What every table and lake object of a load is, by name: its digest."""

    tables: dict[str, str]
    files: dict[str, str]

    @classmethod
    def of(cls, here: Installation) -> "Loads":
        """As it is now."""
        return cls(_tables(here), digests.files(Path(here.settings.lake)))

    @classmethod
    def whatever_the_etags(cls, here: Installation) -> "Loads":
        """The same without what names the copies that the objects came as."""
        found = digests.files(Path(here.settings.lake))
        kept = {k: v for k, v in found.items() if not k.startswith(("ledger/", "manifests/"))}
        return cls(_tables(here, (*WHEN, "etag")), kept)

    def differences(self, expected: "Loads") -> tuple[str, ...]:
        """What is not equal, and how."""
        return digests.differences(self.tables, expected.tables) + digests.differences(
            self.files, expected.files
        )


@dataclass(frozen=True)
class Month:
    """Days of raw objects, and what loading them in order without any disturbance gives."""

    folder: Path
    days: tuple[date, ...]
    server: EmbeddedPostgres
    expected: Loads
    expected_of_copies: Loads
    """The same, of raw objects that are copies of these."""
    rows: int
    broken_lines: int

    @property
    def raw(self) -> Path:
        """Root of the raw objects. Whoever changes some links them to a root of its own."""
        return self.folder / "raw"

    def objects(self) -> list[Path]:
        """Every raw object, in the order of time; paths below the root."""
        found = self.raw.glob("node_fills_by_block/hourly/*/*.lz4")
        ordered = sorted(found, key=lambda path: (path.parent.name, int(path.stem)))
        return [path.relative_to(self.raw) for path in ordered]

    def installation(self, folder: Path, raw: Path | None = None) -> Installation:
        """A new one that holds nothing, its database beside the others."""
        # A name of its own even where two attacks have folders of one name.
        name = f"attack_{os.getpid()}_{abs(hash(folder)) % 10**12}"
        return _installation(self.server, folder, raw or self.raw, name)


def linked(month: Month, root: Path, chosen: Sequence[Path] | None = None) -> Path:
    """Bring raw objects to a root: the same files by another name, so with the same ETags."""
    for path in month.objects() if chosen is None else chosen:
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        os.link(month.raw / path, target)
    root.mkdir(parents=True, exist_ok=True)
    if not (root / "sandbox.json").exists():
        os.link(month.raw / "sandbox.json", root / "sandbox.json")
    return root


@cache
def month_of(day_count: int) -> Callable[[Path], AbstractContextManager[Month]]:
    """What `Shared.get` makes a month of so many days with; the same call, the same month."""

    @contextmanager
    def make(folder: Path) -> Iterator[Month]:
        # The server runs as another user where we are root.
        folder.chmod(0o755)
        spec = replace(TINY, seed=901, day_count=max(2, day_count), crowd_orders_per_day=40)
        world = write_world(spec, folder / "raw")
        broken = _break_lines(folder / "raw")
        days = tuple(days_between(spec.first_day, spec.first_day + timedelta(days=day_count - 1)))
        with EmbeddedPostgres(folder / "server").session() as server:
            server.ensure_database(_EMPTY)
            Warehouse(server.url(_EMPTY)).install()
            here = _installation(server, folder / "undisturbed", folder / "raw", "undisturbed")
            load(here.settings, days)
            expected, of_copies = Loads.of(here), Loads.whatever_the_etags(here)
            yield Month(folder, days, server, expected, of_copies, world.fill_count, broken)

    return make


def _installation(server: EmbeddedPostgres, folder: Path, raw: Path, name: str) -> Installation:
    folder.mkdir(parents=True, exist_ok=True)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(copy.format(sql.Identifier(name), sql.Identifier(_EMPTY)))
    given = {"VIGIL_NODE_DATA": str(raw), "DATABASE_URL": server.url(name)}
    return Installation(folder, given)


def _break_lines(raw: Path) -> int:
    """Put a line that is none among those of every seventh object; gives their number."""
    paths = sorted(raw.glob("node_fills_by_block/hourly/*/*.lz4"))[::7]
    for number, path in enumerate(paths):
        lines = lz4.frame.decompress(path.read_bytes()).splitlines(keepends=True)
        lines.insert(len(lines) // 2, BROKEN_LINES[number % len(BROKEN_LINES)] + b"\n")
        path.write_bytes(compressed(b"".join(lines)))
    return len(paths)
