"""Runs what waits in `backtests`, beside the routes: whoever asks by a page or the API gets one.

In a process of its own, because a run computes for seconds or minutes and pages must not wait for
it. Dagster's sensor may do the same: each backtest is run by one worker, whoever comes first.
"""

import logging
import multiprocessing
import os
import threading
from collections.abc import Mapping

import psycopg

from vigil_core.desk.parameters import Bound
from vigil_core.errors import VigilError
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.desk.backtests import Backtests
from vigil_resources.settings import Settings
from vigil_resources.wiring import database_url, open_backtests

LOOK_SECONDS = 5.0
"""Between looks for what others entered; what was entered here begins at once."""
_STEP_SECONDS = 0.2
_NICENESS = 5

_log = logging.getLogger("vigil.api")


class BacktestWorker:
    """One thread of an application, and a process while there is something to run."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="backtests", daemon=True)

    def start(self) -> None:
        """Look for work from now on."""
        self._thread.start()

    def wake(self) -> None:
        """Something was entered."""
        self._wanted.set()

    def stop(self) -> None:
        """End, and cut off what is being run: its row then waits for the next worker."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                while open_backtests(self._settings).claimable() and self._run_queued():
                    pass
            except (psycopg.Error, VigilError) as error:
                # The database is away, or was stopped: the pages say so to whoever asks.
                _log.info("backtests wait: %s", error)
            except Exception:
                _log.exception("backtests wait")
            self._wanted.wait(LOOK_SECONDS)
            self._wanted.clear()

    def _run_queued(self) -> bool:
        """Whether all went well, and there may be more."""
        # Spawned, not forked: other threads hold locks.
        child = multiprocessing.get_context("spawn").Process(
            target=_run_queued,
            args=(database_url(self._settings), dict(self._settings.bounds)),
            name="vigil backtests",
            daemon=True,
        )
        child.start()
        while child.is_alive():
            if self._stopping.is_set():
                child.terminate()
            child.join(_STEP_SECONDS)
        if child.exitcode and not self._stopping.is_set():
            # Why stands with the backtest, and on the terminal.
            _log.error("a worker for backtests ended with %s", child.exitcode)
        return child.exitcode == 0 and not self._stopping.is_set()


def _run_queued(url: str, bounds: Mapping[str, Bound]) -> None:
    """All of the child."""
    os.nice(_NICENESS)
    Backtests(Warehouse(url), bounds).run_queued()
