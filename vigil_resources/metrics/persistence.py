"""The persistence test over the warehouse's trader-days, as of the end of a UTC day."""

import time
from dataclasses import asdict
from datetime import date

import polars as pl
from psycopg import sql

from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.metrics.persistence import (
    DAILY,
    DEFAULT,
    LABELLED,
    RULE_SETS,
    VARIANTS,
    Persistence,
    PersistenceParameters,
    persistence,
    rolls_of,
)
from vigil_resources.database.day_tables import DayTables, fingerprint

RELATION, ROLLS_RELATION = "persistence_test", "persistence_rolls"

_FORMULAS = 2
"""Raise when a formula changes in a way that the parameters do not show."""

_DAYS = {"day": pl.Int64(), "present": pl.Float64(), "is_simulated": pl.Boolean()}


class PersistenceTests:
    """Builds the days of `persistence_test` and `persistence_rolls`.

    Args:
        tables: Where trader-days are read and figures go.
        parameters: Windows and limits.
    """

    def __init__(self, tables: DayTables, parameters: PersistenceParameters = DEFAULT) -> None:
        self._tables = tables
        self._parameters = parameters

    def is_current(self, day: date) -> bool:
        """Whether the test as of the day's end was made of what is there now."""
        return self._tables.built_from(RELATION, day) == self._fingerprint(day)

    def build(self, day: date) -> Persistence:
        """Test all that is known before the day's end; too few days give rows that say so."""
        began, built_from = time.monotonic(), self._fingerprint(day)
        before = day_start_ms(day) + DAY_MS
        days = self._tables.read("persistence/days", _DAYS, before=before)
        present = dict(zip(days["day"], days["present"], strict=True))
        made = persistence(
            self._tables.read(
                "persistence/daily",
                DAILY,
                before=before,
                min_days=self._parameters.min_active_days,
            ),
            present,
            self._labelled(present),
            self._parameters,
        )
        marks = [
            pl.lit(before).alias("as_of"),
            pl.lit(bool(days["is_simulated"].any())).alias("is_simulated"),
        ]
        frames = {
            RELATION: made.summary.with_columns(marks),
            ROLLS_RELATION: made.rolls.with_columns(marks),
        }
        details = {"days": days.height, **asdict(self._parameters)}
        self._tables.replace_day(day, frames, built_from, began, details)
        return made

    def _labelled(self, present: dict[int, float]) -> pl.DataFrame:
        """Who was smart money at each formation's end, where labels of it are built."""
        ends = [roll.formation_end for roll in rolls_of(present, self._parameters)]
        asked = {"ends": sql.Literal(ends), "rule_sets": sql.Literal(list(RULE_SETS))}
        return self._tables.read("persistence/labelled", LABELLED, **asked)

    def _fingerprint(self, day: date) -> str:
        before = day_start_ms(day) + DAY_MS
        inputs = self._tables.read("persistence/inputs", {"digest": pl.String()}, before=before)
        names = [variant.name for variant in VARIANTS]
        return fingerprint(inputs.item(), self._parameters, names, _FORMULAS)
