"""What `/metrics` says: figures of the warehouse, of the requests answered, and of this process.

Names are Prometheus': base units, `_total` for what only grows, moments as `_timestamp_seconds`, so
that an age is `time() - …` of whoever asks. Labels are sources, relations, jobs and routes; never
an address, a key or a path as it was asked for.
"""

import logging
from collections.abc import Iterator
from typing import Any

import psycopg
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from vigil_core.errors import VigilError
from vigil_resources.health.observations import RUN_SECONDS, Observations, Observer, Rows

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
NO_ROUTE = "none"
"""Of requests that no route took: paths of others' making are no labels."""
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}

_log = logging.getLogger("vigil.api")

# A series more for each, of the moment it was first counted.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The registry of one application."""

    def __init__(self, observer: Observer) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vigil_http_requests",
            "Requests answered",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "vigil_http_request_duration_seconds",
            "From the first byte of a request to the last one of its answer",
            ["method", "route"],
            buckets=REQUEST_SECONDS,
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Warehouse(observer))

    def answered(self, method: str, route: str | None, status: int | None, seconds: float) -> None:
        """Count a request. No status: whoever asked went away before the answer."""
        method = method if method in _METHODS else "other"
        route = route or NO_ROUTE
        self._requests.labels(method, route, str(status or 499)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format, with the media type `MEDIA_TYPE`."""
        return generate_latest(self._registry)


class _Warehouse(Collector):
    """Asked at each scrape; what it says is as old as the observer lets it be."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def describe(self) -> list[Metric]:
        # Otherwise the registry would ask the warehouse when the application is made.
        return []

    def collect(self) -> Iterator[Metric]:
        try:
            seen = self._observer.observe()
        except (psycopg.Error, VigilError) as error:
            # A scrape must not fail with the database: that it is away is what it has to say.
            _log.warning("metrics without the database: %s", error)
            yield _gauge("vigil_warehouse_up", "Whether the warehouse answered", 0)
            return
        yield _gauge("vigil_warehouse_up", "Whether the warehouse answered", 1)
        yield _gauge(
            "vigil_observation_seconds", "What it took to read the figures below", seen.seconds
        )
        yield _gauge("vigil_database_bytes", "Size of the database on disk", seen.bytes)
        yield from _of_loads(seen)
        yield from _of_relations(seen)
        yield from _of_runs(seen)
        yield from _of_the_live_tail(seen)
        yield from _of_the_desk(seen)


def _of_loads(seen: Observations) -> Iterator[Metric]:
    by_source = {
        "loaded_rows": (seen.loads, "rows_loaded", "Fills in the warehouse, by source and format"),
        "rejected_rows": (
            seen.loads,
            "rows_rejected",
            "Lines of loaded objects that were not taken",
        ),
        "loaded_objects": (seen.loads, "objects", "Objects some of whose rows are loaded"),
        "last_load_timestamp_seconds": (seen.loads, "loaded_at", "When rows came last"),
        "last_loaded_hour_timestamp_seconds": (
            seen.loads,
            "hour_end",
            "End of the last hour whose object is loaded",
        ),
        "loaded_days": (seen.days, "days", "UTC days loaded"),
        "final_days": (seen.days, "final_days", "UTC days for which nothing is awaited"),
        "repeated_rows": (seen.days, "repeated_count", "Fills delivered again, kept once"),
        "missing_hours": (seen.days, "missing_hours", "Hours of loaded days without an object"),
        "last_day_timestamp_seconds": (seen.days, "data_end", "End of the last day loaded"),
        "last_final_day_timestamp_seconds": (
            seen.days,
            "final_end",
            "End of the last day for which nothing is awaited",
        ),
        "block_gaps": (seen.holes, "holes", "Holes in the numbers of blocks"),
        "missing_blocks": (seen.holes, "blocks", "Blocks that these holes lack"),
    }
    for name, (rows, column, said) in by_source.items():
        yield _labelled(f"vigil_{name}", said, rows, ("source",), column)
    yield _labelled(
        "vigil_quarantined_lines",
        "Lines that were not taken, by reason",
        seen.rejects,
        ("source", "reason"),
        "lines",
    )
    yield _labelled(
        "vigil_invariants",
        "Results of the invariants over all days",
        seen.invariants,
        ("severity", "status"),
        "results",
    )


def _of_relations(seen: Observations) -> Iterator[Metric]:
    rows = [row | {"last_end": row["last_day"] / 1000 + 86400} for row in seen.relations]
    columns = {
        "rows": ("row_count", "Rows of the relation"),
        "days": ("days", "UTC days built"),
        "stale_days": ("stale", "Days built of fills that were replaced since"),
        "missing_days": ("days_missing", "Loaded days that are not built"),
        "last_day_timestamp_seconds": ("last_end", "End of the last day built"),
    }
    for name, (column, said) in columns.items():
        yield _labelled(f"vigil_relation_{name}", said, rows, ("relation",), column)
    yield _labelled(
        "vigil_asset_last_materialization_timestamp_seconds",
        "When the asset was materialized last",
        seen.assets,
        ("asset",),
        "materialized_at",
    )


def _of_runs(seen: Observations) -> Iterator[Metric]:
    runs = CounterMetricFamily("vigil_runs", "Runs that ended", labels=("job", "status"))
    lasted = HistogramMetricFamily(
        "vigil_run_duration_seconds", "How long runs took", labels=("job", "status")
    )
    for row in seen.runs:
        labels = (row["job"], row["status"])
        runs.add_metric(labels, row["runs"])
        bounds = [*map(str, RUN_SECONDS), "+Inf"]
        within = [*row["within"], row["runs"]]
        lasted.add_metric(
            labels, list(zip(bounds, within, strict=True)), sum_value=float(row["seconds"])
        )
    yield runs
    yield lasted
    yield _labelled(
        "vigil_run_last_end_timestamp_seconds",
        "When the last such run ended",
        seen.runs,
        ("job", "status"),
        "ended_at",
    )
    yield _labelled(
        "vigil_open_runs", "Runs that have not ended", seen.open_runs, ("job", "status"), "runs"
    )
    yield _labelled(
        "vigil_open_run_oldest_timestamp_seconds",
        "Since when the oldest of them waits or works",
        seen.open_runs,
        ("job", "status"),
        "since",
    )


def _of_the_live_tail(seen: Observations) -> Iterator[Metric]:
    columns = {
        "streams": ("wanted", "Streams that are wanted"),
        "connected_streams": ("connected", "Of these, the ones that are subscribed to"),
        "last_message_timestamp_seconds": ("heard_at", "When a message came last"),
        "lag_seconds": ("lag", "From the moment of a fill to its row, of the slowest stream"),
        "open_gaps": ("open_gaps", "Times of which nobody has said yet what happened"),
        "lost_gaps": ("lost_gaps", "Times of which only the day's file will tell"),
        "unconfirmed_rows": ("unconfirmed", "Rows that no final day's file has confirmed"),
        "rejected_messages": ("rejected", "Messages that could not be read"),
        "conflicts": ("conflicts", "Rows that came again with another content"),
    }
    for name, (column, said) in columns.items():
        yield _labelled(f"vigil_live_{name}", said, seen.live, ("kind",), column)


def _of_the_desk(seen: Observations) -> Iterator[Metric]:
    columns = {
        "waiting": ("waiting", "Messages that have not arrived"),
        "failing": ("failing", "Of these, the ones that were tried in vain"),
        "oldest_timestamp_seconds": ("since", "Since when the oldest one waits"),
    }
    for name, (column, said) in columns.items():
        yield _labelled(f"vigil_outbox_{name}", said, seen.outbox, ("channel",), column)
    yield _gauge("vigil_open_alerts", "Alerts nobody acknowledged", seen.desk["alerts"])
    yield _gauge("vigil_open_intents", "Intents nobody has taken", seen.desk["intents"])
    yield _gauge("vigil_backtests_queued", "Backtests that wait", seen.desk["backtests_queued"])
    backups = [
        {"kind": kind, "at": seen.desk[f"{kind}_backup"]}
        for kind in ("full", "any")
        if seen.desk[f"{kind}_backup"] is not None
    ]
    yield _labelled(
        "vigil_backup_last_timestamp_seconds",
        "When a backup was finished last: a full one, and any at all",
        backups,
        ("kind",),
        "at",
    )


def _gauge(name: str, said: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, said)
    family.add_metric((), value)
    return family


def _labelled(name: str, said: str, rows: Rows, labels: tuple[str, ...], column: str) -> Metric:
    """A gauge with a series a row; no series where the value is not known."""
    family = GaugeMetricFamily(name, said, labels=labels)
    for row in rows:
        value: Any = row[column]
        if value is not None:
            family.add_metric([str(row[label]) for label in labels], float(value))
    return family
