"""The desk's pages: whole in both themes, forms with and without script, and two at one form."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.api.conftest import Api, serving
from tests.browser.conftest import AXE, CHROMIUM, NARROW, QUIET, WIDE, Visit, context_of, visit
from tests.conftest import Installation, installed
from tests.resources.desk import insert
from vigil_cli.backfill import backfill
from vigil_sandbox.world import TINY, write_world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
EXPORT = """{"name": "Calls", "type": "public_channel", "id": 17, "messages": [
{"id": 1, "type": "message", "date_unixtime": "1756800000", "from": "A", "text": "Good morning"},
{"id": 2, "type": "message", "date_unixtime": "1756800060", "from": "A",
 "text": "LONG BTC entry 108000-109000 targets 112000 stop 105000 leverage 5x confidence 80%"}]}"""


def settings(name: str, **values: Any) -> dict[str, Any]:
    return {"name": name, "state": "paper", "min_confidence": 0, "max_leverage": 20} | values


def busiest(vigil: Installation) -> list[str]:
    found = vigil.records(
        "SELECT user_address FROM round_trips GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 8"
    )
    return [row["user_address"] for row in found]


@pytest.fixture(scope="module")
def desk(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Api]:
    """Three followed from the first day's end on: one on, one off by an alert, one never on."""
    folder = tmp_path_factory.mktemp("desk")
    write_world(TINY, folder / "raw")
    with installed(folder, folder / "raw", module_patch) as vigil:
        second = TINY.first_day + timedelta(days=1)
        backfill(vigil.settings, TINY.first_day, TINY.first_day)
        with serving(vigil, dagster_url="http://127.0.0.1:9") as api:
            one, two, three, *_ = busiest(vigil)
            api.add(one, **settings("Steady", promotion_days=1, promotion_trades=1))
            stumbling = api.add(two, **settings("Stumbling", win_rate_limit=0.5))["trader_id"]
            api.add(three, **settings("Resting"))
            api("POST", f"/api/traders/{one}/toggle", {"active": True})
            backfill(vigil.settings, second, second)
            with vigil.warehouse.connect() as connection:
                insert(
                    connection, "alerts", trader_id=stumbling, rule="win_rate_below", value=0.25,
                    limit_value=0.5, as_of=1_756_857_600_000, fired_at=1_756_857_600_000,
                    paused=True,
                )  # fmt: skip
            yield api


@pytest.fixture(scope="module")
def browser(desk: Api) -> Iterator[Browser]:  # noqa: ARG001
    # After the desk: playwright's loop runs in this thread, and Dagster wants one of its own.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with context_of(browser) as context:
        yield context


@pytest.fixture
def seen(context: BrowserContext, desk: Api) -> Visit:
    return visit(context, desk.url)


@pytest.fixture(scope="module")
def backtest(desk: Api) -> int:
    """One that is done."""
    body = {
        "traders": busiest(desk.vigil)[:1], "start": "2025-09-01", "end": "2025-09-03",
        "settings": {"min_confidence": 0, "max_leverage": 20}, "require_confidence": False,
        "require_leverage": False,
    }  # fmt: skip
    answer = desk("POST", "/api/backtests", body, idempotency_key="first")
    assert answer.status == 202, answer
    number = int(answer.body["backtest_id"])
    wait_for(desk, number)
    return number


def wait_for(desk: Api, number: int) -> dict[str, Any]:
    for _ in range(600):
        found = desk.get(f"/api/backtests/{number}").body
        if found["status"] in {"done", "failed"}:
            return dict(found)
        time.sleep(0.1)
    raise AssertionError(f"backtest {number} is {found['status']}")


def id_of(desk: Api, name: str) -> int:
    [found] = [row for row in desk.get("/api/traders").body["items"] if row["name"] == name]
    return int(found["trader_id"])


