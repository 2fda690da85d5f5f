"""A failed run, or a late asset, reaches a web server and a mail server of our own, once."""

import json
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes
from typing import Any

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from tests.conftest import Installation, installed
from tests.resources.test_deliveries import Hook
from vigil_assets.automation.failures import run_failures
from vigil_assets.automation.lateness import late_assets
from vigil_assets.partitions import DAILY
from vigil_resources.database.embedded_postgres import free_port
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.desk.deliveries import Deliveries, Targets
from vigil_resources.health.run_failures import RunFailures


class Inbox:
    """A mail server's: every message it took."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    async def handle_DATA(  # noqa: N802
        self,
        server: Any,  # noqa: ARG002
        session: Any,  # noqa: ARG002
        envelope: Any,
    ) -> str:
        self.seen.append(message_from_bytes(envelope.content))
        return "250 OK"


@dg.asset(**DAILY)
def trader_metrics() -> None:
    """Fails."""
    try:
        raise KeyError("the cause\nand more of it")
    except KeyError as error:
        raise RuntimeError("what came of it") from error


@pytest.fixture
def vigil(tmp_path_factory: pytest.TempPathFactory, module_patch: Any) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("failures")
    with installed(folder, folder / "raw", module_patch) as vigil:
        yield vigil


def fail(instance: dg.DagsterInstance) -> str:
    result = dg.materialize(
        [trader_metrics],
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": "2026-01-02",
            "dagster/asset_partition_range_end": "2026-01-04",
        },
        raise_on_error=False,
    )
    return result.run_id


def test_a_failed_run_is_told_once_with_days_cause_and_link(vigil: Installation) -> None:
    hook, inbox, port = Hook([]), Inbox(), free_port(0)
    mail = Controller(inbox, hostname="127.0.0.1", port=port)
    mail.start()
    targets = Targets(
        webhook_url=hook.url, smtp_url=f"smtp://127.0.0.1:{port}", email="desk@example.com"
    )
    failures = RunFailures(vigil.warehouse, targets.alert_channels, "http://127.0.0.1:3000")
    outbox = Deliveries(vigil.warehouse, targets)
    with dg.DagsterInstance.ephemeral() as instance:
        fail(instance)  # before anybody listened
        cursor = tick(instance, failures, None)
        run = fail(instance)
        # The database is away: nothing is told, and nothing lost.
        away = RunFailures(
            Warehouse("postgresql://nobody@127.0.0.1:1/none"), targets.alert_channels, None
        )
        with pytest.raises(Exception, match="connection"):
            tick(instance, away, cursor)
        told = tick(instance, failures, cursor)
        # Killed before the cursor was kept.
        assert tick(instance, failures, cursor) == told
        assert tick(instance, failures, told) == told
    assert outbox.send_due() == (2, 0)
    assert outbox.send_due() == (0, 0)
    hook.close()
    mail.stop()

    [posted] = [json.loads(one["body"]) for one in hook.seen]
    assert posted == {
        "kind": "failure",
        "rule": "run failed",
        "name": "trader_metrics 2026-01-02 … 2026-01-04",
        "assets": ["trader_metrics"],
        "days": "2026-01-02 … 2026-01-04",
        "cause": "KeyError: 'the cause\\nand more of it'",
        "run_id": run,
        "link": f"http://127.0.0.1:3000/runs/{run}",
    }
    [mailed] = inbox.seen
    assert "trader_metrics" in str(mailed["Subject"])


def test_assets_that_became_late_are_told_together_and_again_after_being_fresh(
    vigil: Installation,
) -> None:
    with closing(Hook([])) as hook:
        targets = Targets(webhook_url=hook.url)
        failures = RunFailures(vigil.warehouse, targets.alert_channels, "http://127.0.0.1:3000")
        with dg.instance_for_test() as instance:
            quiet = look(instance, failures, None)
            became(instance, "coin_daily", FreshnessState.WARN, 100)
            assert look(instance, failures, quiet) == quiet
            became(instance, "trader_daily", FreshnessState.FAIL, 200)
            became(instance, "coin_daily", FreshnessState.FAIL, 201)
            told = look(instance, failures, quiet)
            # Killed before the cursor was kept.
            assert look(instance, failures, quiet) == told
            assert look(instance, failures, told) == told
            became(instance, "coin_daily", FreshnessState.PASS, 300)
            assert look(instance, failures, told) == told
            became(instance, "coin_daily", FreshnessState.FAIL, 400)
            look(instance, failures, told)
        Deliveries(vigil.warehouse, targets).send_due()

    assert sorted(
        (one["name"], one["rule"], one["assets"], one["since"], one["link"])
        for one in (json.loads(seen["body"]) for seen in hook.seen)
        if one["rule"] == "late"
    ) == [
        (
            *("2 assets", "late", ["coin_daily", "trader_daily"]),
            *("1970-01-01T00:03:21+00:00", "http://127.0.0.1:3000/assets"),
        ),
        (
            *("coin_daily", "late", ["coin_daily"]),
            *("1970-01-01T00:06:40+00:00", "http://127.0.0.1:3000/assets"),
        ),
    ]


def became(instance: dg.DagsterInstance, name: str, state: FreshnessState, at: int) -> None:
    """What Dagster's own look at freshness writes down."""
    if not instance.has_asset_key(dg.AssetKey(name)):
        instance.report_runless_asset_event(dg.AssetMaterialization(name))
    instance._report_runless_asset_event(
        FreshnessStateChange(
            key=dg.AssetKey(name),
            new_state=state,
            previous_state=FreshnessState.UNKNOWN,
            state_change_timestamp=float(at),
        )
    )


def look(instance: dg.DagsterInstance, failures: RunFailures, cursor: str | None) -> str:
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    result = late_assets(context, failures=failures)
    assert isinstance(result, dg.SensorResult)
    return str(result.cursor)


def tick(instance: dg.DagsterInstance, failures: RunFailures, cursor: str | None) -> str:
    context = dg.build_sensor_context(instance=instance, cursor=cursor)
    result = run_failures(context, failures=failures)
    assert isinstance(result, dg.SensorResult)
    return str(result.cursor)
