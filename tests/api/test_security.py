"""Who may do what: every route by every kind of caller, and what browsers are made to do."""

import logging
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlencode, urlsplit

import pytest
from fastapi.routing import iter_route_contexts

from tests.api.conftest import Api, serving
from tests.conftest import Installation
from vigil_api.app import create_routes
from vigil_api.gate import HEADERS
from vigil_api.limits import Limits
from vigil_cli import connections
from vigil_resources.api_keys import ApiKeys

TOKEN = "a-token-of-the-test-6b1d"
ID = "0x" + "ab" * 20


@pytest.fixture(scope="module")
def keys(installation: Installation) -> dict[str, str]:
    with installation.warehouse.connect() as connection:
        made = ApiKeys(connection)
        named = {
            "read": made.create("reader", ["read"]),
            "manage": made.create("manager", ["manage"]),
            "admin": made.create("admin", ["admin"]),
            "expired": made.create("expired", ["admin"], valid_ms=-1),
            "revoked": made.create("revoked", ["admin"]),
        }
        made.revoke(named["revoked"].split("_")[1])
    named["wrong"] = named["admin"][:-1] + ("A" if named["admin"][-1] != "A" else "B")
    named["nonsense"] = "x"
    return named


@pytest.fixture(scope="module")
def guarded(installation: Installation) -> Iterator[Api]:
    """With a token set, so that writes need one even here."""
    with serving(installation, api_token=TOKEN) as here:
        yield here


def operations(installation: Installation) -> list[tuple[str, str]]:
    """Every (method, path) under `/api`, from the description."""
    paths = create_routes(installation.settings).openapi()["paths"]
    named = {"{id}": ID, "{address}": ID, "{day}": "2025-09-01"}
    return [
        (method.upper(), re.sub(r"\{\w+\}", lambda found: named[found[0]], path))
        for path, methods in paths.items()
        if path.startswith("/api/")
        for method in methods
    ]


def test_every_route_by_every_kind_of_caller(guarded: Api, keys: dict[str, str]) -> None:
    found = operations(guarded.vigil)
    assert len(found) >= 12
    for method, path in found:
        statuses = {
            name: Api(guarded.url, guarded.vigil, key)(method, path).status
            for name, key in {**keys, "token": TOKEN}.items()
        } | {"nobody": guarded(method, path).status}
        refused = {name for name, status in statuses.items() if status == 401}
        lacking = {name for name, status in statuses.items() if status == 403}
        bad = {"expired", "revoked", "wrong", "nonsense"}
        if method == "GET":
            assert (refused, lacking) == (bad, set()), (method, path)
        else:
            assert (refused, lacking) == (bad | {"nobody"}, {"read"}), (method, path)


def test_what_a_proxy_hands_on_is_not_from_here(api: Api, keys: dict[str, str]) -> None:
    for name in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        answer = api("GET", "/api/traders", **{name: "127.0.0.1"})
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="vigil"')
    known = Api(api.url, api.vigil, keys["read"])
    assert known("GET", "/api/traders", x_forwarded_for="1.2.3.4").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({"Sec-Fetch-Site": "none"}, 404),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({}, 404),
    ],
)
def test_other_sites_cannot_write(api: Api, headers: dict[str, str], status: int) -> None:
    assert api("POST", f"/api/traders/{ID}/toggle", **headers).status == status
    assert api("GET", "/api/traders", **headers).status == 200


def test_an_origin_of_our_own_may_write(api: Api) -> None:
    assert api("POST", f"/api/traders/{ID}/toggle", origin=api.url).status == 404


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "", "[::"])
def test_another_host_is_refused(api: Api, host: str) -> None:
    answer = api("GET", "/healthz", host=host)
    assert answer.status == 400
    if host:
        assert answer.body["type"] == "/problems/unknown-host"


def test_every_answer_carries_the_headers(api: Api) -> None:
    for method, path in [
        ("GET", "/healthz"),
        ("GET", "/nothing"),
        ("PATCH", "/healthz"),
        ("GET", "/login"),
        ("OPTIONS", "/api/traders"),
        ("GET", "/api/traders?limit=0"),
    ]:
        answer = api(method, path)
        for name, value in HEADERS.items():
            assert answer.headers[name.lower()] == value
        assert answer.headers["cache-control"] == "no-store"
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
        assert "server" not in answer.headers


