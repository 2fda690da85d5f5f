"""Runs what waits in `backtests`, beside the routes: whoever asks by a page or the API gets one.

Dagster's sensor may do the same: each backtest is run by one worker, whoever comes first.
"""

import logging
import threading

import psycopg

from vigil_core.errors import VigilError
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_backtests, open_warehouse

LOOK_SECONDS = 5.0
"""Between looks for what others entered; what was entered here begins at once."""
STOP_SECONDS = 5.0
"""A run is given as long to end; then its row waits for the next worker."""

_log = logging.getLogger("vigil.api")


class BacktestWorker:
    """One thread of an application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        # Not waited for at exit: a run that is cut off changed nothing but its own row.
        self._thread = threading.Thread(target=self._work, name="backtests", daemon=True)

    def start(self) -> None:
        """Look for work from now on."""
        self._thread.start()

    def wake(self) -> None:
        """Something was entered."""
        self._wanted.set()

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()
        self._wanted.set()
        self._thread.join(STOP_SECONDS)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._run_queued()
            except (psycopg.Error, VigilError) as error:
                # The database is away, or was stopped: the pages say so to whoever asks.
                _log.info("backtests wait: %s", error)
            except Exception:
                # Of one backtest, and stored with it as the reason.
                _log.exception("a backtest failed")
            self._wanted.wait(LOOK_SECONDS)
            self._wanted.clear()

    def _run_queued(self) -> None:
        backtests = open_backtests(self._settings)
        waiting = open_warehouse(self._settings).rows("backtests/waiting", {"ids": None})
        for (number,) in waiting:
            if self._stopping.is_set():
                return
            backtests.run_queued([number])
