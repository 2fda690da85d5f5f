"""The Dagster page, in a real browser, over a real daemon."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from bench.backfills import LAUNCH, STATUS, ask
from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_cli.ready import dagster_ready
from vigil_cli.services import services
from vigil_sandbox.world import TINY, write_world

FIRST = TINY.first_day
SECOND = FIRST + timedelta(days=1)
CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("ui")
    write_world(TINY, folder / "raw")
    with installed(folder, folder / "raw", module_patch) as installation:
        backfill(installation.settings, FIRST, FIRST)
        yield installation


@pytest.fixture(scope="module")
def address(vigil: Installation) -> Iterator[str]:
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with dagster_ready(vigil.settings), services() as url:
        yield url
    # What stays blocked is blocked in every process that later tests start, and ends none.
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == blocked


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def test_the_asset_graph_shows_every_stage(page: Page, address: str) -> None:
    page.goto(f"{address}/asset-groups", wait_until="domcontentloaded")
    expect(page.get_by_text("aggregates", exact=True).first).to_be_visible(timeout=60_000)

    for group in ("raw", "lake", "warehouse", "aggregates", "profiles", "artemis"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible(timeout=60_000)
    _picture(page, "asset_graph")


def test_a_materialized_partition_shows_its_rows_and_its_hours(page: Page, address: str) -> None:
    page.goto(
        f"{address}/assets/raw_fills?view=partitions&partition={FIRST}",
        wait_until="domcontentloaded",
    )

    expect(page.get_by_text("hours_present").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("hourly_fills").first).to_be_visible()
    _picture(page, "partition")


@pytest.mark.slow
def test_a_backfill_launched_as_the_page_does_builds_the_days(
    vigil: Installation, address: str
) -> None:
    names = [
        "raw_fills",
        "fills_parquet",
        "fills",
        "trader_daily",
        "coin_daily",
        "builder_daily",
    ]
    names += ["round_trips", "trader_profiles"]
    parameters = {
        "assetSelection": [{"path": [name]} for name in names],
        "partitionNames": [str(SECOND)],
    }
    launched = ask(address, LAUNCH, {"params": parameters})["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    status = ""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and not status.startswith("COMPLETED"):
        time.sleep(1)
        found = ask(address, STATUS, {"id": launched["backfillId"]})
        status = found["partitionBackfillOrError"]["status"]

    assert status == "COMPLETED_SUCCESS"
    days = vigil.records("SELECT day, aggregates_current FROM data_health ORDER BY day")
    assert days == [
        {"day": str(FIRST), "aggregates_current": True},
        {"day": str(SECOND), "aggregates_current": True},
    ]


def _picture(page: Page, name: str) -> None:
    """Kept where VIGIL_PICTURES says, for a person to look at."""
    folder = os.environ.get("VIGIL_PICTURES")
    if folder:
        page.wait_for_timeout(2_000)
        page.screenshot(path=Path(folder) / f"{name}.png")
