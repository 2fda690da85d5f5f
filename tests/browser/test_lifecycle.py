"""From finding a trader to letting go of him, by the pages alone, over a simulated week."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.api.conftest import Api, serving
from tests.browser.conftest import CHROMIUM, QUIET, Visit, context_of, visit
from tests.conftest import installed
from vigil_cli.backfill import backfill
from vigil_sandbox.info_server import UNHURRIED, Answers, InfoServer, settings_unhurried
from vigil_sandbox.world import DEMO, write_world

KNOWN_DAYS = 5
"""As many are loaded when somebody begins to look around."""


@pytest.fixture(scope="module")
def week(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Api]:
    folder = tmp_path_factory.mktemp("week")
    raw = folder / "raw"
    write_world(DEMO, raw)
    house: dict[str, str] = json.loads((raw / "truth.json").read_text())["house"]
    vaults = [address for address, role in house.items() if role == "backstop vault"]
    with InfoServer(Answers.of_world(raw), UNHURRIED) as info:
        for name, value in settings_unhurried(info.url).items():
            module_patch.setenv(name, value)
        module_patch.setenv("VIGIL_ARTEMIS_DATA", str(raw / "artemis" / "raw"))
        module_patch.setenv("VIGIL_VAULTS", ",".join(vaults))
        module_patch.setenv("VIGIL_ARCHIVE_DATA", "")
        with installed(folder, raw, module_patch) as vigil:
            backfill(vigil.settings, day(1), day(KNOWN_DAYS))
            with serving(vigil) as api:
                yield api


@pytest.fixture(scope="module")
def browser(week: Api) -> Iterator[Browser]:  # noqa: ARG001
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


def day(number: int) -> date:
    return DEMO.first_day + timedelta(days=number - 1)


def load(week: Api, number: int) -> None:
    """The next day comes in. Dagster wants a loop of its own: playwright's runs in this thread."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(backfill, week.vigil.settings, day(number), day(number)).result()


def skilled(week: Api) -> str:
    """The one with most wins in a row: whom the list shows first among the smart."""
    [row] = week.vigil.records(
        "SELECT user_address FROM published_traders WHERE trader_type = 'SMART_DIRECTIONAL'"
        " ORDER BY net_pnl DESC LIMIT 1"
    )
    return str(row["user_address"])


def of(week: Api, name: str) -> dict[str, Any]:
    [found] = [row for row in week.get("/api/traders").body["items"] if row["name"] == name]
    return dict(found)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_trader_from_the_first_look_to_the_archive(browser: Browser, week: Api) -> None:
    with context_of(browser) as context:
        seen = visit(context, week.url)
        seen.page.set_default_timeout(60_000)
        _find_and_compare(seen, week)
        _backtest(seen, week)
        _follow(seen, week)
        _follow_another_with_an_alert(seen)
        load(week, KNOWN_DAYS + 1)
        _signals_arrived(seen, week)
        _alert_paused_the_other(seen, week)
        _promote(seen, week)
        load(week, KNOWN_DAYS + 2)
        _intents_arrived(seen)
        _archive(seen, week)
        # A refused decision is a 409, and Chromium says so.
        assert [one for one in seen.wrong if "409" not in one] == []


def _find_and_compare(seen: Visit, week: Api) -> None:
    page = seen.page
    seen.go("/traders?type=SMART_DIRECTIONAL&sort=-net_pnl")
    rows = page.locator("#results tbody tr")
    expect(rows.first.locator("a.addr")).to_have_attribute("title", skilled(week))
    for n in (0, 1):
        rows.nth(n).get_by_role("checkbox").check()
    page.locator("button[data-picks]").click()
    expect(page.get_by_role("heading", name="Correlation of daily results")).to_be_visible()


def _backtest(seen: Visit, week: Api) -> None:
    page = seen.page
    seen.go(f"/traders/{skilled(week)}")
    page.get_by_role("link", name="Backtest", exact=True).click()
    expect(page.get_by_label("Addresses")).to_have_value(skilled(week))
    page.get_by_label("Reject signals without a confidence").uncheck()
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Costs apart")).to_be_visible(timeout=60_000)
    found = week.get("/api/backtests/1").body
    assert found["result"]["trade_count"] > 0
    assert float(found["result"]["pnl_usd"]) > 0


