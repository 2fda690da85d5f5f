"""Stored backtests, for readers: on a connection that somebody else opened."""

from typing import Any

import psycopg
from psycopg.rows import class_row

from vigil_core.errors import BacktestMissing
from vigil_resources.desk.backtests import Backtest
from vigil_resources.statements import query


class BacktestReads:
    """The rows of `backtests`, within one transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def get(self, backtest_id: int) -> Backtest:
        """One backtest, with its result where it is done. Raises `BacktestMissing`."""
        with self._connection.cursor(row_factory=class_row(Backtest)) as cursor:
            asked = {"backtest_id": backtest_id}
            found = cursor.execute(query("backtests/get"), asked).fetchone()
        if found is None:
            raise BacktestMissing(backtest_id)
        return found

    def newest(self, *, before: int | None = None, limit: int = 50) -> list[Backtest]:
        """The newest first, of numbers below `before`; without their results."""
        with self._connection.cursor(row_factory=class_row(Backtest)) as cursor:
            asked = {"before": before, "most": limit}
            return cursor.execute(query("backtests/list"), asked).fetchall()