def paths(desk: Api, backtest: int) -> dict[str, str]:
    one, two = id_of(desk, "Steady"), id_of(desk, "Stumbling")
    return {
        "manage": "/manage",
        "table": "/manage?view=table",
        "settings": f"/manage/{one}",
        "signals": f"/manage/{one}/signals",
        "messages": f"/manage/{two}/messages",
        "duplicate": f"/manage/{one}/duplicate",
        "archive": f"/manage/{one}/archive",
        "promote": f"/manage/{one}/promote",
        "add": f"/manage/add?address={busiest(desk.vigil)[4]}",
        "ranking": "/manage/ranking",
        "backtests": "/backtests",
        "again": f"/backtests?again={backtest}",
        "backtest": f"/backtests/{backtest}",
        "leader": f"/traders/{busiest(desk.vigil)[0]}",
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_page_of_the_desk_is_whole(
    browser: Browser, desk: Api, backtest: int, theme: str, width: int
) -> None:
    size = {"width": width, "height": 900}
    with context_of(browser, color_scheme=theme, viewport=size) as context:
        for name, path in paths(desk, backtest).items():
            one = visit(context, desk.url)
            assert one.go(path) == 200, name
            assert one.wrong == [], name
            assert one.overflow() == 0, name
            expect(one.page.locator("h1")).to_have_count(1)
            one.page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_of_the_desk_breaks_a_rule_of_accessibility(
    browser: Browser, desk: Api, backtest: int, theme: str
) -> None:
    found = {}
    with context_of(browser, color_scheme=theme, bypass_csp=True) as context:
        for name, path in paths(desk, backtest).items():
            one = visit(context, desk.url)
            one.go(path)
            one.page.add_script_tag(content=AXE.read_text("utf-8"))
            run = f"axe.run(document, {{runOnly: {WCAG}}})"
            for broken in one.page.evaluate(run)["violations"]:
                found[name, broken["id"]] = broken["nodes"][0]["html"][:200]
            one.page.close()
    assert found == {}


def test_a_card_shows_the_account_beside_the_leader(seen: Visit, desk: Api) -> None:
    seen.go("/manage")
    card = seen.page.locator(f"#trader-{id_of(desk, 'Steady')}")
    [account] = desk.vigil.records(
        "SELECT signals_count, trades_executed FROM trader_performance JOIN traders USING"
        " (trader_id) WHERE name = 'Steady'"
    )
    assert account["signals_count"] > 0
    expect(card).to_contain_text(f"of {account['signals_count']:,}")
    expect(card.get_by_role("columnheader")).to_have_text(["Figure", "Paper account", "The leader"])
    # The one that an alert switched off, and the one that never was on, are folded away.
    assert seen.page.locator("details .account").count() == 2


def test_an_alert_is_acknowledged_where_it_stands(seen: Visit, desk: Api) -> None:
    seen.go("/manage")
    alerts = seen.page.locator("#alerts")
    expect(alerts).to_contain_text("switched off by it")
    alerts.get_by_role("button", name="Acknowledge").click()
    expect(alerts).to_contain_text("seen by local")
    expect(seen.page.locator("#status")).to_contain_text("0 alerts wait")
    assert seen.wrong == []
    [alert] = desk.get("/api/alerts").body["items"]
    assert alert["acknowledged_by"] == "local"


def test_a_switch_answers_with_itself(seen: Visit, desk: Api) -> None:
    seen.go("/manage")
    name = "New signals of Steady"
    switch = seen.page.get_by_role("switch", name=name)
    expect(switch).to_have_attribute("aria-checked", "true")
    switch.press("Enter")
    expect(switch).to_have_attribute("aria-checked", "false")
    expect(seen.page.locator("#status")).to_contain_text("what is open stays open")
    assert not desk.get(f"/api/traders/{id_of(desk, 'Steady')}").body["active"]
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "true")
    assert seen.wrong == []


