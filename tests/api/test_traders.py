"""Followed traders over HTTP: what is set, by whom, and that no change is lost."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from tests.api.conftest import Api

_numbers = count(1)


def an_address() -> str:
    return f"0x51b0{next(_numbers):036x}"


def test_a_trader_is_added_read_and_known_by_version(api: Api) -> None:
    address = an_address()
    body = {"user_address": address.upper().replace("0X", "0x"), "name": "first of all"}
    added = api("POST", "/api/traders", body, idempotency_key="first")
    assert added.status == 201
    trader = added.body
    assert added.headers["location"] == f"/api/traders/{trader['trader_id']}"
    assert trader["user_address"] == address
    assert (trader["state"], trader["active"]) == ("evaluating", False)
    assert trader["base_size_usd"] == "200"
    assert trader["position_multiplier"] == 1.0
    assert trader["followed_from"] == "1970-01-01T00:00:00.000Z"
    assert trader["updated_by"] == "local"

    for which in (trader["trader_id"], address):
        found = api.get(f"/api/traders/{which}")
        assert found.body == trader
        assert found.headers["etag"] == added.headers["etag"]
    same = api("GET", f"/api/traders/{address}", if_none_match=added.headers["etag"])
    assert (same.status, same.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "body", "changed"),
    [
        ("/multiplier", {"position_multiplier": 1.25}, {"position_multiplier": 1.25}),
        ("/tokens", {"token_blacklist": ["BTC"]}, {"token_blacklist": ["BTC"]}),
        ("/alerts", {"drawdown_limit": -15}, {"drawdown_limit": -15.0}),
        ("", {"name": "0", "base_size_usd": "12.50"}, {"base_size_usd": "12.50"}),
    ],
)
def test_a_change_names_the_version_that_it_changes(
    api: Api, path: str, body: dict[str, Any], changed: dict[str, Any]
) -> None:
    trader = api.add(an_address())
    where = f"/api/traders/{trader['trader_id']}{path}"
    if "name" in body:
        body = body | {"name": trader["name"]}

    assert api("PUT", where, body).status == 428
    tag = f'"{trader["trader_id"]}-1"'
    done = api("PUT", where, body, if_match=tag)
    assert done.status == 200
    assert done.body.items() >= changed.items()
    assert done.body["version"] == 2
    stale = api("PUT", where, body, if_match=tag)
    assert stale.status == 412
    assert stale.headers["etag"] == done.headers["etag"]
    assert stale.body["type"] == "/problems/stale-version"

    of_another = f'"{trader["trader_id"] + 1}-2"'
    assert api("PUT", where, body, if_match=of_another).status == 412
    [newest, first] = api.get(f"/api/traders/{trader['trader_id']}/history").body["items"]
    assert (newest["version"], first["old_values"]) == (2, None)
    assert set(newest["new_values"]) == set(changed)


def test_an_address_and_a_name_are_followed_once(api: Api) -> None:
    trader = api.add(an_address())
    for body in (
        {"user_address": trader["user_address"], "name": "another"},
        {"user_address": an_address(), "name": trader["name"]},
    ):
        assert (
            api(
                "POST", "/api/traders", body, idempotency_key=str(body)[:100].replace(" ", "")
            ).status
            == 409
        )


def test_a_duplicate_is_a_further_variant_with_the_same_settings(api: Api) -> None:
    trader = api.add(an_address(), max_leverage=7.5)
    where = f"/api/traders/{trader['trader_id']}/duplicate"
    variant = api("POST", where).body
    assert (variant["variant"], variant["max_leverage"]) == (2, 7.5)
    assert variant["name"] == f"{trader['name']} (2)"
    other = api("POST", where, {"user_address": an_address(), "name": "other"}).body
    assert (other["variant"], other["max_leverage"]) == (1, 7.5)


def test_a_switch_says_what_it_should_be_or_flips(api: Api) -> None:
    where = f"/api/traders/{api.add(an_address())['trader_id']}/toggle"
    states = [api("POST", where, body).body for body in ({"active": True}, {"active": True}, None)]
    assert [(s["active"], s["version"]) for s in states] == [(True, 2), (True, 2), (False, 3)]


def test_what_is_archived_stays_as_it_was(api: Api) -> None:
    trader = api.add(an_address())
    where = f"/api/traders/{trader['trader_id']}"
    assert api("DELETE", where).status == 428
    assert api("DELETE", where, if_match=f'"{trader["trader_id"]}-1"').status == 204
    kept = api.get(where).body
    assert (kept["state"], kept["version"]) == ("archived", 2)
    assert api("POST", f"{where}/toggle").status == 409
    assert api.get(f"/api/traders/{trader['user_address']}").status == 404
    # Whoever is archived may be followed anew.
    assert api.add(trader["user_address"], key="anew")["trader_id"] != trader["trader_id"]


def test_writers_at_once_lose_nothing(api: Api) -> None:
    trader = api.add(an_address())
    where = f"/api/traders/{trader['trader_id']}/multiplier"

    def write(n: int) -> int:
        done = 0
        for turn in range(10):
            tag = api.get(f"/api/traders/{trader['trader_id']}").headers["etag"]
            body = {"position_multiplier": 0.5 + (n * 10 + turn) / 100}
            answer = api("PUT", where, body, if_match=tag)
            assert answer.status in {200, 412}
            done += answer.status == 200
        return done

    with ThreadPoolExecutor(8) as pool:
        successes = sum(pool.map(write, range(8)))
    assert api.get(f"/api/traders/{trader['trader_id']}").body["version"] == 1 + successes
    versions = api.get(f"/api/traders/{trader['trader_id']}/history", limit=500).body["items"]
    assert [v["version"] for v in versions] == list(range(1 + successes, 0, -1))
    assert successes > 8


def test_pages_hold_each_trader_once_while_others_come(api: Api) -> None:
    before = {api.add(an_address(), note="paged")["trader_id"] for _ in range(7)}
    seen: list[int] = []
    path = "/api/traders?limit=2&sort=created&q=0x51b0"
    while path:
        page = api.get(path)
        seen += [trader["trader_id"] for trader in page.body["items"]]
        # The newest come first: a further one belongs before all that were seen.
        api.add(an_address())
        path = page.headers.get("link", "<>").partition(">")[0][1:]
    assert len(seen) == len(set(seen))
    assert before <= set(seen)


@pytest.mark.parametrize("sort", ["priority", "name", "created", "updated"])
def test_every_sort_pages_in_its_order(api: Api, sort: str) -> None:
    for priority in (3, 1, 2):
        api.add(an_address(), priority=priority)
    whole = api.get("/api/traders", sort=sort, limit=500).body["items"]
    paged, cursor = [], {}
    while True:
        page = api.get("/api/traders", sort=sort, limit=3, **cursor).body
        paged += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert paged == whole
    other = "name" if sort != "name" else "created"
    foreign = api.get("/api/traders", sort=sort, limit=1).body["next"]
    assert api.get("/api/traders", sort=other, cursor=foreign).status == 400


def test_filters(api: Api) -> None:
    trader = api.add(an_address(), name="Filtered One")
    ids = lambda **query: [t["trader_id"] for t in api.get("/api/traders", **query).body["items"]]  # noqa: E731
    assert ids(q="filtered o") == ids(q=trader["user_address"]) == [trader["trader_id"]]
    assert ids(q="filtered", active="true") == ids(q="filtered", coin="BTC") == []
    assert ids(**{"q": "filtered", "class": "RETAIL"}) == []


def test_any_version_is_any_even_where_others_change_it_meanwhile(api: Api) -> None:
    """`If-Match: *` names no version, so there is none to be stale."""
    where = f"/api/traders/{api.add(an_address())['trader_id']}"

    def change(n: int) -> int:
        body = {"position_multiplier": 0.5 + n / 100}
        return api("PUT", f"{where}/multiplier", body, if_match="*").status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(change, range(80))) == {200}
    assert api.get(where).body["version"] == 81
    assert api("DELETE", where, if_match="*").status == 204
    assert api("PUT", f"{where}/multiplier", {"position_multiplier": 1}, if_match="*").status == 409


@pytest.mark.parametrize("digits", [20, 400, 4_000])
def test_a_whole_number_of_many_digits_is_out_of_bounds(api: Api, digits: int) -> None:
    where = f"/api/traders/{api.add(an_address())['trader_id']}"
    for part, name in (("multiplier", "position_multiplier"), ("alerts", "drawdown_limit")):
        raw = f'{{"{name}": {"9" * digits}}}'.encode()
        assert api("PUT", f"{where}/{part}", raw=raw, if_match="*").status == 422
