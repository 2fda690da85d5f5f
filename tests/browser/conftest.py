"""A small simulated exchange, served, and a real browser that looks at it."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.api.conftest import Api, serving
from tests.conftest import installed
from vigil_cli.backfill import backfill
from vigil_sandbox.world import TINY, write_world

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
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
WIDE, NARROW = 1280, 390

collect_ignore_glob = [] if CHROMIUM else ["test_*.py"]


@dataclass
class Site:
    """What is served, and which traders it has."""

    api: Api
    traders: list[str]
    """The most active first."""

    @property
    def url(self) -> str:
        return self.api.url

    @property
    def pages(self) -> dict[str, str]:
        """Path of every page, by name."""
        one, two, three = self.traders[:3]
        return {
            "overview": "/",
            "traders": "/traders",
            "trader": f"/traders/{one}",
            "compare": f"/compare?ids={one}&ids={two}&ids={three}",
            "liquidations": "/liquidations",
            "smart money": "/smart-money",
            "health": "/health",
            "audit": "/audit",
            "formulas": "/formulas",
        }


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    write_world(TINY, folder / "raw")
    with installed(folder, folder / "raw", module_patch) as vigil:
        last = TINY.first_day + timedelta(days=TINY.day_count - 1)
        backfill(vigil.settings, TINY.first_day, last)
        found = vigil.records("SELECT user_address FROM published_traders ORDER BY volume_usd DESC")
        with serving(vigil, dagster_url="http://127.0.0.1:9") as api:
            yield Site(api, [row["user_address"] for row in found])


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:  # noqa: ARG001
    # After the site: playwright's loop runs in this thread, and Dagster wants one of its own.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page, and whatever went wrong on it."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)
    body_bytes: int = 0

    def go(self, path: str) -> int:
        """Open it, with its charts drawn; gives the status."""
        answer = self.page.goto(self.url + path, wait_until="load")
        assert answer is not None
        for chart in self.page.locator(".chart").all():
            chart.scroll_into_view_if_needed()
            chart.and_(self.page.locator("[data-ready='1']")).wait_for()
        return answer.status

    def overflow(self) -> int:
        """By how many pixels the page scrolls sideways."""
        root = "document.documentElement"
        return int(self.page.evaluate(f"{root}.scrollWidth - {root}.clientWidth"))


def visit(context: BrowserContext, url: str) -> Visit:
    """A new page that notes every complaint and every request to somebody else."""
    seen = Visit(context.new_page(), url)
    seen.page.set_default_timeout(20_000)

    def note(message: Any) -> None:
        if message.type in {"error", "warning"}:
            seen.wrong.append(f"console: {message.text}")

    def asked(request: Any) -> None:
        if not request.url.startswith((url, "data:")):
            seen.wrong.append(f"foreign: {request.url}")

    def finished(request: Any) -> None:
        seen.body_bytes += request.sizes()["responseBodySize"]

    seen.page.on("console", note)
    seen.page.on("pageerror", lambda error: seen.wrong.append(f"error: {error}"))
    seen.page.on("request", asked)
    seen.page.on("requestfinished", finished)
    return seen


def context_of(browser: Browser, **more: Any) -> BrowserContext:
    options: dict[str, Any] = {
        "viewport": {"width": WIDE, "height": 900},
        "reduced_motion": "reduce",
    }
    return browser.new_context(**options | more)
