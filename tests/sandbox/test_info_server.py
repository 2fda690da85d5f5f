"""The simulated info API: its manners, its accounts and its faults, seen by a plain client."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.budget import WeightBudget
from vigil_sandbox.info_server import (
    REFUSAL,
    Answers,
    Fault,
    InfoServer,
    Manners,
    WireRow,
    candle_rows,
    funding_rows,
)
from vigil_sandbox.world import World

START = 1_772_323_200_000
MINUTE_MS = 60_000
USER = "0x" + "ab" * 20


def rates(count: int) -> list[WireRow]:
    rows = [
        {"time": START + n * 3_600_000, "rate": Decimal(n), "premium": None} for n in range(count)
    ]
    return funding_rows("BTC", rows)


def minutes(count: int) -> list[WireRow]:
    price = Decimal("1.50")
    rows = [
        {
            "open_time": START + n * MINUTE_MS,
            **dict.fromkeys(("open", "high", "low", "close", "volume"), price),
            "trades": n,
        }
        for n in range(count)
    ]
    return candle_rows("BTC", "1m", rows)


def post(server: InfoServer, request: object) -> tuple[int, str, bytes]:
    """Status, type and body of an answer; raises what the connection does."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=0.5)
    try:
        connection.request("POST", "/info", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, str(answer.getheader("Content-Type")), answer.read()
    finally:
        connection.close()


def rows(server: InfoServer, request: WireRow) -> Any:
    status, kind, body = post(server, request)
    assert (status, kind) == (200, "application/json")
    return json.loads(body)


FUNDING = {"type": "fundingHistory", "coin": "BTC", "startTime": 0}
CANDLES = {
    "type": "candleSnapshot",
    "req": {"coin": "BTC", "interval": "1m", "startTime": 0, "endTime": START * 2},
}


@pytest.fixture
def server() -> Iterator[InfoServer]:
    fills = [{"time": START + n // 2, "tid": n} for n in range(12_000)]
    answers = Answers(
        # In no order: the server sorts.
        funding={"BTC": rates(1_200)[::-1]},
        candles={("BTC", "1m"): minutes(6_000)[::-1]},
        fills={USER: fills},
        meta={"": {"universe": [1]}, "xyz": {"universe": [2]}},
        states={(USER, "xyz"): {"withdrawable": "1.0"}},
    )
    with InfoServer(answers, Manners(weight_per_window=10**9)) as server:
        yield server


def test_funding_comes_oldest_first_and_five_hundred_at_a_time(server: InfoServer) -> None:
    found = rows(server, FUNDING)
    assert found == rates(500)
    assert found[1] == {
        "coin": "BTC",
        "fundingRate": "1.0",
        "premium": None,
        "time": START + 3_600_000,
    }


def test_both_ends_of_a_window_belong_to_it(server: InfoServer) -> None:
    window = {"startTime": START, "endTime": START + 2 * 3_600_000}
    assert rows(server, FUNDING | window) == rates(3)


def test_only_the_latest_candles_can_be_had(server: InfoServer) -> None:
    found = rows(server, CANDLES)
    assert found == minutes(6_000)[1_000:]
    assert found[0]["T"] == found[0]["t"] + MINUTE_MS - 1
    assert (found[0]["o"], found[0]["v"], found[0]["n"]) == ("1.5", "1.5", 1_000)


def test_window_beyond_reach_is_an_empty_list(server: InfoServer) -> None:
    early = CANDLES["req"] | {"endTime": START + 10 * MINUTE_MS}  # type: ignore[operator]
    assert rows(server, CANDLES | {"req": early}) == []


def test_candle_around_the_start_of_a_window_comes_too(server: InfoServer) -> None:
    at = START + 5_000 * MINUTE_MS
    window = CANDLES["req"] | {"startTime": at + 1, "endTime": at + 2}  # type: ignore[operator]
    assert [row["t"] for row in rows(server, CANDLES | {"req": window})] == [at]


def test_fills_reach_back_ten_thousand_and_come_two_thousand_at_a_time(server: InfoServer) -> None:
    found = rows(server, {"type": "userFillsByTime", "user": USER, "startTime": 0})
    assert [row["tid"] for row in found] == list(range(2_000, 4_000))


def test_latest_fills_come_newest_first(server: InfoServer) -> None:
    found = rows(server, {"type": "userFills", "user": USER})
    assert [row["tid"] for row in found] == list(range(11_999, 9_999, -1))
    assert server.weight == 120


def test_twap_slices_are_among_themselves() -> None:
    fills = [{"time": START + n, "tid": n, "twapId": 9 if n % 2 else None} for n in range(4_200)]
    with InfoServer(Answers(fills={USER: fills}), Manners(weight_per_window=10**6)) as server:
        found = rows(server, {"type": "userTwapSliceFills", "user": USER})
        assert [row["fill"]["tid"] for row in found] == list(range(4_199, 199, -2))
        assert {row["twapId"] for row in found} == {9}
        orders = rows(server, {"type": "userFillsByTime", "user": USER, "startTime": 0})
        assert [row["tid"] for row in orders] == list(range(0, 4_000, 2))


def test_dexes_are_told_apart(server: InfoServer) -> None:
    assert rows(server, {"type": "meta"}) == {"universe": [1]}
    assert rows(server, {"type": "meta", "dex": "xyz"}) == {"universe": [2]}
    state = {"type": "clearinghouseState", "user": USER}
    assert rows(server, state | {"dex": "xyz"}) == {"withdrawable": "1.0"}
    assert rows(server, state)["assetPositions"] == []


@pytest.mark.parametrize(
    "request_",
    [
        FUNDING | {"coin": "NOPE"},
        {
            "type": "candleSnapshot",
            "req": {"coin": "NOPE", "interval": "1m", "startTime": 0, "endTime": 1},
        },
        {"type": "meta", "dex": "nope"},
    ],
)
def test_unknown_name_is_null(server: InfoServer, request_: WireRow) -> None:
    assert rows(server, request_) is None


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"[",
        b"[]",
        {},
        {"type": "nope"},
        {"type": "fundingHistory", "coin": "BTC"},
        {"type": "fundingHistory", "startTime": 0},
        FUNDING | {"coin": 7},
        FUNDING | {"startTime": "0"},
        FUNDING | {"startTime": True},
        FUNDING | {"endTime": "1"},
        {"type": "candleSnapshot", "coin": "BTC", "interval": "1m", "startTime": 0},
        {
            "type": "candleSnapshot",
            "req": {"coin": "BTC", "interval": "7m", "startTime": 0, "endTime": 1},
        },
        {"type": "clearinghouseState"},
        {"type": "clearinghouseState", "user": "0x1"},
        {"type": "userFillsByTime", "user": USER},
    ],
)
def test_request_that_is_none_is_refused(server: InfoServer, request_: object) -> None:
    status, kind, body = post(server, request_)
    assert (status, kind, body.decode()) == (422, "text/plain", REFUSAL)


def test_accounts_are_kept(server: InfoServer) -> None:
    rows(server, FUNDING)  # 20 + 500 / 20
    rows(server, CANDLES)  # 20 + 5,000 / 60, rounded up
    rows(server, {"type": "userFillsByTime", "user": USER, "startTime": 0})  # 20 + 2,000 / 20
    rows(server, {"type": "clearinghouseState", "user": USER})
    rows(server, {"type": "meta"})
    assert [asked.weight for asked in server.asked] == [45, 104, 120, 2, 20]
    assert (server.requests, server.weight, server.peak_weight) == (5, 291, 291)
    assert json.loads(server.asked[0].body) == FUNDING
    server.forget()
    assert (server.requests, server.weight, server.peak_weight) == (0, 0, 0)


def test_weight_over_the_limit_is_refused_until_the_minute_is_over() -> None:
    now = [0.0]
    with InfoServer(Answers(meta={"": {}}), clock=lambda: now[0]) as server:
        statuses = Counter(post(server, {"type": "meta"})[0] for _ in range(62))
        assert statuses == {200: 60, 429: 2}
        assert post(server, {"type": "meta"})[2] == b"null"
        assert (server.refused, server.peak_weight) == (3, 1_200)
        now[0] = 59.9
        assert post(server, {"type": "meta"})[0] == 429
        now[0] = 60.0
        assert post(server, {"type": "meta"})[0] == 200
        assert server.peak_weight == 1_200


def test_rows_are_charged_after_the_answer() -> None:
    """The limit is looked at before: one heavy answer may go beyond it, the next is refused."""
    answers = Answers(funding={"BTC": rates(500)})
    with InfoServer(answers, Manners(weight_per_window=30)) as server:
        assert post(server, FUNDING)[0] == 200
        assert post(server, FUNDING)[0] == 429
        assert server.peak_weight == 45


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (Fault.SERVER_ERROR, (500, b'"internal error"')),
        (Fault.NULL_ERROR, (500, b"null")),
        (Fault.TOO_MANY, (429, b"null")),
        (Fault.NULL, (200, b"null")),
    ],
)
def test_fault_is_answered(server: InfoServer, fault: Fault, seen: tuple[int, bytes]) -> None:
    server.inject(fault)
    status, _, body = post(server, FUNDING)
    assert (status, body) == seen
    assert server.asked[0].fault is fault
    assert rows(server, FUNDING) == rates(500)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.RESET, ConnectionResetError),
        (Fault.HANG, TimeoutError),
        (Fault.TRUNCATED, http.client.IncompleteRead),
    ],
)
def test_fault_breaks_the_connection(
    server: InfoServer, fault: Fault, error: type[Exception]
) -> None:
    server.inject(fault)
    with pytest.raises(error):
        post(server, FUNDING)
    assert rows(server, FUNDING) == rates(500)


