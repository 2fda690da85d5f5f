"""The engines that `bench.warehouse` compares, their databases, and what a piece of work costs."""

import os
import secrets
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

from bench.ingest import clock
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_resources.database import round_trips
from vigil_resources.database.backends import Backend
from vigil_resources.database.embedded_postgres import EmbeddedPostgres
from vigil_resources.database.warehouse import DERIVED, Warehouse
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.statements import models

AGGREGATES = tuple(models())
ROUND_TRIPS = round_trips.RELATION


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of wall time, and of CPU here and in the server; the latter NaN where unknown."""

    wall: float
    cpu: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.wall + other.wall, self.cpu + other.cpu)


NOTHING = Cost(0, 0)


def total(costs: list[Cost]) -> Cost:
    """The sum."""
    return sum(costs, NOTHING)


def middle(costs: list[Cost]) -> Cost:
    """Medians, of wall and of CPU."""
    return Cost(
        statistics.median(cost.wall for cost in costs), statistics.median(c.cpu for c in costs)
    )


@dataclass
class Engine:
    """One server with the databases of this run, and what its main database holds."""

    name: str
    pid: int | None
    """Of the server's first process; None where it is out of sight."""
    open_database: Callable[[str], Warehouse]
    loads: dict[date, Cost] = field(default_factory=dict)
    builds: dict[tuple[str, date], Cost] = field(default_factory=dict)
    rows: dict[date, int] = field(default_factory=dict)
    _warehouses: dict[str, Warehouse] = field(default_factory=dict)

    @property
    def warehouse(self) -> Warehouse:
        """The main database: all days with all indexes."""
        return self.database("main")

    def database(self, name: str) -> Warehouse:
        """A database of this run, made and installed when first asked for."""
        if name not in self._warehouses:
            warehouse = self.open_database(name)
            warehouse.install()
            assert warehouse.backend == self.name, warehouse.backend
            self._warehouses[name] = warehouse
        return self._warehouses[name]

    def cost(self, work: Callable[[], Any]) -> Cost:
        """Do the work, and give what it took."""
        into: list[tuple[float, float]] = []
        with clock(self.pid or os.getpid(), into):
            work()
        return Cost(into[0][0], into[0][1] if self.pid else float("nan"))

    def load(self, lake: Lake, days: list[DayOfLake]) -> None:
        """Have the main database hold the days; those already there are left alone."""
        for content in days:
            if content.day not in self.loads:
                self.loads[content.day] = self.cost(partial(load, self.warehouse, lake, content))
                self.rows[content.day] = content.rows

    def build(self, days: list[DayOfLake]) -> None:
        """Have it hold what is derived from them too."""
        for content in days:
            for relation in DERIVED:
                key = (relation, content.day)
                if key not in self.builds:
                    self.builds[key] = self.cost(partial(self.warehouse.build_day, *key))

    def built(self, *relations: str) -> Cost:
        """What the first builds of all days took together."""
        return total([cost for (name, _), cost in self.builds.items() if name in relations])

    def loaded(self) -> Cost:
        """What the first loads of all days took together."""
        return total(list(self.loads.values()))


def load(warehouse: Warehouse, lake: Lake, content: DayOfLake) -> None:
    """The product's load of one day."""
    warehouse.load_day(lake, content, source="bench", missing_hours=[])


def forget(warehouse: Warehouse, day: date) -> None:
    """Remove a day as if it had never been loaded."""
    start = day_start_ms(day)
    name = Identifier("fill_days", f"d{day:%Y%m%d}")
    bounds = {"start": start, "end": start + DAY_MS}
    with warehouse.connect() as connection:
        connection.execute(warehouse.backend.template("remove_day", day=name, **bounds))
        connection.execute("TRUNCATE day_state CASCADE")


def to_columns(warehouse: Warehouse) -> None:
    """Turn all days of a hypertable into columns now; its policy waits a week."""
    with warehouse.connect(autocommit=True) as connection:
        chunks = connection.execute("SELECT show_chunks('fills')::text").fetchall()
        for (chunk,) in chunks:
            connection.execute(
                "CALL convert_to_columnstore(%s::regclass, if_not_columnstore => true)", [chunk]
            )


@contextmanager
def engines(
    folder: Path, timescale: str | None, plain: str | None = None
) -> Iterator[list[Engine]]:
    """The embedded server, or the plain one with this address, and the other one if there is one.

    Databases go in the end.
    """
    with ExitStack() as stack:
        if plain is None:
            server = stack.enter_context(EmbeddedPostgres(folder).session())

            def opened_plain(name: str) -> Warehouse:
                server.ensure_database(name)
                return Warehouse(server.url(name))

            plain = server.url("postgres")
        else:
            opened_plain = stack.enter_context(_databases_of(plain))
        found = [Engine("plain", _server_pid(plain), opened_plain)]
        if timescale:
            opened = stack.enter_context(_databases_of(timescale))
            found.append(Engine("timescale", _server_pid(timescale), opened))
        for engine in found:
            assert engine.warehouse.backend is Backend(engine.name)
        yield found


@contextmanager
def _databases_of(address: str) -> Iterator[Callable[[str], Warehouse]]:
    prefix, names = f"vigil_bench_{secrets.token_hex(4)}_", []

    def opened(name: str) -> Warehouse:
        names.append(prefix + name)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(prefix + name)))
        return Warehouse(urlsplit(address)._replace(path=f"/{prefix}{name}").geturl())

    try:
        yield opened
    finally:
        with psycopg.connect(address, autocommit=True) as connection:
            for name in names:
                drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                connection.execute(drop.format(Identifier(name)))


def _server_pid(address: str) -> int | None:
    """The parent of a backend, if that runs where this does."""
    with psycopg.connect(address) as connection:
        backend = connection.info.backend_pid
        try:
            command = Path(f"/proc/{backend}/cmdline").read_text()
            parent = Path(f"/proc/{backend}/stat").read_text().rsplit(")", 1)[1].split()[1]
        except OSError:
            return None
    return int(parent) if "postgres" in command else None