def test_a_browser_logs_in_with_a_key_and_out_again(guarded: Api, keys: dict[str, str]) -> None:
    form = lambda key: urlencode({"key": key}).encode()  # noqa: E731
    typed = {"content_type": "application/x-www-form-urlencoded"}
    assert guarded("GET", "/login").status == 200
    assert guarded("POST", "/login", raw=form(keys["wrong"]), **typed).status == 401

    entered = guarded("POST", "/login", raw=form(keys["manage"]), **typed)
    assert (entered.status, entered.headers["location"]) == (303, "/")
    cookie = entered.headers["set-cookie"]
    assert {"HttpOnly", "Max-Age=43200", "SameSite=strict"} <= set(cookie.split("; "))
    session = cookie.partition(";")[0]
    where = f"/api/traders/{ID}/toggle"
    assert guarded("POST", where).status == 401
    assert guarded("POST", where, cookie=session).status == 404
    assert guarded("POST", where, cookie=session, sec_fetch_site="cross-site").status == 403
    assert guarded("POST", "/logout", cookie=session).status == 303
    assert guarded("POST", where, cookie=session).status == 401


def test_a_revoked_key_ends_its_sessions(guarded: Api) -> None:
    with guarded.vigil.warehouse.connect() as connection:
        key = ApiKeys(connection).create("short", ["manage"])
        key_id = key.split("_")[1]
        session = f"vigil_session={ApiKeys(connection).begin_session(key_id)}"
    where = f"/api/traders/{ID}/toggle"
    assert guarded("POST", where, cookie=session).status == 404
    with guarded.vigil.warehouse.connect() as connection:
        ApiKeys(connection).revoke(key_id)
    assert guarded("POST", where, cookie=session).status == 401


def test_away_from_loopback_the_cookie_is_for_tls_only(installation: Installation) -> None:
    with installation.warehouse.connect() as connection:
        key = ApiKeys(connection).create("far", ["read"])
    with serving(installation, api_names=("vigil.example",)) as here:
        entered = here(
            "POST",
            "/login",
            raw=urlencode({"key": key}).encode(),
            host="vigil.example",
            content_type="application/x-www-form-urlencoded",
        )
    assert "Secure" in entered.headers["set-cookie"].split("; ")


def test_methods_of_a_path(api: Api) -> None:
    answer = api("PATCH", f"/api/traders/{ID}")
    assert answer.status == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert api("OPTIONS", f"/api/traders/{ID}").headers["allow"] == answer.headers["allow"]
    whole = api("GET", "/api/traders")
    head = api("HEAD", "/api/traders")
    assert (head.status, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]


def test_every_method_of_a_path_is_registered_once(installation: Installation) -> None:
    seen = set()
    for route in iter_route_contexts(create_routes(installation.settings).routes):
        for method in route.methods or ():
            pair = (method, re.sub(r"\{[^}]*\}", "{}", str(route.path)))
            assert pair not in seen
            seen.add(pair)
    assert len(seen) > 15


@pytest.mark.parametrize("limits", [Limits(local_rate=2, burst_seconds=1)])
def test_too_many_requests_are_told_when_to_come_again(
    installation: Installation, limits: Limits
) -> None:
    with serving(installation, limits) as here:
        answers = [here("GET", "/healthz") for _ in range(8)]
    late = [answer for answer in answers if answer.status == 429]
    assert len(late) >= 4
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in late)


def test_large_and_slow_bodies_end_early(installation: Installation) -> None:
    with serving(installation, Limits(body_seconds=0.5)) as here:
        assert here("POST", "/api/traders", raw=b"x" * 65537).status == 413
        large = (
            "POST /api/traders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\nxxx"
        )
        assert _spoken(here, large).startswith("HTTP/1.1 413")
        chunked = (
            "POST /api/traders HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            "11170\r\n" + "x" * 70000 + "\r\n0\r\n\r\n"
        )
        assert _spoken(here, chunked).startswith("HTTP/1.1 413")
        slow = "POST /api/traders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        assert _spoken(here, slow).startswith("HTTP/1.1 408")


def _spoken(here: Api, text: str) -> str:
    with socket.create_connection(("127.0.0.1", urlsplit(here.url).port or 0), timeout=10) as line:
        line.sendall(text.encode())
        return line.recv(65536).decode()