def test_sliders_say_dollars_and_nothing_is_saved_before_save(seen: Visit, desk: Api) -> None:
    number = id_of(desk, "Steady")
    before = desk.get(f"/api/traders/{number}").body
    page = seen.page
    seen.go(f"/manage/{number}")
    page.get_by_role("spinbutton", name="Position size").fill("1.5")
    expect(page.locator("[data-effect=position_multiplier]")).to_contain_text("300 USD a position")
    page.get_by_role("slider", name="Highest leverage").press("Home")
    warning = page.locator("[data-warns=max_leverage]")
    expect(warning).to_be_hidden()
    page.get_by_role("spinbutton", name="Highest leverage").fill("12.25")
    expect(warning).to_be_visible()
    assert desk.get(f"/api/traders/{number}").body == before

    page.get_by_role("button", name="Save").click()
    expect(page.locator("#settings")).to_contain_text("Saved.")
    after = desk.get(f"/api/traders/{number}").body
    assert (after["position_multiplier"], after["max_leverage"]) == (1.5, 12.25)
    assert after["version"] == before["version"] + 1
    newest = page.locator("#history tbody tr").first
    expect(newest).to_contain_text("Position size 1 → 1.5")
    expect(newest).to_contain_text("local")
    # Saved as it now stands in the form, nothing changes but the version.
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#history tbody tr")).to_have_count(after["version"] + 1)
    kept = desk.get(f"/api/traders/{number}").body
    assert {k: v for k, v in kept.items() if k not in {"version", "updated_at"}} == {
        k: v for k, v in after.items() if k not in {"version", "updated_at"}
    }
    assert seen.wrong == []


def test_coins_are_searched_ticked_and_cleared(seen: Visit, desk: Api) -> None:
    number = id_of(desk, "Resting")
    page = seen.page
    seen.go(f"/manage/{number}")
    page.get_by_role("searchbox", name="Search coins").fill("btc")
    page.get_by_role("checkbox", name="BTC", exact=True).check()
    expect(page.get_by_role("radio", name="Only these")).to_be_checked()
    assert page.locator(".boxes label:visible").count() < page.locator(".boxes label").count()
    page.get_by_role("radio", name="All but these").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#settings")).to_contain_text("Saved.")
    assert desk.get(f"/api/traders/{number}").body["token_blacklist"] == ["BTC"]
    page.get_by_role("radio", name="All coins").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#history tbody tr").first).to_contain_text("BTC → none")
    assert desk.get(f"/api/traders/{number}").body["token_blacklist"] == []
    assert seen.wrong == []


def test_a_coin_is_excluded_from_the_leaders_page(seen: Visit, desk: Api) -> None:
    seen.go(f"/traders/{busiest(desk.vigil)[0]}")
    link = seen.page.get_by_role("link", name="Exclude").first
    coin = (link.get_attribute("aria-label") or "").split()[1]
    link.click()
    expect(seen.page.locator("#settings")).to_contain_text("Nothing is saved yet")
    expect(seen.page.get_by_role("checkbox", name=coin, exact=True)).to_be_checked()
    expect(seen.page.get_by_role("radio", name="All but these")).to_be_checked()


def test_a_bad_form_says_what_is_wrong_and_keeps_the_rest(
    context: BrowserContext, desk: Api
) -> None:
    number = id_of(desk, "Resting")
    page = context.new_page()
    page.goto(f"{desk.url}/manage/{number}")
    page.get_by_label("Note").fill("kept as it was typed")
    page.get_by_label("Base size").fill("a lot")
    page.get_by_role("button", name="Save").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Base size: a number from 1 to 1,000,000 USD")
    expect(page.get_by_label("Note")).to_have_value("kept as it was typed")
    expect(page.get_by_label("Base size")).to_have_attribute("aria-invalid", "true")
    assert desk.get(f"/api/traders/{number}").body["note"] == ""


