"""What the health page says beside what the browser's tests look at."""

import re
import time
from collections.abc import Iterator
from datetime import date

import pytest

from tests.api.conftest import Api, serving
from tests.conftest import Installation
from vigil_api.pages.health import CalendarDay, calendar, hour_ranges
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_resources.health.pipeline_runs import PipelineRun, PipelineRuns
from vigil_sandbox.world import TINY


@pytest.fixture
def runs(loaded: Installation) -> Iterator[Installation]:
    """A run that failed over the first day, and one under way."""
    now = time.time_ns() // 1_000_000
    common = {"job": "backfill", "created_at": now - 9_000, "started_at": now - 8_000}
    failed = PipelineRun(
        run_id="failed-0000",
        status="FAILURE",
        assets=["coin_daily"],
        first_partition=str(TINY.first_day),
        last_partition=str(TINY.first_day),
        ended_at=now - 1_000,
        failed_steps=["coin_daily"],
        error="OperationalError",
        updated_at=1,
        **common,
    )
    under_way = PipelineRun(run_id="started-0000", status="STARTED", updated_at=2, **common)
    PipelineRuns(loaded.warehouse).record([failed, under_way], [])
    yield loaded
    with loaded.warehouse.connect() as connection:
        connection.execute("DELETE FROM pipeline_runs")


def test_a_failed_run_shows_until_another_makes_up_for_it(runs: Installation) -> None:
    def reasons() -> list[list[str]]:
        rows = runs.records("SELECT reasons FROM data_health ORDER BY day")
        return [row["reasons"] for row in rows]

    assert ["run_failed" in found for found in reasons()] == [True, False]
    with serving(runs, dagster_url="http://127.0.0.1:9") as here:
        text = here("GET", "/health").content.decode()
    assert re.search(r"/runs/failed-0000.*7.s.*coin_daily</span> <small>OperationalError", text)
    assert "/runs/started-0000" in text
    assert "1 under way" in text
    now = time.time_ns() // 1_000_000
    made_up = PipelineRun(
        run_id="good-0000",
        job="backfill",
        status="SUCCESS",
        assets=["coin_daily", "fills"],
        first_partition=str(TINY.first_day),
        last_partition="2025-09-30",
        created_at=now,
        ended_at=now,
        updated_at=3,
    )
    PipelineRuns(runs.warehouse).record([made_up], [])
    assert ["run_failed" in found for found in reasons()] == [False, False]


def test_what_is_stale_has_a_name(loaded: Installation) -> None:
    with loaded.warehouse.connect() as connection:
        connection.execute(
            "UPDATE aggregate_state SET generation = generation - 1 WHERE relation = 'coin_daily'"
        )
    rows = loaded.records("SELECT stale_relations, reasons FROM data_health")
    with loaded.warehouse.connect() as connection:
        connection.execute(
            "UPDATE aggregate_state SET generation = generation + 1 WHERE relation = 'coin_daily'"
        )
    assert [row["stale_relations"] for row in rows] == [["coin_daily"]] * TINY.day_count
    assert all("stale" in row["reasons"] for row in rows)


def test_api_and_view_say_the_same(loaded: Installation) -> None:
    with serving(loaded) as here:
        found = Api(here.url, loaded).get("/api/health/data").body["items"]
    rows = loaded.records("SELECT day, reasons, loaded_lag_s FROM data_health ORDER BY day DESC")
    assert [(one["day"], one["reasons"], one["loaded_lag_s"]) for one in found] == [
        (row["day"], row["reasons"], row["loaded_lag_s"]) for row in rows
    ]


class _Days:
    """Hours by day, as the explorer gives them."""

    def __init__(self, *days: tuple[date, int]) -> None:
        self._days = days

    def hours_by_day(self, start: int) -> list[dict[str, object]]:
        return [
            {"day": day_start_ms(day), "hours_present": hours, "is_final": hours == 24}
            for day, hours in self._days
            if day_start_ms(day) >= start
        ]


def test_a_calendar_has_whole_weeks_and_the_gaps() -> None:
    # A Wednesday, and the Monday after the next.
    reads = _Days((date(2025, 9, 3), 24), (date(2025, 9, 15), 6))
    weeks = calendar(reads, day_start_ms(date(2025, 9, 16)))  # type: ignore[arg-type]
    assert [len(week) for week in weeks] == [7, 7, 7]
    assert weeks[0][:3] == [None, None, CalendarDay(date(2025, 9, 3), 24, is_final=True)]
    assert weeks[1][0] == CalendarDay(date(2025, 9, 8), None, is_final=False)
    assert weeks[2][0] == CalendarDay(date(2025, 9, 15), 6, is_final=False)
    assert weeks[2][1:] == [None] * 6
    levels = [one.level for one in (weeks[0][2], weeks[1][0], weeks[2][0]) if one]
    assert levels == [4, 0, 1]
    long_ago = day_start_ms(date(2025, 9, 16)) + 400 * DAY_MS
    assert hour_ranges([]) == ""
    assert hour_ranges([0, 1, 2, 5, 22, 23]) == "0–2, 5, 22–23"
    assert calendar(_Days((date(2026, 10, 1), 1)), long_ago)  # type: ignore[arg-type]
