"""What is to be measured of an installation, read from the warehouse: for `/metrics`.

Times are seconds since the epoch, as Prometheus has them. Nothing here names an address, a coin or
a trader: series would be without number, and a metrics store is no place for whom somebody follows.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from vigil_resources.statements import query

Rows = list[dict[str, Any]]
Connect = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]

RUN_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 7200.0)
"""Bounds of the histogram of runs."""
KEPT_SECONDS = 5.0
"""What was read is given again for so long, whoever asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """The rows of each statement of `sql/queries/observations`, of one moment."""

    loads: Rows
    days: Rows
    rejects: Rows
    holes: Rows
    relations: Rows
    invariants: Rows
    assets: Rows
    runs: Rows
    open_runs: Rows
    outbox: Rows
    live: Rows
    desk: dict[str, Any]
    bytes: int
    seconds: float
    """That it took to read them."""


class Observer:
    """Reads observations, at most once in `KEPT_SECONDS`; callers at the same time share them."""

    def __init__(self, connect: Connect, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._last: tuple[float, Observations] | None = None

    def observe(self) -> Observations:
        """What there is now, or was a moment ago.

        Raises:
            psycopg.Error: The database is away, or has not this schema.
        """
        with self._lock:
            if self._last is None or self._clock() - self._last[0] >= KEPT_SECONDS:
                self._last = None
                self._last = (self._clock(), self._read())
            return self._last[1]

    def _read(self) -> Observations:
        begun = time.monotonic()
        with self._connect() as connection, connection.cursor(row_factory=dict_row) as cursor:

            def rows(statement: str, values: dict[str, Any] | None = None) -> Rows:
                return cursor.execute(query(statement), values).fetchall()

            [desk] = rows("observations/desk")
            [size] = rows("observations/size")
            return Observations(
                loads=rows("observations/loads"),
                days=rows("observations/days"),
                rejects=rows("observations/rejects"),
                holes=rows("observations/holes"),
                relations=rows("explorer/health_relations"),
                invariants=rows("observations/invariants"),
                assets=rows("observations/assets"),
                runs=rows("observations/runs", {"bounds": list(RUN_SECONDS)}),
                open_runs=rows("observations/open_runs"),
                outbox=rows("observations/outbox"),
                live=rows("observations/live"),
                desk=desk,
                bytes=size["bytes"],
                seconds=time.monotonic() - begun,
            )