def test_two_at_one_form_and_the_second_sees_the_first(context: BrowserContext, desk: Api) -> None:
    number = id_of(desk, "Resting")
    tabs = [context.new_page(), context.new_page()]
    for page in tabs:
        page.goto(f"{desk.url}/manage/{number}")
    first, second = tabs
    first.get_by_label("Base size").fill("333")
    first.get_by_role("button", name="Save").click()
    expect(first.locator("#settings")).to_contain_text("Saved.")

    second.get_by_label("Base size").fill("444")
    second.get_by_label("Paper capital").fill("5000")
    second.get_by_role("button", name="Save").click()
    conflict = second.get_by_role("alert")
    expect(conflict).to_contain_text("local saved other settings meanwhile")
    rows = conflict.locator("tbody tr")
    expect(rows).to_have_text(["Base size444333", "Paper capital500010000"])
    expect(second.get_by_label("Base size")).to_have_value("333")
    assert desk.get(f"/api/traders/{number}").body["base_size_usd"] == "333"

    # Having seen it, the second may still have it otherwise.
    second.get_by_label("Base size").fill("444")
    second.get_by_role("button", name="Save").click()
    expect(second.locator("#settings")).to_contain_text("Saved.")
    assert desk.get(f"/api/traders/{number}").body["base_size_usd"] == "444"


def test_forms_work_without_script(browser: Browser, desk: Api) -> None:
    with context_of(browser, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{desk.url}/manage/add?address={busiest(desk.vigil)[5]}&name=Plain")
        page.locator("[name=active]").uncheck()
        page.get_by_role("button", name="Follow").click()
        expect(page.locator("h1")).to_have_text("Manage")
        number = id_of(desk, "Plain")
        page.goto(f"{desk.url}/manage/{number}")
        page.get_by_label("Base size").fill("123.45")
        page.get_by_role("radio", name="Only these").check()
        page.get_by_label("Further coins").fill("kPEPE, xyz:TSLA")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#settings")).to_contain_text("Saved.")
        found = desk.get(f"/api/traders/{number}").body
        assert found["base_size_usd"] == "123.45"
        assert found["token_whitelist"] == ["kPEPE", "xyz:TSLA"]
        assert not found["active"]
        page.get_by_role("switch").click()
        expect(page.locator("h1")).to_have_text("Manage")
        assert desk.get(f"/api/traders/{number}").body["active"]
        _archive(page, desk, number)


def _archive(page: Page, desk: Api, number: int) -> None:
    page.goto(f"{desk.url}/manage/{number}/archive")
    expect(page.locator("main")).to_contain_text("It cannot be undone")
    page.get_by_role("button", name="Archive").click()
    assert desk.get(f"/api/traders/{number}").body["state"] == "archived"
    page.goto(f"{desk.url}/manage/{number}")
    expect(page.get_by_role("button", name="Save")).to_be_disabled()


def test_settings_are_duplicated_as_a_variant(seen: Visit, desk: Api) -> None:
    number = id_of(desk, "Resting")
    seen.go(f"/manage/{number}/duplicate")
    seen.page.get_by_label("Name").fill("Resting, larger")
    seen.page.get_by_role("button", name="Duplicate").click()
    expect(seen.page.locator("h1")).to_have_text("Resting, larger")
    expect(seen.page.locator(".head")).to_contain_text("variant 2")
    desk("POST", f"/api/traders/{id_of(desk, 'Resting, larger')}/archive")


def test_a_chat_is_imported_followed_and_read(seen: Visit, desk: Api, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    file.write_text(EXPORT)
    page = seen.page
    seen.go("/manage/add")
    page.locator("[name=file]").set_input_files(file)
    page.locator("[name=kind]").select_option("telegram")
    page.get_by_role("button", name="Import").click()
    expect(page.locator("main")).to_contain_text("1 read as signals")
    page.get_by_role("link", name="Follow this chat").click()
    expect(page.locator("[name=source]")).to_have_value("telegram")
    page.get_by_role("button", name="Follow").click()
    expect(page.locator("h1")).to_have_text("Manage")
    seen.go(f"/manage/{id_of(desk, 'Calls')}/messages")
    rows = page.locator("tbody tr")
    expect(rows.nth(0)).to_contain_text("open long BTC")
    expect(rows.nth(1)).to_contain_text("nothing: names no coin that is traded")
    assert seen.wrong == []


def test_a_leaderboard_stands_beside_our_own_figures(
    seen: Visit, desk: Api, tmp_path: Path
) -> None:
    known, free = busiest(desk.vigil)[0], busiest(desk.vigil)[6]
    file = tmp_path / "board.csv"
    file.write_text(f"address,displayName,pnl\n{known},Old,7\n{free},New,8\nnobody,,9\n")
    page = seen.page
    seen.go("/manage/add")
    page.locator("[name=file]").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.locator("h1")).to_have_text("board.csv")
    expect(page.locator("tbody tr").nth(0)).to_contain_text("followed")
    expect(page.locator("details")).to_contain_text("1")
    page.get_by_role("link", name="Follow", exact=True).click()
    expect(page.locator("[name=user_address]")).to_have_value(free)
    expect(page.locator("[name=name]")).to_have_value("New")
    expect(page.locator("[name=source]")).to_have_value("leaderboard")
    assert seen.wrong == []


def test_a_backtest_is_asked_for_watched_and_run_again(seen: Visit, desk: Api) -> None:
    page = seen.page
    seen.go(f"/backtests?trader={id_of(desk, 'Steady')}")
    expect(page.get_by_label("Addresses")).to_have_value(busiest(desk.vigil)[0])
    page.get_by_label("Lag, s").fill("3")
    page.get_by_role("button", name="Run").click()
    # Its place is taken by what came out, without a further click.
    expect(page.get_by_role("heading", name="Costs apart")).to_be_visible(timeout=60_000)
    page.locator(".chart[data-ready='1']").wait_for()
    number = int(page.url.rsplit("/", 1)[1])
    assert wait_for(desk, number)["request"]["lag_s"] == "3"
    page.get_by_role("link", name="Change a parameter and run again").click()
    expect(page.get_by_label("Lag, s")).to_have_value("3")
    page.locator("[name=start]").fill("2025-09-03")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("alert")).to_contain_text("Until: must be after start")
    expect(page.get_by_label("Lag, s")).to_have_value("3")
    # Of a refused form the browser itself says so in its console.
    assert [one for one in seen.wrong if "422" not in one] == []