def test_no_secret_stands_in_log_answer_or_database(
    guarded: Api, keys: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [TOKEN, *(keys[name].split("_", 2)[2] for name in ("read", "manage", "admin"))]
    said = repr(guarded.vigil.settings)
    for method, path in operations(guarded.vigil):
        for key in (TOKEN, *keys.values()):
            said += str(Api(guarded.url, guarded.vigil, key)(method, f"{path}?q={key}"))
            said += str(guarded(method, path, {"key": key}, cookie=f"vigil_session={key}"))
    # The server's own log of requests is off; pytest listens to it nevertheless.
    records = [record for record in caplog.records if record.name != "uvicorn.access"]
    said += "".join(record.getMessage() for record in records)
    said += str(guarded.vigil.records("SELECT to_jsonb(k) AS k FROM api_keys AS k"))
    said += str(guarded.vigil.records("SELECT to_jsonb(i) AS i FROM idempotency_keys AS i"))
    assert any(record.name == "vigil.access" for record in records)
    assert [secret for secret in secrets if secret in said] == []


def test_who_comes_by_a_proxy_takes_nothing_from_who_is_here(installation: Installation) -> None:
    with serving(installation, Limits(local_rate=40, rate=2, burst_seconds=1)) as here:
        proxied = [here("GET", "/healthz", via="1.1 proxy").status for _ in range(20)]
        assert 429 in proxied
        assert [here("GET", "/healthz").status for _ in range(10)] == [200] * 10


def test_heads_that_are_too_large_end_with_an_answer(api: Api) -> None:
    begin = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    for text in (
        begin + "X-Long: " + "y" * 8_000_000,
        begin + ("X-Long: " + "y" * 8_000 + "\r\n") * 1_000,
        begin + "".join(f"X-{n}: y\r\n" for n in range(200)) + "\r\n",
        "GET /?q=" + "y" * 40_000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        heard = _spoken(api, text)
        assert heard.startswith("HTTP/1.1 431 "), heard[:200]
        assert '"type": "/problems/head-too-large"' in heard
        assert "content-security-policy" in heard.lower()
    assert api("GET", "/healthz").status == 200


def test_heads_that_do_not_come_end_with_an_answer(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    for text in ("", "GET /healthz HTTP/1.1\r\nHost: loc"):
        assert _spoken(api, text).startswith("HTTP/1.1 408 ")


def test_the_rest_of_a_refused_body_is_not_waited_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answered already, a caller could otherwise hold the connection by a byte now and then."""
    monkeypatch.setattr(connections, "DRAIN_SECONDS", 0.3)
    text = "POST /api/traders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", urlsplit(api.url).port or 0), timeout=10) as line:
        line.sendall(text.encode())
        assert line.recv(65536).startswith(b"HTTP/1.1 413")
        line.settimeout(5)
        deadline = time.monotonic() + 5
        try:
            while time.monotonic() < deadline:
                line.sendall(b"x")
                time.sleep(0.02)
        except ConnectionError:
            return
        pytest.fail("the connection is kept")


def test_more_connections_than_are_kept_are_told_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    place = ("127.0.0.1", urlsplit(api.url).port or 0)
    with ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection(place, 5)) for _ in range(6)]
        assert lines[-1].recv(65536).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("more", ["0, 5", "+5", "5\r\nTransfer-Encoding: chunked"])
def test_a_request_whose_end_is_unclear_hides_none(api: Api, more: str) -> None:
    hidden = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
    begin = f"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: {more}\r\n\r\n"
    heard = _spoken(api, begin + hidden)
    assert "/hidden" not in heard
    assert heard.startswith("HTTP/1.1 400")


def test_a_websocket_is_no_way_beside_the_gate(api: Api) -> None:
    ask = (
        "GET /healthz HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
    )
    heard = _spoken(api, ask)
    assert heard.startswith("HTTP/1.1 400")
    assert "unknown-host" in heard


@pytest.mark.parametrize("key_id", ["\0" * 8, "ABCDEFGH", "ÄÖÜäöüßé", "%27 OR 1=", "abcdefg"])
def test_what_cannot_be_a_key_is_none(api: Api, key_id: str) -> None:
    for key in (f"vgl_{key_id}_{'A' * 43}", f"vgl_abcdefgh_{key_id * 6:.43}", f"{key_id}\0"):
        entered = api(
            "POST",
            "/login",
            raw=urlencode({"key": key}).encode(),
            content_type="application/x-www-form-urlencoded",
        )
        assert entered.status == 401, (key, entered)
