"""What is answered when something is away or breaks."""

import time
from typing import Any

import pytest

from tests.api.conftest import UNLIMITED, Api, serving
from tests.conftest import Installation
from vigil_resources.desk.traders import Traders
from vigil_resources.wiring import embedded_postgres


def test_without_a_database_callers_are_told_to_come_again(vigil: Installation) -> None:
    unreachable = "postgresql://vigil:secret-word@127.0.0.1:1/vigil"
    with serving(vigil, UNLIMITED, database_url=unreachable) as here:
        assert here("GET", "/healthz").status == 200
        for method, path in [("GET", "/readyz"), ("GET", "/api/traders")]:
            answer = here(method, path)
            assert (answer.status, answer.body["type"]) == (503, "/problems/database-away")
            assert int(answer.headers["retry-after"]) > 0
            assert b"secret-word" not in answer.content
            assert b"127.0.0.1" not in answer.content


def test_a_database_that_went_and_came_back_is_used_again(api: Api) -> None:
    assert api("GET", "/readyz").status == 200
    with api.vigil.warehouse.connect(autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'vigil api'"
        )
    assert api("GET", "/api/traders").status == 200
    assert api("POST", "/api/alerts/1/acknowledge").status == 404


def test_readiness_follows_the_database_and_health_does_not(vigil: Installation) -> None:
    server = embedded_postgres(vigil.settings)
    with serving(vigil, UNLIMITED) as here:
        assert here("GET", "/readyz").status == 200
        server.stop()
        assert here("GET", "/readyz").status == 503
        assert here("GET", "/healthz").status == 200
        server.start()
        deadline = time.monotonic() + 60
        while here("GET", "/readyz").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_what_nobody_thought_of_is_no_trace_for_callers(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(Traders, "page", fail)
    answer = api("GET", "/api/traders")
    assert (answer.status, answer.body["type"]) == (500, "/problems/unexpected")
    assert b"planted" not in answer.content
    assert answer.headers["content-security-policy"]
    assert answer.body["request_id"] in caplog.text
    assert "planted" in caplog.text


def test_readers_can_do_nothing_but_read(api: Api) -> None:
    with api.vigil.warehouse.connect(autocommit=True) as connection:
        api("GET", "/api/traders")
        users = connection.execute(
            "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'vigil api'"
        ).fetchall()
    assert ("vigil_reader",) in users