def test_bridge_and_costs_add_up_on_the_page(seen: Visit, desk: Api, backtest: int) -> None:
    seen.go(f"/backtests/{backtest}")
    result = wait_for(desk, backtest)["result"]
    for heading in ("Costs apart", "From the leader's result to ours"):
        rows = seen.page.locator("section.card, div.card").filter(
            has=seen.page.get_by_role("heading", name=heading)
        )
        figures = rows.last.locator("td.r .num").evaluate_all("all => all.map(one => one.title)")
        amounts = [float(t.replace("\u2212", "-").replace(",", "").split()[0]) for t in figures]
        *parts, total = amounts
        assert total == pytest.approx(float(result["costs"]["net_pnl_usd"]), abs=0.01)
        assert sum(parts) == pytest.approx(total, abs=0.06)


def test_a_poll_that_fails_is_asked_again(seen: Visit, desk: Api) -> None:
    page, polls = seen.page, []

    def answer(route: Any) -> None:
        if "hx-request" not in route.request.headers:
            return route.continue_()
        polls.append(route.request.url)
        return route.fulfill(status=503, body="away") if len(polls) == 1 else route.continue_()

    page.route("**/backtests/*", answer)
    seen.go(f"/backtests?trader={id_of(desk, 'Steady')}")
    page.get_by_label("Lag, s").fill("4")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Costs apart")).to_be_visible(timeout=60_000)
    assert len(polls) > 1
    expect(page.locator("main")).not_to_contain_text("away")