def _follow(seen: Visit, week: Api) -> None:
    page = seen.page
    seen.go(f"/traders/{skilled(week)}")
    page.get_by_role("link", name="Follow", exact=True).click()
    expect(page.locator("[name=user_address]")).to_have_value(skilled(week))
    page.locator("[name=name]").fill("First choice")
    page.get_by_role("button", name="Follow").click()
    expect(page.get_by_role("switch", name="First choice")).to_have_attribute(
        "aria-checked", "true"
    )
    _set(page, of(week, "First choice")["trader_id"], week, {"Least confidence": "0.5"})
    found = of(week, "First choice")
    assert (found["min_confidence"], found["version"]) == (0.5, 3)


def _set(page: Page, number: int, week: Api, values: dict[str, str]) -> None:
    page.goto(f"{week.url}/manage/{number}")
    for label, value in values.items():
        role = "spinbutton" if label == "Least confidence" else "textbox"
        page.get_by_role(role, name=label).fill(value)  # type: ignore[arg-type]
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#settings")).to_contain_text("Saved.")


def _follow_another_with_an_alert(seen: Visit) -> None:
    page = seen.page
    seen.go("/manage/ranking?rule_set=seed_100k&type=HFT")
    page.get_by_role("link", name="Follow", exact=True).first.click()
    expect(page.locator("[name=source]")).to_have_value("label")
    page.locator("[name=name]").fill("Maker")
    page.locator("[name=min_confidence]").evaluate("one => { one.min = 0; one.value = 0; }")
    page.locator("[name=win_rate_limit]").fill("0.95")
    page.locator("[name=win_rate_min_trades]").fill("1")
    page.get_by_label("An alert switches the trader off").check()
    page.get_by_role("button", name="Follow").click()
    expect(page.get_by_role("switch", name="Maker")).to_have_attribute("aria-checked", "true")


def _signals_arrived(seen: Visit, week: Api) -> None:
    number = of(week, "First choice")["trader_id"]
    seen.go(f"/manage/{number}/signals")
    page = seen.page
    copied = page.locator("#signals tbody tr", has_text="paper")
    assert copied.count() > 0
    page.locator("select[name=outcome]").select_option("paper")
    expect(page.locator("#status")).to_contain_text("signals shown")
    expect(page.get_by_role("heading", name="Closed copies", exact=True)).to_be_visible()
    # Nothing from before he was followed.
    first = week.vigil.records("SELECT min(leader_time) AS at FROM signals")[0]["at"]
    assert first >= DEMO.start_ms + KNOWN_DAYS * 86_400_000


def _alert_paused_the_other(seen: Visit, week: Api) -> None:
    seen.go("/manage")
    alerts = seen.page.locator("#alerts")
    expect(alerts).to_contain_text("Maker")
    expect(alerts).to_contain_text("switched off by it")
    assert not of(week, "Maker")["active"]
    alerts.get_by_role("button", name="Acknowledge").first.click()
    expect(alerts).to_contain_text("seen by local")


def _promote(seen: Visit, week: Api) -> None:
    page, number = seen.page, of(week, "First choice")["trader_id"]
    seen.go(f"/manage/{number}/promote")
    button = page.get_by_role("button", name="Make live-ready")
    expect(button).to_be_disabled()
    expect(page.locator("main")).to_contain_text("Not yet: days on paper, decided copies")
    lower = {"Days on paper": "1", "Decided copies on paper": "1"}
    _set(page, number, week, lower)
    seen.go(f"/manage/{number}/promote")
    button.click()
    expect(page.locator("h1")).to_have_text("Manage")
    assert of(week, "First choice")["state"] == "live_ready"


def _intents_arrived(seen: Visit) -> None:
    seen.go("/manage")
    intents = seen.page.locator("#intents")
    expect(intents).to_contain_text("Vigil sends no orders")
    rows = intents.locator("tbody tr")
    assert rows.count() > 0
    expect(rows.first).to_contain_text("First choice")
    expect(rows.first).to_contain_text("not yet")


def _archive(seen: Visit, week: Api) -> None:
    page, number = seen.page, of(week, "Maker")["trader_id"]
    seen.go(f"/manage/{number}/archive")
    page.get_by_role("button", name="Archive Maker").click()
    expect(page.locator("h1")).to_have_text("Manage")
    page.get_by_text("kept as they were").click()
    expect(page.locator("details").last).to_contain_text("Maker")
    assert week.get(f"/api/traders/{number}").body["state"] == "archived"