def test_cut_body_comes_whole_and_is_no_json(server: InfoServer) -> None:
    server.inject(Fault.CUT_JSON)
    status, _, body = post(server, FUNDING)
    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


def test_slow_answer_is_whole(server: InfoServer) -> None:
    server.inject(Fault.SLOW)
    assert rows(server, FUNDING) == rates(500)
    assert server.asked[0].fault is Fault.SLOW


def test_faults_come_in_order_and_only_where_they_are_meant(server: InfoServer) -> None:
    server.inject(Fault.NULL, 2, only="meta")
    server.inject(Fault.SERVER_ERROR)
    assert post(server, FUNDING)[0] == 500
    assert rows(server, FUNDING) == rates(500)
    assert [rows(server, {"type": "meta"}) for _ in range(3)] == [None, None, {"universe": [1]}]


def test_seed_decides_what_is_spoiled() -> None:
    def spoiled(seed: int, order: list[int]) -> dict[bytes, list[Fault | None]]:
        info = InfoServer(Answers(funding={"BTC": []}), Manners(weight_per_window=10**9))
        info.spoil(0.3, seed, [Fault.NULL, Fault.RESET])
        seen: dict[bytes, list[Fault | None]] = {}
        for start in order:
            body = json.dumps(FUNDING | {"startTime": start}).encode()
            seen.setdefault(body, []).append(info.answer(body)[2])
        return seen

    first = spoiled(1, [*range(300), *range(300)])
    assert first == spoiled(1, [*range(299, -1, -1), *range(300)])
    assert first != spoiled(2, [*range(300), *range(300)])
    counts = Counter(fault for faults in first.values() for fault in faults)
    assert 120 < counts[Fault.NULL] + counts[Fault.RESET] < 240
    assert min(counts.values()) > 40


