"""A request that comes again has its effect once, and the same answer."""

import threading
from concurrent.futures import ThreadPoolExecutor

from tests.api.conftest import Api
from tests.api.test_traders import an_address


def test_a_repeat_is_answered_as_the_first_was(api: Api) -> None:
    body = {"user_address": an_address(), "name": "repeated"}
    first = api("POST", "/api/traders", body, idempotency_key="again")
    again = api("POST", "/api/traders", body, idempotency_key="again")
    assert (again.status, again.content) == (first.status, first.content)
    assert again.headers["idempotent-replay"] == "true"
    assert "idempotent-replay" not in first.headers
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["location"] == first.headers["location"]


def test_another_body_under_the_same_key_is_a_conflict(api: Api) -> None:
    body = {"user_address": an_address(), "name": "one body"}
    assert api("POST", "/api/traders", body, idempotency_key="body").status == 201
    other = api("POST", "/api/traders", body | {"name": "two"}, idempotency_key="body")
    assert (other.status, other.body["type"]) == (409, "/problems/other-body")


def test_a_key_belongs_to_its_route(api: Api) -> None:
    trader = api.add(an_address(), key="shared")
    where = f"/api/traders/{trader['trader_id']}/duplicate"
    first = api("POST", where, idempotency_key="shared")
    assert (first.status, first.body["variant"]) == (201, 2)
    assert api("POST", where, idempotency_key="shared").content == first.content


def test_what_failed_may_be_tried_again(api: Api) -> None:
    address = an_address()
    taken = api.add(an_address(), name="taken")
    body = {"user_address": address, "name": "taken"}
    assert api("POST", "/api/traders", body, idempotency_key="retry").status == 409
    gone = f"/api/traders/{taken['trader_id']}/archive"
    assert api("POST", gone).status == 200
    assert api("POST", "/api/traders", body, idempotency_key="retry").status == 201


def test_a_key_is_asked_for(api: Api) -> None:
    missing = api("POST", "/api/traders", {"user_address": an_address(), "name": "no key"})
    assert (missing.status, missing.body["type"]) == (400, "/problems/no-idempotency-key")


def test_twins_at_the_same_time_have_one_effect(api: Api) -> None:
    rounds, twins = 25, 4
    gate = threading.Barrier(twins)

    def ask(turn: int, address: str) -> tuple[int, bytes, bool]:
        gate.wait(timeout=20)
        body = {"user_address": address, "name": f"twin {turn}"}
        answer = api("POST", "/api/traders", body, idempotency_key=f"twin-{turn}")
        return answer.status, answer.content, "idempotent-replay" in answer.headers

    with ThreadPoolExecutor(twins) as pool:
        for turn in range(rounds):
            address = an_address()
            answers = list(pool.map(ask, [turn] * twins, [address] * twins))
            assert {(status, content) for status, content, _ in answers} == {answers[0][:2]}
            assert answers[0][0] == 201
            assert [replayed for *_, replayed in answers].count(False) == 1
            assert api.get("/api/traders", q=address).body["items"][0]["name"] == f"twin {turn}"


def test_answers_are_kept_for_a_day(api: Api) -> None:
    body = {"user_address": an_address(), "name": "yesterday"}
    first = api("POST", "/api/traders", body, idempotency_key="old")
    with api.vigil.warehouse.connect() as connection:
        connection.execute(
            "UPDATE idempotency_keys SET created_at = created_at - 86400001 WHERE key = 'old'"
        )
    api.add(an_address(), key="tidies-up")
    assert first.status == 201
    # No longer a repeat: it is a trader who is there already.
    assert api("POST", "/api/traders", body, idempotency_key="old").status == 409
