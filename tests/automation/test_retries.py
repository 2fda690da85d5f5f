"""Attempts: again where it passes by itself, at once to an end where not."""

from typing import Any

import dagster as dg
import psycopg
import pytest

from vigil_assets.automation import retries
from vigil_assets.automation.retries import MOST_RETRIES, patient, wait_seconds
from vigil_core.errors import NotLoaded, ServerNotRunning, StoreFailed, UnreadableObject
from vigil_resources.exchange.errors import ExchangeSilent

TRANSIENT = [
    StoreFailed("s3://bucket", "connection reset"),
    psycopg.OperationalError("server closed the connection"),
    psycopg.errors.DeadlockDetected("two at once"),
    ServerNotRunning("not yet"),
    ExchangeSilent.__new__(ExchangeSilent),
    ConnectionResetError(),
    TimeoutError(),
]
PERMANENT = [
    StoreFailed("s3://bucket", "access denied", is_denied=True),
    UnreadableObject("a/1.lz4", "cut"),
    NotLoaded("trader_daily", "2026-01-01"),
    psycopg.errors.DiskFull("no room"),
    psycopg.errors.UndefinedTable("no such table"),
    ValueError("wrong"),
]


@pytest.mark.parametrize("is_generator", [False, True])
@pytest.mark.parametrize("error", [*TRANSIENT, *PERMANENT], ids=lambda error: type(error).__name__)
def test_only_what_passes_is_tried_again(
    error: Exception, *, is_generator: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "wait_seconds", lambda _: 0)
    attempts = []

    if is_generator:

        @dg.multi_asset(specs=[dg.AssetSpec("a")])
        @patient
        def made(context: dg.AssetExecutionContext) -> Any:
            attempts.append(context.run_id)
            if len(attempts) < 3:
                raise error
            yield dg.MaterializeResult(asset_key="a")
    else:

        @dg.asset(name="a")
        @patient
        def made(context: dg.AssetExecutionContext) -> None:
            attempts.append(context.run_id)
            if len(attempts) < 3:
                raise error

    result = dg.materialize([made], raise_on_error=False)
    is_passing = error in TRANSIENT
    assert (result.success, len(attempts)) == ((True, 3) if is_passing else (False, 1))


def test_it_ends_with_the_error_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "wait_seconds", lambda _: 0)
    attempts = []

    @dg.asset
    @patient
    def never(context: dg.AssetExecutionContext) -> None:
        attempts.append(context.run_id)
        raise ConnectionResetError("by peer")

    result = dg.materialize([never], raise_on_error=False)
    assert len(attempts) == MOST_RETRIES + 1
    [failure] = result.get_step_failure_events()
    assert "by peer" in str(failure.step_failure_data.error)


def test_waits_grow_and_differ() -> None:
    for number, longest in enumerate([5, 10, 20, 40, 80, 120, 120]):
        waits = [wait_seconds(number) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
