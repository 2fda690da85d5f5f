"""What `/metrics` exports, and what it must not."""

import logging
import re
import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.conftest import Api, serving
from tests.conftest import Installation
from vigil_api.metrics import MEDIA_TYPE
from vigil_resources.api_keys import ApiKeys
from vigil_resources.health.observations import KEPT_SECONDS, Observer
from vigil_resources.health.pipeline_runs import Materialized, PipelineRun, PipelineRuns

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

HOUR = 3_600_000


@pytest.fixture(scope="module")
def api(loaded: Installation) -> Iterator[Api]:
    with serving(loaded) as here:
        yield here


def samples(api: Api) -> Samples:
    answer = api("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == MEDIA_TYPE
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def of(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


def test_figures_are_those_of_the_warehouse(api: Api, loaded: Installation) -> None:
    found = samples(api)
    assert of(found, "vigil_warehouse_up") == 1
    for row in loaded.records("SELECT source, sum(rows_loaded) AS n FROM load_progress GROUP BY 1"):
        assert of(found, "vigil_loaded_rows", source=row["source"]) == row["n"] > 0
    [days] = loaded.records(
        "SELECT source, count(*) AS n, max(day) + 86400000 AS until FROM day_state GROUP BY 1"
    )
    source = days["source"]
    assert of(found, "vigil_loaded_days", source=source) == days["n"]
    assert of(found, "vigil_last_day_timestamp_seconds", source=source) == days["until"] / 1000
    assert of(found, "vigil_missing_hours", source=source) == 0
    [daily] = loaded.records("SELECT count(*) AS n FROM trader_daily")
    assert of(found, "vigil_relation_rows", relation="trader_daily") == daily["n"]
    assert of(found, "vigil_relation_stale_days", relation="trader_daily") == 0
    assert of(found, "process_resident_memory_bytes") > 10_000_000
    assert of(found, "process_open_fds") > 3


def test_the_last_hour_ends_where_its_object_does(api: Api, loaded: Installation) -> None:
    [last] = loaded.records("SELECT source, max(file_id) AS last FROM load_progress GROUP BY 1")
    [end] = loaded.records(
        f"SELECT extract(epoch FROM '{last['last'][:8]} {last['last'][9:]}:00Z'::timestamptz) AS at"
    )
    found = samples(api)
    at = of(found, "vigil_last_loaded_hour_timestamp_seconds", source=last["source"])
    assert at == float(end["at"]) + 3600


def test_a_replaced_day_shows_as_stale(loaded: Installation) -> None:
    with serving(loaded) as here:
        with loaded.warehouse.connect() as connection:
            connection.execute(
                "UPDATE day_state SET generation = nextval('generation')"
                " WHERE day = (SELECT max(day) FROM day_state)"
            )
        assert of(samples(here), "vigil_relation_stale_days", relation="coin_daily") == 1
        with loaded.warehouse.connect() as connection:
            connection.execute(
                "UPDATE aggregate_state AS a SET generation = s.generation"
                " FROM day_state AS s WHERE s.day = a.day"
            )


def test_runs_are_counted_by_how_they_ended(loaded: Installation) -> None:
    def run(number: int, status: str, seconds: float | None) -> PipelineRun:
        ended = None if seconds is None else 1_000 + round(seconds * 1000)
        return PipelineRun(
            run_id=f"run-{number}",
            job="counted",
            status=status,
            created_at=0,
            started_at=1_000,
            ended_at=ended,
            updated_at=number,
        )

    runs = [
        run(1, "SUCCESS", 2),
        run(2, "SUCCESS", 70),
        run(3, "FAILURE", 1),
        run(4, "STARTED", None),
    ]
    asset = Materialized(asset="counted", materialized_at=7_000, partition=None, run_id="run-1")
    PipelineRuns(loaded.warehouse).record(runs, [asset])
    with serving(loaded) as here:
        found = samples(here)
    with loaded.warehouse.connect() as connection:
        connection.execute("DELETE FROM pipeline_runs WHERE job = 'counted'")
        connection.execute("DELETE FROM pipeline_assets")
    assert of(found, "vigil_runs_total", job="counted", status="SUCCESS") == 2
    assert of(found, "vigil_runs_total", job="counted", status="FAILURE") == 1
    assert of(found, "vigil_open_runs", job="counted", status="STARTED") == 1
    lasted = {"job": "counted", "status": "SUCCESS"}
    bucket = "vigil_run_duration_seconds_bucket"
    within = [of(found, bucket, le=le, **lasted) for le in ("1.0", "5.0", "60.0", "300.0", "+Inf")]
    assert within == [0, 1, 1, 2, 2]
    assert of(found, "vigil_run_duration_seconds_sum", **lasted) == 72
    name = "vigil_asset_last_materialization_timestamp_seconds"
    assert of(found, name, asset="counted") == 7


def test_requests_are_counted_by_route_and_never_by_path(api: Api) -> None:
    address = "0x" + "ab" * 20
    for path in (f"/api/traders/{address}", "/healthz", f"/nowhere/{address}"):
        api("GET", path)
    found = samples(api)
    asked = {"method": "GET", "status": "404"}
    assert of(found, "vigil_http_requests_total", route="/api/traders/{id:trader}", **asked) >= 1
    assert of(found, "vigil_http_requests_total", route="none", **asked) >= 1
    took = "vigil_http_request_duration_seconds_count"
    assert of(found, took, method="GET", route="/healthz") >= 1
    assert api("PROPFIND", "/healthz").status == 405
    found = samples(api)
    assert ("vigil_http_requests_total", (("method", "PROPFIND"),)) not in found
    assert of(found, took, method="other", route="/healthz") >= 1


def test_no_address_and_no_secret_is_exported(loaded: Installation) -> None:
    token = "a-planted-token-51c7"
    with serving(loaded, api_token=token) as here:
        Api(here.url, loaded, token)("GET", f"/api/traders?q={token}")
        text = here("GET", "/metrics").content.decode()
    assert token not in text
    assert re.search("0x[0-9a-f]{8}", text) is None
    assert str(loaded.settings.data_dir) not in text


def test_from_elsewhere_metrics_need_a_key(api: Api, loaded: Installation) -> None:
    with loaded.warehouse.connect() as connection:
        key = ApiKeys(connection).create("prometheus", ["read"])
    assert api("GET", "/metrics", x_forwarded_for="192.0.2.1").status == 401
    known = Api(api.url, loaded, key)
    assert known("GET", "/metrics", x_forwarded_for="192.0.2.1").status == 200


def test_without_a_database_the_process_still_tells(
    loaded: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    away = "postgresql://vigil:secret-word@127.0.0.1:1/vigil"
    with serving(loaded, database_url=away) as here:
        found = samples(here)
    assert of(found, "vigil_warehouse_up") == 0
    assert of(found, "process_open_fds") > 3
    assert not any(name.startswith("vigil_loaded") for name, _ in found)
    assert "secret-word" not in caplog.text


def test_scrapes_share_what_was_read(loaded: Installation) -> None:
    now, opened = [0.0], []

    def connect():  # type: ignore[no-untyped-def]
        opened.append(now[0])
        return loaded.warehouse.connect(read_only=True)

    observer = Observer(connect, clock=lambda: now[0])
    first = observer.observe()
    now[0] = KEPT_SECONDS / 2
    assert observer.observe() is first
    now[0] = KEPT_SECONDS
    assert observer.observe() is not first
    assert len(opened) == 2


def test_the_live_tail_is_measured_by_kind_alone(api: Api, loaded: Installation) -> None:
    address = "0x" + "ab" * 20
    with loaded.warehouse.connect() as connection:
        connection.execute(
            "INSERT INTO live_streams (kind, subject, since, last_message_at, lag_ms, rejected)"
            " VALUES ('fills', %s, 1, 5000, 250, 3)",
            [address],
        )
    try:
        time.sleep(KEPT_SECONDS)
        found = samples(api)
        text = api("GET", "/health").content.decode()
    finally:
        with loaded.warehouse.connect() as connection:
            connection.execute("DELETE FROM live_streams")
    assert of(found, "vigil_live_streams", kind="fills") == 1
    assert of(found, "vigil_live_connected_streams", kind="fills") == 0
    assert of(found, "vigil_live_lag_seconds", kind="fills") == 0.25
    assert of(found, "vigil_live_rejected_messages", kind="fills") == 3
    assert address not in str(found)
    assert "not connected" in text
    assert f"/traders/{address}" in text
