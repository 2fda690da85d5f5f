"""Every page, in both themes, wide and narrow: whole, quiet, usable."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import AXE, NARROW, WIDE, Site, Visit, context_of, visit

NAMES = (
    "overview",
    "traders",
    "trader",
    "compare",
    "liquidations",
    "smart money",
    "health",
    "audit",
    "formulas",
)
CHARTS = {"trader", "compare", "liquidations", "smart money"}
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with context_of(browser) as context:
        yield context


@pytest.fixture
def seen(context: BrowserContext, site: Site) -> Visit:
    return visit(context, site.url)


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (WIDE, "light"),
        (NARROW, "dark"),
        pytest.param(WIDE, "dark", marks=pytest.mark.slow),
        pytest.param(NARROW, "light", marks=pytest.mark.slow),
    ],
)
def test_every_page_is_whole(browser: Browser, site: Site, theme: str, width: int) -> None:
    size = {"width": width, "height": 900}
    assert tuple(site.pages) == NAMES
    with context_of(browser, color_scheme=theme, viewport=size) as context:
        for name, path in site.pages.items():
            one = visit(context, site.url)
            assert one.go(path) == 200, name
            assert one.wrong == [], name
            assert one.overflow() == 0, name
            expect(one.page.locator("h1")).to_have_count(1)
            expect(one.page.locator("#age")).to_contain_text("Simulated data")
            expect(one.page.locator("#age")).to_contain_text("Data through 2025-09-02")
            assets = one.page.locator("footer a[href^='http://127.0.0.1:9/assets/']")
            assert assets.count() > 0, name
            one.page.close()


@pytest.mark.parametrize("name", ["traders", "trader", "liquidations"])
def test_a_first_visit_is_light(browser: Browser, site: Site, name: str) -> None:
    with context_of(browser) as context:
        one = visit(context, site.url)
        one.go(site.pages[name])
        most = 450 if name in CHARTS else 60
        assert 0 < one.body_bytes < most * 1024


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_breaks_a_rule_of_accessibility(browser: Browser, site: Site, theme: str) -> None:
    found = {}
    # Injecting the checker is what the policy forbids.
    with context_of(browser, color_scheme=theme, bypass_csp=True) as context:
        for name, path in site.pages.items():
            one = visit(context, site.url)
            one.go(path)
            one.page.add_script_tag(content=AXE.read_text("utf-8"))
            run = f"axe.run(document, {{runOnly: {WCAG}}})"
            for broken in one.page.evaluate(run)["violations"]:
                found[name, broken["id"]] = broken["nodes"][0]["html"][:200]
            one.page.close()
    assert found == {}


def test_reading_and_filtering_work_without_script(browser: Browser, site: Site) -> None:
    with context_of(browser, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site.url}/traders")
        rows = page.locator("#results tbody tr")
        assert rows.count() > 10
        page.get_by_label("Address or name").fill(site.traders[0][2:])
        page.get_by_role("button", name="Filter").click()
        expect(rows).to_have_count(1)
        page.get_by_role("link", name="Reset").click()
        page.get_by_role("link", name="Volume").click()
        expect(page.locator("th[aria-sort=descending]")).to_contain_text("Volume")
        expect(rows.first).to_contain_text(site.traders[0][-4:])
        for box in page.locator("input[name=ids]").all()[:2]:
            box.check()
        page.get_by_role("button", name="Compare").click()
        expect(page.get_by_role("heading", name="The same figures")).to_be_visible()
        # Figures of a chart stand in a table beside it.
        page.goto(f"{site.url}{site.pages['trader']}")
        page.get_by_text("Figures of the last").click()
        expect(page.locator("[aria-label='Daily results'] tbody tr")).to_have_count(2)


def test_a_filter_swaps_the_rows_and_the_address_can_be_sent_on(seen: Visit, site: Site) -> None:
    seen.go("/traders")
    page = seen.page
    page.get_by_label("Address or name").press_sequentially(site.traders[1][2:12])
    rows = page.locator("#results tbody tr")
    expect(rows).to_have_count(1)
    expect(page.locator("#status")).to_have_text("1 traders shown")
    expect(page).to_have_url(f"{site.url}/traders?q={site.traders[1][2:12]}")
    # The field kept its focus: what is typed next is not lost.
    assert page.evaluate("document.activeElement.name") == "q"
    page.reload()
    expect(rows).to_have_count(1)
    assert seen.wrong == []


def test_a_header_sorts_and_sorts_back(seen: Visit, site: Site) -> None:
    seen.go("/traders")
    header = seen.page.locator("th", has_text="Volume")
    header.get_by_role("link").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(seen.page).to_have_url(f"{site.url}/traders?sort=-volume_usd")
    header.get_by_role("link").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    assert seen.wrong == []


def test_two_to_six_rows_are_compared(seen: Visit) -> None:
    seen.go("/traders")
    page = seen.page
    button = page.get_by_role("button", name="Compare")
    boxes = page.locator("input[name=ids]")
    expect(button).to_be_disabled()
    for n in range(6):
        boxes.nth(n).check()
    expect(button).to_be_enabled()
    expect(boxes.nth(6)).to_be_disabled()
    for n in range(2, 6):
        boxes.nth(n).uncheck()
    button.click()
    expect(page.locator("[aria-label='Figures side by side'] thead th")).to_have_count(3)
    assert page.url.count("ids=0x") == 2


def test_the_keyboard_reaches_everything_in_order_and_shows_where_it_is(seen: Visit) -> None:
    seen.go("/traders")
    page = seen.page
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()
    reached = [_focused(page)]
    wanted = page.locator(
        "a[href]:visible, button:visible:enabled, input:visible:enabled, select:visible"
    ).count()
    for _ in range(wanted + 40):
        page.keyboard.press("Tab")
        focused = _focused(page)
        if focused["place"] <= 0:
            break
        assert focused["outline"] != "none", focused
        reached.append(focused)
    places = [one["place"] for one in reached]
    assert places == sorted(places)
    kinds = [one["tag"] for one in reached]
    assert len([tag for tag in kinds if tag in {"A", "BUTTON", "INPUT", "SELECT"}]) >= wanted
    page.keyboard.press("Home")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


_FOCUSED = """() => {
  const one = document.activeElement;
  const all = [...document.querySelectorAll('*')];
  return {
    tag: one.tagName, text: one.textContent.slice(0, 30),
    place: one === document.body ? 0 : all.indexOf(one),
    outline: getComputedStyle(one).outlineStyle,
  };
}"""


def _focused(page: Page) -> dict[str, object]:
    found: dict[str, object] = page.evaluate(_FOCUSED)
    return found


def test_a_chosen_theme_stays_and_does_not_flicker(browser: Browser, site: Site) -> None:
    with context_of(browser, color_scheme="light") as context:
        one = visit(context, site.url)
        one.go(site.pages["trader"])
        one.page.get_by_role("button", name="Use the dark theme").click()
        expect(one.page.locator("html")).to_have_attribute("data-theme", "dark")
        one.page.locator(".chart[data-ready='1']").wait_for()
        # The server says it, before any script runs.
        answer = one.page.goto(f"{site.url}/health")
        assert answer is not None
        assert 'data-theme="dark"' in answer.text()
        assert one.wrong == []


def test_an_earlier_day_knows_nothing_later(seen: Visit, site: Site) -> None:
    path = site.pages["trader"]
    seen.go(f"{path}?as_of=2025-09-02")
    expect(seen.page.get_by_text("nothing later is in these figures")).to_be_visible()
    expect(seen.page.locator("dt", has_text="Days observed").locator("xpath=..")).to_contain_text(
        "of 1"
    )
    assert seen.wrong == []


@pytest.mark.parametrize(
    "path",
    [
        "/traders/0x" + "0" * 40,
        "/traders/nobody",
        "/traders/999999999999999999999",
        "/nowhere",
    ],
)
def test_what_is_not_there_is_a_page_too(seen: Visit, site: Site, path: str) -> None:
    answer = seen.page.goto(site.url + path)
    assert answer is not None
    assert answer.status == 404
    expect(seen.page.locator("h1")).to_have_text("Not there")
    expect(seen.page.get_by_role("navigation", name="Pages")).to_be_visible()


@pytest.mark.parametrize(
    "path",
    [
        "/traders?after=junk",
        "/traders?sort=no_such_column&min_volume=abc&state=x",
        "/traders?q=%27%3B--&coin=%01",
        "/compare?ids=&ids=zzz,1",
        "/liquidations?span=7y&least=NaN",
        "/smart-money?coin=%3Cb%3E",
    ],
)
def test_nonsense_is_answered_as_if_it_had_not_been_asked(site: Site, path: str) -> None:
    answer = site.api("GET", path, accept="text/html")
    assert answer.status == 200, answer
    assert b"<b>&lt;" not in answer.content


@pytest.fixture
def streamed(site: Site) -> Iterator[int]:
    """Some fills of the most active trader since the last file; gives how many."""
    columns = "time, user_address, coin, px, sz, side, dir, start_position, closed_pnl, fee"
    columns += ", fee_token, crossed, hash, oid, tid"
    with site.api.vigil.warehouse.connect() as connection:
        connection.execute(
            f"INSERT INTO live_fills ({columns}, received_at)"
            " SELECT time + 86400000, user_address, coin, px, sz, side, dir, start_position,"
            " closed_pnl, fee, fee_token, crossed, hash, oid, tid, time FROM fills"
            " WHERE user_address = %s ORDER BY time DESC LIMIT 3",
            [site.traders[0]],
        )
    yield 3
    with site.api.vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM live_fills")


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_fills_that_were_only_streamed_are_marked(
    browser: Browser, site: Site, streamed: int, width: int
) -> None:
    with context_of(browser, viewport={"width": width, "height": 900}) as context:
        one = visit(context, site.url)
        assert one.go(site.pages["trader"]) == 200
        fills = one.page.get_by_role("region", name="Last fills")
        expect(fills.get_by_role("row")).to_have_count(21)
        expect(fills.get_by_text("live, not yet confirmed")).to_have_count(streamed)
        assert one.wrong == []
        assert one.overflow() == 0
        # As of an earlier day nothing of it was known.
        one.go(site.pages["trader"] + "?as_of=2025-09-02")
        expect(one.page.get_by_role("region", name="Last fills")).to_have_count(0)
