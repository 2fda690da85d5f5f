"""Forms of the desk over plain HTTP: what is refused, and how that is said."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.conftest import Answer, Api, serving
from tests.conftest import Installation
from vigil_api.limits import MOST_UPLOAD_BYTES
from vigil_api.pages.outcomes import NOT_READ, OUTCOMES
from vigil_core.desk.parameters import OUTCOMES as CODES
from vigil_resources.api_keys import ApiKeys

FORM = {
    "name": "Somebody", "note": "", "state": "paper", "priority": "50", "position_multiplier": "1",
    "base_size_usd": "200", "paper_capital_usd": "10000", "max_leverage": "5",
    "min_confidence": "0.7", "drawdown_limit": "", "win_rate_limit": "",
    "win_rate_min_trades": "10", "consecutive_losses_limit": "", "promotion_days": "14",
    "promotion_trades": "20", "coin_mode": "all",
}  # fmt: skip
BACKTEST = {
    "traders": "", "label": "", "start": "2025-09-01", "end": "2025-09-03", "only": "", "but": "",
    "initial_capital_usd": "10000", "base_size_usd": "200", "position_multiplier": "1",
    "max_leverage": "5", "min_confidence": "0.7", "fee_bps": "4.5", "lag_s": "2", "wait_s": "60",
    "slippage": "tape", "slippage_bps": "5",
}  # fmt: skip


def post(api: Api, path: str, form: dict[str, str], **headers: str) -> Answer:
    kind = {"content_type": "application/x-www-form-urlencoded", "accept": "text/html"}
    return api("POST", path, raw=urlencode(form).encode(), **kind | headers)


def upload(api: Api, kind: str, content: bytes, **headers: str) -> Answer:
    edge = "----edge"
    parts = (
        f'--{edge}\r\nContent-Disposition: form-data; name="kind"\r\n\r\n{kind}\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="f.csv"\r\n\r\n'
    )
    body = parts.encode() + content + f"\r\n--{edge}--\r\n".encode()
    kinds = {"content_type": f"multipart/form-data; boundary={edge}", "accept": "text/html"}
    return api("POST", "/manage/imports", raw=body, **kinds | headers)


def follow(api: Api, name: str, **form: str) -> dict[str, Any]:
    answer = post(api, "/manage/add", FORM | {"name": name, "source": "manual"} | form)
    assert answer.status == 303, answer
    number = answer.headers["location"].rsplit("-", 1)[1]
    return dict(api.get(f"/api/traders/{number}").body)


def text(answer: Answer) -> str:
    return answer.content.decode()


def test_each_code_has_its_words() -> None:
    assert set(OUTCOMES) == {*CODES, "withdrawn"}
    assert all(not words.endswith(".") for words in [*OUTCOMES.values(), *NOT_READ.values()])


def test_follows_switched_on_or_off_with_and_without_an_address(api: Api) -> None:
    on = follow(api, "Switched on", active="1")
    off = follow(api, "Switched off", user_address="0x" + "AB" * 20, source="address")
    assert (on["active"], on["user_address"], on["state"]) == (True, None, "paper")
    assert (off["active"], off["user_address"]) == (False, "0x" + "ab" * 20)
    assert off["max_leverage"] == 5


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"user_address": "0x12"}, "Address: 0x and 40 hexadecimal digits"),
        ({"source": "address"}, "Address: needed for address"),
        ({"name": ""}, "Name: 1 to 80 characters"),
        ({"name": "two\nlines"}, "Name: 1 to 80 characters"),
        ({"max_leverage": "21"}, "Highest leverage: a number from 1 to 20"),
        ({"max_leverage": "nan"}, "Highest leverage: a number from 1 to 20"),
        ({"base_size_usd": "1e3"}, "Base size: a number from 1 to 1,000,000 USD"),
        ({"priority": "1.5"}, "Priority: a whole number from 1 to 100"),
        ({"drawdown_limit": "15"}, "Drawdown alert: a number from -100 to -1 %, or nothing"),
        ({"state": "live_ready"}, "State: evaluating or paper"),
        ({"coin_mode": "only"}, "only these, and none is ticked"),
        ({"coin_mode": "but", "more_coins": "\u00e9"}, "Coins: at most 500"),
    ],
)
def test_says_which_field_is_wrong(api: Api, form: dict[str, str], said: str) -> None:
    answer = post(api, "/manage/add", FORM | {"name": "Refused", "source": "manual"} | form)
    assert answer.status == 422
    assert said in text(answer)
    assert api.get("/api/traders", q="Refused").body["items"] == []


def test_the_same_address_or_name_is_not_followed_twice(api: Api) -> None:
    address = "0x" + "cd" * 20
    follow(api, "Once", user_address=address, source="address")
    twice = FORM | {"name": "Twice", "source": "address", "user_address": address}
    assert post(api, "/manage/add", twice).status == 409
    assert post(api, "/manage/add", FORM | {"name": "Once", "source": "manual"}).status == 409


def test_a_form_of_an_old_version_shows_what_holds_now(api: Api) -> None:
    number = follow(api, "Edited")["trader_id"]
    assert post(api, f"/manage/{number}", edited("Edited", 1, note="first")).status == 303
    stale = post(api, f"/manage/{number}", edited("Edited", 1, note="second"))
    assert stale.status == 409
    assert "local saved other settings meanwhile" in text(stale)
    assert ">first</textarea>" in text(stale)
    assert 'name="version" value="2"' in text(stale)
    # Wrong and stale as well: what somebody else saved comes first.
    wrong = post(api, f"/manage/{number}", edited("Edited", 1, max_leverage="99"))
    assert wrong.status == 409
    assert api.get(f"/api/traders/{number}").body["note"] == "first"


def edited(name: str, version: int, **form: str) -> dict[str, str]:
    return FORM | {"name": name, "version": str(version)} | form


def test_htmx_gets_the_form_alone(api: Api) -> None:
    number = follow(api, "In part")["trader_id"]
    part = post(api, f"/manage/{number}", edited("In part", 1, note="x"), hx_request="true")
    assert part.status == 200
    assert text(part).startswith('<div id="settings">')
    assert 'role="status"' in text(part)
    assert "hx-request" in part.headers["vary"].lower()


def test_archived_settings_stay_as_they_are(api: Api) -> None:
    number = follow(api, "Gone")["trader_id"]
    assert post(api, f"/manage/{number}/archive", {"version": "7"}).status == 409
    assert post(api, f"/manage/{number}/archive", {"version": "1"}).status == 303
    assert post(api, f"/manage/{number}", edited("Gone", 2)).status == 409
    assert post(api, f"/manage/{number}/switch", {"active": "true"}).status == 409
    shown = text(api.get(f"/manage/{number}"))
    assert '<fieldset class="plain" disabled>' in shown


def test_promotion_needs_the_record(api: Api) -> None:
    number = follow(api, "Unproven")["trader_id"]
    shown = text(api.get(f"/manage/{number}/promote"))
    assert "Vigil sends no orders" in shown
    refused = post(api, f"/manage/{number}/promote", {"version": "1"})
    assert refused.status == 409
    assert "days on paper: 0, needed 14 or more" in text(refused)
    assert api.get(f"/api/traders/{number}").body["state"] == "paper"


@pytest.mark.parametrize(
    "path", ["/manage/999999", "/manage/999999/signals", "/manage/imports/5", "/backtests/77"]
)
def test_what_is_not_there(api: Api, path: str) -> None:
    answer = api("GET", path, accept="text/html")
    assert answer.status == 404
    assert "<h1>Not there</h1>" in text(answer)


@pytest.mark.parametrize(
    "path", ["/manage/add", "/manage/1", "/manage/1/switch", "/manage/1/archive", "/manage/imports",
             "/manage/alerts/1/acknowledge", "/backtests"],
)  # fmt: skip
def test_another_sites_form_does_nothing(api: Api, path: str) -> None:
    assert post(api, path, {"version": "1"}, sec_fetch_site="cross-site").status == 403


def test_a_key_that_may_read_may_not_write(api: Api) -> None:
    with api.vigil.warehouse.connect() as connection:
        key = ApiKeys(connection).create("reader", ["read"], valid_ms=None)
    reader = Api(api.url, api.vigil, key)
    assert reader.get("/manage").status == 200
    assert post(reader, "/manage/add", FORM | {"source": "manual"}).status == 403
    assert upload(reader, "leaderboard", b"address\n").status == 403


def test_a_form_has_to_be_one(api: Api) -> None:
    assert api("POST", "/manage/add", {"name": "json"}).status == 400
    assert post(api, "/manage/add", {}).status == 422
    number = follow(api, "Without a version")["trader_id"]
    assert post(api, f"/manage/{number}", FORM).status == 400
    assert post(api, f"/manage/{number}/switch", {"active": "maybe"}).status == 400


def test_files_are_taken_up_to_their_limit(api: Api) -> None:
    line = b"address,displayName\n0x" + b"12" * 20 + b",Someone\n"
    taken = upload(api, "leaderboard", line + b"," * 200_000)
    assert taken.status == 303
    assert "Someone" in text(api.get(taken.headers["location"]))
    assert upload(api, "leaderboard", b"nothing").status == 422
    assert upload(api, "telegram", b"nothing").status == 422
    assert upload(api, "picture", line).status == 400
    assert refused(api) == 413


def refused(api: Api) -> int:
    """Status for a body that is announced too large; the server answers before it is sent."""
    request = urllib.request.Request(api.url + "/manage/imports", b"", method="POST")
    request.add_header("Content-Type", "multipart/form-data; boundary=x")
    request.add_unredirected_header("Content-Length", str(MOST_UPLOAD_BYTES + 1))
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_backtest_that_cannot_be_run_says_why(api: Api) -> None:
    nobody = post(api, "/backtests", BACKTEST)
    assert nobody.status == 422
    assert "Whom: give exactly one of traders, universe, trades" in text(nobody)
    both = {"traders": "0x" + "ab" * 20, "label": "seed_100k HFT"}
    assert post(api, "/backtests", BACKTEST | both).status == 422
    wrong = post(api, "/backtests", BACKTEST | {"traders": "0x" + "ab" * 20, "lag_s": "soon"})
    assert wrong.status == 422
    assert "Lag s: expected a number" in text(wrong)
    assert 'value="soon"' in text(wrong)


def test_the_worker_runs_what_waits_and_stores_why_it_could_not(api: Api) -> None:
    asked = post(api, "/backtests", BACKTEST | {"traders": "0x" + "ab" * 20})
    assert asked.status == 303
    number = asked.headers["location"].rsplit("/", 1)[1]
    found = waited(api, number)
    # Nothing is loaded here.
    assert found["status"] == "failed"
    shown = text(api.get(f"/backtests/{number}"))
    assert "It could not be run." in shown
    assert found["error"] in shown
    assert api.get(f"/backtests/{number}/result").status == 404
    assert 'value="2025-09-01"' in text(api.get("/backtests", again=number))


def waited(api: Api, number: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = api.get(f"/api/backtests/{number}").body
        if found["status"] in {"done", "failed"}:
            return dict(found)
        time.sleep(0.05)
    raise AssertionError(found)


@pytest.fixture
def another(installation: Installation) -> Iterator[Api]:
    with serving(installation) as api:
        yield api


def test_what_another_process_entered_is_found(api: Api, another: Api) -> None:
    """Two applications share what waits: each is run once, by whoever comes first."""
    numbers = [
        post(one, "/backtests", BACKTEST | {"traders": f"0x{n:040x}"}).headers["location"]
        for n, one in enumerate([api, another] * 3, 1)
    ]
    found = [waited(api, number.rsplit("/", 1)[1]) for number in numbers]
    assert {one["status"] for one in found} == {"failed"}
