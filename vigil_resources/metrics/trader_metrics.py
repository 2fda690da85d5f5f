"""The corrected figures of all traders, and what they were called, a UTC day at a time.

Each day stands on the one before: what a day was made of covers all days before it, so that an old
day that changes leaves all later ones stale. Built again from the same, a day is the same.
"""

from datetime import date
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa

from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.errors import NotLoaded
from vigil_core.metrics.trader_days import VERSION, trader_days
from vigil_resources.database.copies import rows_in, rows_out
from vigil_resources.database.copy_decoder import Kind
from vigil_resources.database.day_tables import fingerprint
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import digest_of, manifest, query, template

METRICS = "trader_metrics"
LABELS = "trader_labels"

_BUILT, _LABELLED = 0, 1
"""What one process does at a time."""

_MONEY = ("px", "sz", "start_position", "closed_pnl", "fee", "builder_fee")
FILL_KINDS = {
    **dict.fromkeys(("time", "block_number", "event_index"), Kind.INT),
    **dict.fromkeys(("user_address", "coin"), Kind.TEXT),
    **dict.fromkeys(_MONEY, Kind.NARROW),
    # A fee in a token that was bought counts at the price: twice as many decimals.
    "fee_usd": Kind.WIDE,
    "flags": Kind.INT,
}
HELD_KINDS = {
    "user_address": Kind.TEXT,
    "coin": Kind.TEXT,
    "position": Kind.POSITION,
    "mark": Kind.NARROW,
}


class TraderMetrics:
    """Builds the days of `held_positions` and `trader_totals`, which `trader_metrics` reads."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def is_current(self, day: date) -> bool:
        """Whether the day was built of the fills, the rules and the day before, as they are now."""
        at = {"day": day_start_ms(day)}
        with self._warehouse.connect(read_only=True) as connection:
            inputs = _row(connection, "metrics/inputs", at)
            built = _row(connection, "metrics/built_from", at)
        return inputs is not None and built == (_metrics_of(inputs),)

    def build(self, day: date) -> int:
        """Rebuild the day; gives the traders that did something or held a position.

        Raises:
            NotLoaded: Its fills are not in the warehouse, or `trader_daily` or `round_trips` are
                of older ones.
        """
        at: dict[str, Any] = {"day": day_start_ms(day)}
        with self._warehouse.connect() as connection, connection.transaction():
            connection.execute(query("metrics/lock"), {"part": _BUILT})
            inputs = _row(connection, "metrics/inputs", at)
            if inputs is None:
                raise NotLoaded(METRICS, str(day))
            at["complete"] = inputs[1]
            connection.execute(query("schema/without_loops"))
            connection.execute(query("schema/more_memory"))
            connection.execute(query("metrics/keep_before"), at)
            connection.execute(query("metrics/delete_held"), at)
            connection.execute(query("metrics/delete_totals"), at)
            walk_over(connection, at["day"])
            count = connection.execute(query("metrics/add_totals"), at).rowcount
            connection.execute(query("metrics/add_known"), at)
            state = {
                "built_from": _metrics_of(inputs),
                "row_count": count,
                "stands_on": inputs[3],
            }
            connection.execute(query("metrics/save_state"), at | state)
            connection.execute(query("metrics/save_trials"), at)
            _keep_versions(connection, at)
        return count


class TraderLabels:
    """Builds `trader_labels`: what every rule set says when a day has ended."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def is_current(self, day: date) -> bool:
        """Whether the labels of the day's end were decided by the figures and rules of now."""
        at = {"day": day_start_ms(day)}
        with self._warehouse.connect(read_only=True) as connection:
            inputs = _row(connection, "labels/inputs", at)
            built = _row(connection, "labels/built_from", at)
        return inputs is not None and built == (_labels_of(inputs),)

    def build(self, day: date) -> int:
        """Decide the labels that hold from the day's end on; gives those that changed.

        What was decided at later days is forgotten: those days are stale then.

        Raises:
            NotLoaded: The day's figures are not built.
        """
        at = {"day": day_start_ms(day), "at": day_start_ms(day) + DAY_MS}
        with self._warehouse.connect() as connection, connection.transaction():
            connection.execute(query("metrics/lock"), {"part": _LABELLED})
            inputs = _row(connection, "labels/inputs", at)
            if inputs is None:
                raise NotLoaded(LABELS, str(day))
            connection.execute(query("schema/without_loops"))
            connection.execute(query("schema/without_merges"))
            connection.execute(query("schema/more_memory"))
            connection.execute(query("labels/forget_state_from"), at)
            connection.execute(query("labels/forget_evaluations_from"), at)
            connection.execute(query("labels/forget_labels_from"), at)
            connection.execute(query("labels/evaluate"), at)
            connection.execute(query("labels/close_evaluations"), at)
            connection.execute(query("labels/add_evaluations"), at)
            connection.execute(query("labels/close_labels"), at)
            count = connection.execute(query("labels/add_labels"), at).rowcount
            state = {"built_from": _labels_of(inputs), "row_count": count}
            connection.execute(query("labels/save_state"), at | state)
        return count

    def by_type(self, day: date) -> dict[str, dict[str, int]]:
        """Traders by rule set and class, at the day's end."""
        found: dict[str, dict[str, int]] = {}
        asked = {"at": day_start_ms(day) + DAY_MS}
        for rule_set, trader_type, count in self._warehouse.rows("labels/count_by_type", asked):
            found.setdefault(rule_set, {})[trader_type] = count
        return found


def _keep_versions(connection: psycopg.Connection, at: dict[str, Any]) -> None:
    """From when until when each version was the last word; last of all, so near to the commit."""
    (at["known_from"],) = _row(connection, "metrics/moment", {}) or (None,)
    connection.execute(query("metrics/keep_restated"), at)
    connection.execute(query("metrics/forget_known_from"), at)
    connection.execute(query("metrics/add_known_from"), at)
    connection.execute(query("metrics/close_state_version"), at)
    connection.execute(query("metrics/add_state_version"), at)


def walk_over(connection: psycopg.Connection, day: int) -> None:
    """Write `held_positions`, and `day_results` for the rest of the transaction."""
    connection.execute(query("schema/in_order"))
    fills = rows_out(connection, template("metrics/fills_of_day", day=day), FILL_KINDS)
    held = rows_out(connection, template("metrics/held_before", day=day), HELD_KINDS)
    found = trader_days(fills, held, day)
    connection.execute(query("metrics/create_results"))
    rows_in(connection, "day_results", found.results)
    at = pa.array(np.full(found.held.num_rows, day, np.int64))
    rows_in(connection, "held_positions", found.held.append_column("day", at))


def _row(
    connection: psycopg.Connection, statement: str, values: dict[str, Any]
) -> tuple[Any, ...] | None:
    return connection.execute(query(statement), values).fetchone()


def _metrics_of(inputs: tuple[Any, ...]) -> str:
    statements = ("metrics/fills_of_day", "metrics/add_totals", "metrics/save_trials")
    return fingerprint(inputs, VERSION, digest_of(*statements), _rules())


def _labels_of(inputs: tuple[Any, ...]) -> str:
    return fingerprint(inputs, digest_of("labels/evaluate"), _rules())


def _rules() -> list[str]:
    """Thresholds, which stand in tables."""
    return [item.sha256 for item in manifest() if item.kind == "rows"]