def test_other_paths_are_not_found(server: InfoServer) -> None:
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=5)
    connection.request("POST", "/exchange", b"{}")
    assert connection.getresponse().status == 404
    connection.close()
    assert server.requests == 0


def test_address_is_free_again_afterwards() -> None:
    with InfoServer(Answers(meta={"": {}})) as server:
        post(server, {"type": "meta"})
        server.inject(Fault.HANG)
        with pytest.raises(TimeoutError):
            post(server, {"type": "meta"})
    with pytest.raises(ConnectionRefusedError):
        post(server, {"type": "meta"})


def test_world_is_served_as_it_was_written(tiny: World, tmp_path: Path) -> None:
    answers = Answers.of_world(tiny.root)
    assert "PURR/USDC" in {coin for coin, _ in answers.candles}
    budget = WeightBudget(tmp_path, 10**6)
    with InfoServer(answers, Manners(weight_per_window=10**6)) as server:
        api = ExchangeApi(server.url, budget)
        for coin, written in answers.funding.items():
            frame = api.funding_history(coin, 0, 2 * START)
            assert frame["rate"].to_list() == [Decimal(row["fundingRate"]) for row in written]
        written = answers.candles["BTC", "1m"]
        assert sum(map(len, answers.fills.values())) == tiny.fill_count
        address = max(answers.fills, key=lambda one: len(answers.fills[one]))
        ordinary = [row for row in answers.fills[address] if row["twapId"] is None]
        assert 0 < len(ordinary) < 10_000
        assert api.user_fills_by_time(address).rows.height == len(ordinary)
        candles = api.candles("BTC", "1m", 0, 2 * START, now_ms=2 * START)
        expected = [row["t"] for row in sorted(written, key=lambda row: row["t"])][-5_000:]
        assert candles.rows["open_time"].to_list() == expected
