"""The info API's client, its weight budget and its cache, against a simulated API on loopback."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.reference.shared_files import shared_file
from vigil_core.calendar import DAY_MS, HOUR_MS, day_start_ms
from vigil_core.errors import InvalidSetting
from vigil_resources.exchange.answers import FUNDING_SCHEMA, USER_FUNDING_SCHEMA
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.budget import Charge, WeightBudget
from vigil_resources.exchange.cache import ExchangeCache, coin_folder
from vigil_resources.exchange.errors import (
    CrowdedInstant,
    ExchangeRefused,
    ExchangeSilent,
    UnexpectedAnswer,
)
from vigil_resources.exchange.transport import HttpTransport, Reply
from vigil_resources.files.store import Store
from vigil_sandbox.info_server import Answers, Fault, InfoServer, Manners, WireRow

MINUTE_MS = 60_000
DAY = date(2026, 3, 1)
START = day_start_ms(DAY)
USER = "0x" + "ab" * 20


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now
        self.pauses: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds


class Free:
    """A budget that lets all through and keeps the accounts."""

    def __init__(self) -> None:
        self.settled: list[tuple[int, int]] = []
        self.slowed = 0

    def reserve(self, weight: int) -> Charge:
        return Charge(0, weight)

    def settle(self, charge: Charge, weight: int) -> None:
        self.settled.append((charge.weight, weight))

    def slow_down(self) -> None:
        self.slowed += 1


class Direct:
    """The simulated API without a network between."""

    def __init__(self, info: InfoServer) -> None:
        self.info = info

    def post(self, body: bytes, timeout_s: float) -> Reply:
        assert timeout_s > 0
        status, text, _ = self.info.answer(body)
        return Reply(status, text.encode())


class Script:
    """Answers in turn, the last one for ever; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []

    def post(self, body: bytes, timeout_s: float) -> Reply:
        assert timeout_s > 0
        self.bodies.append(body)
        answer = self.answers[min(len(self.bodies), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Reply):
            return answer
        return Reply(200, json.dumps(answer).encode())


def api_of(transport: Any, budget: Free | None = None, **options: Any) -> ExchangeApi:
    fake = FakeTime()
    options = {"clock": fake.clock, "sleep": fake.sleep, "jitter": lambda: 1.0} | options
    return ExchangeApi("http://127.0.0.1:9", budget or Free(), transport=transport, **options)


def direct(answers: Answers, manners: Manners | None = None) -> tuple[ExchangeApi, InfoServer]:
    generous = manners or Manners(weight_per_window=10**9)
    info = InfoServer(answers, generous)
    return api_of(Direct(info)), info


def rate(time_ms: int, text: str = "0.0000125", coin: str = "BTC") -> WireRow:
    return {"coin": coin, "fundingRate": text, "premium": "0.0001", "time": time_ms}


def hourly(hours: int, start: int = START, coin: str = "BTC") -> list[WireRow]:
    """Rates of as many hours, stamped some ms after each."""
    return [rate(start + h * HOUR_MS + 7 * h % 90, f"0.{h:010d}", coin) for h in range(hours)]


def candle(open_ms: int, interval: str = "1m", length: int = MINUTE_MS, n: int = 3) -> WireRow:
    text = f"{100 + open_ms // MINUTE_MS % 50}.5"
    return {
        "t": open_ms,
        "T": open_ms + length - 1,
        "s": "BTC",
        "i": interval,
        **dict.fromkeys("ohlc", text),
        "v": "1.25",
        "n": n,
    }


def minutes(count: int, start: int = START) -> list[WireRow]:
    return [candle(start + m * MINUTE_MS) for m in range(count)]


def fill(time_ms: int, tid: int, **more: Any) -> WireRow:
    return {
        "coin": "BTC",
        "px": "95901.0",
        "sz": "0.00016",
        "side": "B",
        "time": time_ms,
        "startPosition": "0.0",
        "dir": "Open Long",
        "closedPnl": "0.0",
        "hash": "0x00",
        "oid": 236354947266,
        "crossed": True,
        "fee": "0.006904",
        "tid": tid,
        "feeToken": "USDC",
        "twapId": None,
    } | more


# --- the exact requests -----------------------------------------------------------------------

EMPTY_STATE = InfoServer(Answers()).answer(
    json.dumps({"type": "clearinghouseState", "user": USER}).encode()
)[1]


@pytest.mark.parametrize(
    ("call", "answer", "sent"),
    [
        (
            lambda api: api.funding_history("xyz:TSLA", 1_700_000_000_000, 1_700_003_600_000),
            [],
            b'{"type":"fundingHistory","coin":"xyz:TSLA","startTime":1700000000000,'
            b'"endTime":1700003599999}',
        ),
        (
            lambda api: api.candles("BTC", "1m", START, START + 60_000, now_ms=START + DAY_MS),
            [],
            b'{"type":"candleSnapshot","req":{"coin":"BTC","interval":"1m",'
            b'"startTime":1772323200000,"endTime":1772323259999}}',
        ),
        (lambda api: api.meta(), {"universe": []}, b'{"type":"meta"}'),
        (lambda api: api.meta("xyz"), {"universe": []}, b'{"type":"meta","dex":"xyz"}'),
        (
            lambda api: api.clearinghouse_state("0x" + "AB" * 20),
            json.loads(EMPTY_STATE),
            b'{"type":"clearinghouseState","user":"0x' + b"ab" * 20 + b'"}',
        ),
        (
            lambda api: api.clearinghouse_state(USER, "xyz"),
            json.loads(EMPTY_STATE),
            b'{"type":"clearinghouseState","user":"0x' + b"ab" * 20 + b'","dex":"xyz"}',
        ),
        (
            lambda api: api.user_fills_by_time("0x" + "AB" * 20, 5),
            [],
            b'{"type":"userFillsByTime","user":"0x' + b"ab" * 20 + b'","startTime":5}',
        ),
    ],
)
def test_request_is_sent_exactly_so(
    call: Callable[[ExchangeApi], object], answer: object, sent: bytes
) -> None:
    script = Script(answer)
    call(api_of(script))
    assert script.bodies == [sent]
    status, _, _ = InfoServer(Answers(meta={"": {}, "xyz": {}})).answer(sent)
    assert status == 200, "the simulated API does not understand it"


def test_request_over_http_carries_its_body_and_type() -> None:
    with InfoServer(Answers(meta={"": {"universe": []}})) as server:
        for url in (server.url, f"{server.url}/", f"{server.url}/info"):
            assert ExchangeApi(url, Free()).meta().is_empty()
        assert [asked.body for asked in server.asked] == [b'{"type":"meta"}'] * 3


@pytest.mark.parametrize("url", ["", "api.hyperliquid.xyz", "file:///etc/passwd", "https://"])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidSetting, match="HYPERLIQUID_API_URL"):
        HttpTransport(url)


# --- pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [2, 3, 7, 23, 24, 25, 499, 500, 1_038])
def test_all_funding_comes_whatever_a_page_holds(page: int) -> None:
    rows = hourly(720)
    api, info = direct(
        Answers(funding={"BTC": rows}), Manners(funding_page=page, weight_per_window=10**9)
    )
    frame = api.funding_history("BTC", START, START + 30 * DAY_MS)
    assert frame.schema == pl.Schema(FUNDING_SCHEMA)
    assert frame["time"].to_list() == [row["time"] for row in rows]
    assert frame["rate"].to_list() == [Decimal(row["fundingRate"]) for row in rows]
    assert info.requests <= 720 // (page - 1) + 3


def test_newest_days_are_not_missing() -> None:
    """720 rows in pages of 500, oldest first: one request would lose nine days."""
    api, info = direct(Answers(funding={"BTC": hourly(720)}))
    frame = api.funding_history("BTC", START, START + 30 * DAY_MS)
    assert frame["time"].max() == hourly(720)[-1]["time"]
    assert info.requests == 3


@given(st.data())
def test_seam_between_rows_of_one_stamp_loses_and_repeats_nothing(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=12))
    page = data.draw(st.integers(max(sizes) + 1, 14))
    rows = [
        fill(START + stamp, 10 * stamp + n) for stamp, size in enumerate(sizes) for n in range(size)
    ]
    manners = Manners(fills_page=page, weight_per_window=10**9)
    api, _ = direct(Answers(fills={USER: rows}), manners)
    found = api.user_fills_by_time(USER)
    assert found.rows["tid"].to_list() == [row["tid"] for row in rows]
    assert found.history_complete


def test_different_rates_of_one_stamp_are_kept_and_equal_ones_are_one() -> None:
    rows = [rate(START, "0.1"), rate(START, "0.2"), rate(START, "0.1"), rate(START + HOUR_MS)]
    api, _ = direct(Answers(funding={"BTC": rows}))
    frame = api.funding_history("BTC", START, START + DAY_MS)
    assert frame["rate"].to_list() == [Decimal("0.1"), Decimal("0.2"), Decimal("0.0000125")]


def test_equal_fills_stay_several() -> None:
    """Answers of 2023 have no trade numbers: two fills may be equal in every field."""
    rows = [fill(START, 1)] * 3 + [fill(START + 1, 2)] * 2
    manners = Manners(fills_page=4, weight_per_window=10**9)
    api, _ = direct(Answers(fills={USER: rows}), manners)
    assert api.user_fills_by_time(USER).rows["tid"].to_list() == [1, 1, 1, 2, 2]


def test_stamp_that_fills_a_page_is_told_and_not_cut() -> None:
    rows = [fill(START, n) for n in range(5)] + [fill(START + 1, 9)]
    manners = Manners(fills_page=3, weight_per_window=10**9)
    api, _ = direct(Answers(fills={USER: rows}), manners)
    with pytest.raises(CrowdedInstant, match=f"3 rows has the one time stamp {START}"):
        api.user_fills_by_time(USER)


def test_documented_page_of_one_stamp_is_told_though_nothing_seems_behind() -> None:
    rows = [fill(START, n) for n in range(2_001)]
    api, _ = direct(Answers(fills={USER: rows}))
    with pytest.raises(CrowdedInstant):
        api.user_fills_by_time(USER)


def test_row_that_comes_meanwhile_is_no_seam() -> None:
    first, second = fill(START, 1), fill(START + 5, 2)
    script = Script([first], [first], [second], [first, second], [second], [])
    assert api_of(script).user_fills_by_time(USER).rows["tid"].to_list() == [1, 2]


def test_server_that_gives_the_newest_first_is_noticed() -> None:
    with pytest.raises(UnexpectedAnswer, match="oldest first"):
        api_of(Script([rate(START + HOUR_MS), rate(START)])).funding_history(
            "BTC", START, START + DAY_MS
        )


@pytest.mark.parametrize("second", [[], [rate(START + 2 * HOUR_MS)]])
def test_server_that_drops_rows_between_pages_is_noticed(second: list[WireRow]) -> None:
    first = [rate(START), rate(START + HOUR_MS)]
    with pytest.raises(UnexpectedAnswer, match="are gone"):
        api_of(Script(first, second)).funding_history("BTC", START, START + DAY_MS)


def test_windows_are_half_open() -> None:
    rows = [rate(START - 1), rate(START), rate(START + HOUR_MS - 1), rate(START + HOUR_MS)]
    api, _ = direct(Answers(funding={"BTC": rows}))
    frame = api.funding_history("BTC", START, START + HOUR_MS)
    assert frame["time"].to_list() == [START, START + HOUR_MS - 1]


def test_nothing_there_is_an_empty_frame() -> None:
    api, info = direct(Answers(funding={"BTC": []}))
    frame = api.funding_history("BTC", START, START + DAY_MS)
    assert (frame.height, frame.schema) == (0, pl.Schema(FUNDING_SCHEMA))
    assert info.requests == 1


# --- candles ----------------------------------------------------------------------------------


def test_candles_beyond_reach_are_named_and_not_made_up() -> None:
    rows = minutes(6_000)
    api, _ = direct(Answers(candles={("BTC", "1m"): rows}))
    end = START + 6_000 * MINUTE_MS
    got = api.candles("BTC", "1m", START, end, now_ms=end)
    first = START + 1_000 * MINUTE_MS
    assert got.rows.height == 5_000
    assert got.available_from == first
    assert got.unavailable == ((START, first),)
    assert got.rows["open_time"].to_list() == [first + n * MINUTE_MS for n in range(5_000)]


def test_answer_shorter_than_the_window_is_continued_backwards() -> None:
    latest, earlier = minutes(3, START + 2 * MINUTE_MS), minutes(2)
    script = Script(latest, earlier)
    got = api_of(script).candles("BTC", "1m", START, START + 5 * MINUTE_MS, now_ms=START + DAY_MS)
    assert got.rows.height == 5
    assert (got.unavailable, got.available_from) == ((), START)
    assert json.loads(script.bodies[1])["req"]["endTime"] == START + 2 * MINUTE_MS - 1


def test_window_out_of_reach_has_nothing() -> None:
    api, info = direct(Answers(candles={("BTC", "1m"): minutes(10, START + DAY_MS)}))
    got = api.candles("BTC", "1m", START, START + HOUR_MS, now_ms=START + 2 * DAY_MS)
    assert (got.rows.height, got.available_from) == (0, None)
    assert got.unavailable == ((START, START + HOUR_MS),)
    assert info.requests == 1


def test_minute_without_a_candle_has_no_row() -> None:
    rows = [row for row in minutes(10) if row["t"] != START + 4 * MINUTE_MS]
    api, _ = direct(Answers(candles={("BTC", "1m"): rows}))
    got = api.candles("BTC", "1m", START, START + 10 * MINUTE_MS, now_ms=START + DAY_MS)
    assert got.rows.height == 9
    assert got.unavailable == ()


@pytest.mark.parametrize(("after", "closed"), [(-1, 4), (0, 5), (1, 5)])
def test_open_candle_is_left_out(after: int, closed: int) -> None:
    api, _ = direct(Answers(candles={("BTC", "1m"): minutes(10)}))
    now = START + 5 * MINUTE_MS + after
    got = api.candles("BTC", "1m", START, START + DAY_MS, now_ms=now)
    assert got.rows.height == closed
    assert got.unavailable == ()


def test_long_month_is_open_to_its_end() -> None:
    month = candle(START, "1M", 31 * DAY_MS)
    for days, closed in [(30, 0), (31, 1)]:
        got = api_of(Script([month])).candles(
            "BTC", "1M", START, START + 40 * DAY_MS, now_ms=START + days * DAY_MS
        )
        assert got.rows.height == closed


def test_window_of_the_future_asks_nothing() -> None:
    script = Script([])
    got = api_of(script).candles("BTC", "1h", START, START + DAY_MS, now_ms=START)
    assert (got.rows.height, got.unavailable, script.bodies) == (0, (), [])


def test_candle_that_opened_before_the_window_is_not_in_it() -> None:
    api, _ = direct(Answers(candles={("BTC", "1m"): minutes(10)}))
    got = api.candles("BTC", "1m", START + 1, START + 3 * MINUTE_MS, now_ms=START + DAY_MS)
    assert got.rows["open_time"].to_list() == [START + MINUTE_MS, START + 2 * MINUTE_MS]
    assert got.unavailable == ()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"T": START + 59_998}, "a candle of 1m"),
        ({"s": "ETH"}, "was asked for"),
        ({"i": "5m"}, "was asked for"),
        ({"t": 1_772_323_200}, "no time in ms"),
        ({"o": "x"}, "expected a number"),
        ({"n": -1}, "expected a count"),
    ],
)
def test_candle_that_is_none_is_told(change: WireRow, what: str) -> None:
    with pytest.raises(UnexpectedAnswer, match=what):
        api_of(Script([candle(START) | change])).candles(
            "BTC", "1m", START, START + HOUR_MS, now_ms=START + DAY_MS
        )


def test_two_different_candles_of_one_minute_are_told() -> None:
    with pytest.raises(UnexpectedAnswer, match="two different candles"):
        api_of(Script([candle(START), candle(START, n=4)])).candles(
            "BTC", "1m", START, START + HOUR_MS, now_ms=START + DAY_MS
        )


def test_interval_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'7m'"):
        api_of(Script([])).candles("BTC", "7m", START, START + HOUR_MS, now_ms=START)


# --- numbers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "exact"),
    [
        (b'"0.123456789012"', "0.123456789012"),
        (b"0.1234567890120000", "0.123456789012"),
        (b'"-0.0"', "0"),
        (b"3", "3"),
        (b'"12345678901234567890123456.000000000001"', "12345678901234567890123456.000000000001"),
        (b"1e-7", "0.0000001"),
    ],
)
def test_number_is_kept_exactly(written: bytes, exact: str) -> None:
    body = b'[{"coin":"BTC","fundingRate":%s,"premium":null,"time":%d}]' % (written, START)
    frame = api_of(Script(Reply(200, body), Reply(200, body), [])).funding_history(
        "BTC", START, START + 1
    )
    assert frame["rate"].to_list() == [Decimal(exact)]
    assert frame["premium"].to_list() == [None]


@pytest.mark.parametrize(
    "written", [b'"0.1234567890123"', b'"1e26"', b'"NaN"', b'""', b"true", b"null", b"[]"]
)
def test_number_that_would_not_be_exact_is_told(written: bytes) -> None:
    body = b'[{"coin":"BTC","fundingRate":%s,"premium":null,"time":%d}]' % (written, START)
    with pytest.raises(UnexpectedAnswer, match="fundingRate"):
        api_of(Script(Reply(200, body))).funding_history("BTC", START, START + 1)


@pytest.mark.parametrize("answer", [{}, "text", 7, [7], [{}], [[]], {"universe": 3}])
def test_answer_of_another_shape_is_told(answer: Any) -> None:
    api = api_of(Script(answer))
    for call in (
        lambda: api.funding_history("BTC", START, START + 1),
        lambda: api.candles("BTC", "1m", START, START + HOUR_MS, now_ms=START + DAY_MS),
        lambda: api.meta(),
        lambda: api.clearinghouse_state(USER),
        lambda: api.user_fills_by_time(USER),
    ):
        with pytest.raises(UnexpectedAnswer):
            call()


# --- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_is_survived(fault: Fault) -> None:
    rows = hourly(24)
    free = Free()
    with InfoServer(Answers(funding={"BTC": rows})) as server:
        server.inject(fault)
        fake = FakeTime()
        api = ExchangeApi(server.url, free, timeout_s=0.5, sleep=fake.sleep)
        frame = api.funding_history("BTC", START, START + DAY_MS)
        assert server.asked[0].fault is fault
        assert server.requests == (2 if fault is Fault.SLOW else 3)
    assert frame["time"].to_list() == [row["time"] for row in rows]
    assert free.slowed == (fault is Fault.TOO_MANY)
    assert len(fake.pauses) == (fault is not Fault.SLOW)


def test_half_of_all_requests_spoiled_changes_nothing() -> None:
    rows = hourly(2_000)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    with InfoServer(
        Answers(funding={"BTC": rows}), Manners(funding_page=100, weight_per_window=10**9)
    ) as server:
        kinds = [fault for fault in Fault if fault is not Fault.HANG]
        server.spoil(0.5, seed, kinds)
        fake = FakeTime()
        api = ExchangeApi(server.url, Free(), timeout_s=5, sleep=fake.sleep, patience_s=3_600)
        frame = api.funding_history("BTC", START, START + 100 * DAY_MS)
        assert any(asked.fault for asked in server.asked)
    assert frame["time"].to_list() == [row["time"] for row in rows]


def test_answer_that_trickles_for_ever_is_given_up() -> None:
    rows = hourly(24)
    with InfoServer(Answers(funding={"BTC": rows}), Manners(slow_pause_s=0.15)) as server:
        server.inject(Fault.SLOW)
        fake = FakeTime()
        api = ExchangeApi(server.url, Free(), timeout_s=0.2, sleep=fake.sleep)
        assert api.funding_history("BTC", START, START + DAY_MS).height == 24
        assert server.requests == 3


def test_body_that_ends_too_early_is_no_reply() -> None:
    with InfoServer(Answers(funding={"BTC": hourly(24)})) as server:
        server.inject(Fault.TRUNCATED)
        with pytest.raises(IncompleteRead):
            HttpTransport(server.url).post(
                b'{"type":"fundingHistory","coin":"BTC","startTime":0}', 5
            )


def test_refusal_is_told_at_once() -> None:
    with InfoServer(Answers()) as server:
        api = ExchangeApi(server.url, Free())
        with pytest.raises(ExchangeRefused, match=r"\"user\": \"me\".*422.*Failed to deserialize"):
            api.clearinghouse_state("me")
        assert server.requests == 1


@pytest.mark.parametrize("status", [301, 400, 403, 404])
def test_other_refusals_are_told_at_once(status: int) -> None:
    script = Script(Reply(status, b"go away"))
    with pytest.raises(ExchangeRefused, match=f"HTTP {status}: go away"):
        api_of(script).meta()
    assert len(script.bodies) == 1


def test_patience_ends_with_request_and_last_answer() -> None:
    script = Script(Reply(500, b"first"), Reply(502, b"bad gateway"))
    fake = FakeTime()
    api = api_of(script, clock=fake.clock, sleep=fake.sleep, patience_s=100)
    with pytest.raises(ExchangeSilent, match=r'"type": "meta".*HTTP 502: bad gateway') as caught:
        api.meta()
    assert fake.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert caught.value.attempts == 8


def test_pauses_differ_between_processes() -> None:
    fake = FakeTime()
    draws = iter([0.0, 0.5, 1.0, 0.0])
    api = api_of(
        Script(*[Reply(500, b"")] * 4, {"universe": []}),
        sleep=fake.sleep,
        jitter=lambda: next(draws),
    )
    api.meta()
    assert fake.pauses == [0.5, 1.5, 4.0, 4.0]


def test_nobody_at_the_address_is_told() -> None:
    with InfoServer(Answers()) as server:
        url = server.url
    api = ExchangeApi(url, Free(), sleep=FakeTime().sleep, patience_s=10)
    with pytest.raises(ExchangeSilent, match="Connection refused"):
        api.meta()


def test_unknown_coin_is_no_empty_history() -> None:
    with InfoServer(Answers(funding={"BTC": []})) as server:
        api = ExchangeApi(server.url, Free(), sleep=FakeTime().sleep)
        with pytest.raises(ExchangeSilent, match="nothing of that name"):
            api.funding_history("NOPE", START, START + DAY_MS)
        assert server.requests == 5


@pytest.mark.parametrize("body", [b"", b"[", b"[" * 100_000, b"NaN", b"<html>", b"\xff"])
def test_body_that_is_no_json_is_asked_for_again(body: bytes) -> None:
    assert api_of(Script(Reply(200, body), {"universe": []})).meta().is_empty()


def test_waiting_for_the_budget_is_not_held_against_the_exchange() -> None:
    fake = FakeTime()

    class Slow(Free):
        def reserve(self, weight: int) -> Charge:
            fake.now += 1_000
            return super().reserve(weight)

    script = Script(*[Reply(500, b"")] * 5, {"universe": []})
    api = api_of(script, Slow(), clock=fake.clock, sleep=fake.sleep, patience_s=60)
    assert api.meta().is_empty()


# --- what is charged --------------------------------------------------------------------------


def test_rows_are_charged_after_the_answer() -> None:
    free = Free()
    answers = Answers(
        funding={"BTC": hourly(24)},
        candles={("BTC", "1m"): minutes(130)},
        meta={"": {"universe": []}},
        fills={USER: [fill(START, 1)]},
    )
    info = InfoServer(answers)
    api = api_of(Direct(info), free)
    api.funding_history("BTC", START, START + DAY_MS)
    api.candles("BTC", "1m", START, START + DAY_MS, now_ms=START + DAY_MS)
    api.meta()
    api.clearinghouse_state(USER)
    api.user_fills_by_time(USER)
    assert free.settled == [
        (22, 22),  # 24 rates
        (21, 21),  # the last of them again
        (45, 23),  # a day of minutes, of which there are 130
        (20, 20),
        (2, 2),
        (120, 21),
        (120, 21),
        (120, 20),
    ]
    assert sum(weight for _, weight in free.settled) == info.weight


def test_more_rows_than_a_page_should_hold_are_charged() -> None:
    free = Free()
    info = InfoServer(Answers(funding={"BTC": hourly(1_038)}), Manners(funding_page=1_038))
    api_of(Direct(info), free).funding_history("BTC", START, START + 100 * DAY_MS)
    assert free.settled[0] == (45, 72)


def test_request_without_a_reply_is_charged_in_full() -> None:
    free = Free()
    script = Script(TimeoutError("slow"), Reply(500, b""), Reply(200, b"["), [])
    api_of(script, free).funding_history("BTC", START, START + DAY_MS)
    assert free.settled == [(22, 22), (22, 20), (22, 22), (22, 20)]


# --- the budget -------------------------------------------------------------------------------


def budget_of(path: Path, fake: FakeTime, per_minute: int = 100) -> WeightBudget:
    return WeightBudget(path, per_minute, clock=fake.clock, sleep=fake.sleep)


def test_no_minute_holds_more_than_the_budget(tmp_path: Path) -> None:
    fake, dice = FakeTime(), random.Random(5)
    budget = budget_of(tmp_path, fake)
    spent: list[tuple[float, int]] = []
    for _ in range(60):
        reserved = dice.randint(1, 60)
        charge = budget.reserve(reserved)
        fake.now += dice.random() * 3
        weight = dice.randint(1, reserved)
        spent.append((fake.now, weight))
        budget.settle(charge, weight)
    for at, _ in spent:
        assert sum(weight for when, weight in spent if at - 60 < when <= at) <= 100
    assert sum(weight for _, weight in spent) / ((fake.now - 1_000) / 60) > 60


def test_room_is_given_at_once_and_then_waited_for(tmp_path: Path) -> None:
    fake = FakeTime()
    budget = budget_of(tmp_path, fake)
    for _ in range(5):
        budget.settle(budget.reserve(20), 20)
    assert fake.pauses == []
    budget.reserve(20)
    assert 60 <= sum(fake.pauses) <= 61


def test_what_was_reserved_in_vain_is_given_back(tmp_path: Path) -> None:
    fake = FakeTime()
    budget = budget_of(tmp_path, fake)
    budget.settle(budget.reserve(100), 20)
    budget.reserve(80)
    assert fake.pauses == []
    assert budget.spent() == 100


def test_answer_that_weighs_more_is_paid_for_by_the_next(tmp_path: Path) -> None:
    fake = FakeTime()
    budget = budget_of(tmp_path, fake)
    budget.settle(budget.reserve(20), 250)
    budget.reserve(1)
    assert sum(fake.pauses) >= 60


def test_minute_counts_from_the_answer(tmp_path: Path) -> None:
    fake = FakeTime()
    budget = budget_of(tmp_path, fake)
    charge = budget.reserve(100)
    fake.now += 50
    budget.settle(charge, 100)
    budget.reserve(1)
    assert sum(fake.pauses) >= 60


def test_request_heavier_than_the_budget_goes_alone(tmp_path: Path) -> None:
    fake = FakeTime()
    budget = budget_of(tmp_path, fake)
    budget.settle(budget.reserve(1), 1)
    budget.reserve(120)
    assert 60 <= sum(fake.pauses) <= 61


def test_too_many_requests_halve_the_rate_for_a_while(tmp_path: Path) -> None:
    fake = FakeTime()
    budget, other = budget_of(tmp_path, fake), budget_of(tmp_path, fake)
    budget.slow_down()
    other.settle(other.reserve(50), 50)
    other.reserve(1)
    assert sum(fake.pauses) >= 60
    fake.now += 300
    fake.pauses.clear()
    other.settle(other.reserve(100), 100)
    assert fake.pauses == []


def test_end_of_the_slow_time_is_not_slept_over(tmp_path: Path) -> None:
    fake = FakeTime()
    budget = budget_of(tmp_path, fake)
    budget.slow_down()
    fake.now += 290
    budget.settle(budget.reserve(50), 50)
    budget.reserve(50)
    assert 10 <= sum(fake.pauses) <= 11


def test_charge_of_a_killed_process_expires(tmp_path: Path) -> None:
    fake = FakeTime()
    budget_of(tmp_path, fake).reserve(100)
    budget_of(tmp_path, fake).reserve(100)
    assert 120 <= sum(fake.pauses) <= 200


@pytest.mark.parametrize("now", [0.5, 999.0])
def test_clock_that_begins_anew_costs_a_minute_and_no_more(tmp_path: Path, now: float) -> None:
    before = FakeTime(1_000.0)
    budget = budget_of(tmp_path, before)
    budget.slow_down()
    budget.settle(budget.reserve(50), 50)
    after = FakeTime(now)
    budget_of(tmp_path, after).reserve(50)
    assert 60 <= sum(after.pauses) <= 62


def test_clock_a_day_ahead_frees_everything(tmp_path: Path) -> None:
    fake = FakeTime()
    budget = budget_of(tmp_path, fake)
    budget.settle(budget.reserve(100), 100)
    fake.now += 86_400
    budget.reserve(100)
    assert fake.pauses == []


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"charges":[[1]],"halved_until":0}'])
def test_state_that_was_cut_off_counts_as_a_spent_minute(tmp_path: Path, text: str) -> None:
    fake = FakeTime()
    budget = budget_of(tmp_path, fake)
    (tmp_path / "state.json").write_text(text)
    budget.reserve(20)
    assert 60 <= sum(fake.pauses) <= 61


def test_budget_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        WeightBudget(tmp_path, 0)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_whoever_came_first_goes_first(tmp_path: Path) -> None:
    """A heavy request is not overtaken by light ones that would fit."""
    budget = WeightBudget(tmp_path, 100)
    under_way = budget.reserve(90)
    served: list[int] = []

    def serve(number: int, weight: int) -> None:
        charge = budget.reserve(weight)
        served.append(number)
        budget.settle(charge, 1)

    threads = []
    for number, weight in enumerate([100, 1, 5, 1, 20, 1]):
        threads.append(threading.Thread(target=serve, args=(number, weight)))
        threads[-1].start()
        until(lambda: len(list((tmp_path / "queue").iterdir())) == len(threads))
    assert served == []
    budget.settle(under_way, 0)
    for thread in threads:
        thread.join()
    # Of those that fit together, threads may tell in any order.
    assert served[0] == 0
    assert sorted(served) == [0, 1, 2, 3, 4, 5]
    assert list((tmp_path / "queue").iterdir()) == []


WORKER = """
import sys
from pathlib import Path
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.budget import WeightBudget
url, folder, (start, calls), window = *sys.argv[1:3], map(int, sys.argv[3:5]), float(sys.argv[5])
api = ExchangeApi(url, WeightBudget(Path(folder), 200, window_s=window))
for _ in range(calls):
    assert api.funding_history("BTC", start, start + 86_400_000).height == 24
"""


def worker(url: str, folder: Path, calls: int, window: float = 0.5) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", WORKER, url, str(folder), str(START), str(calls), str(window)]
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(command, cwd=root)


def test_four_processes_keep_to_one_budget_and_survive_a_kill(tmp_path: Path) -> None:
    manners = Manners(weight_per_window=200, window_s=0.5)
    with InfoServer(Answers(funding={"BTC": hourly(24)}), manners) as server:
        doomed = worker(server.url, tmp_path, 1_000)
        until(lambda: server.requests > 3)
        workers = [worker(server.url, tmp_path, 6) for _ in range(3)]
        until(lambda: server.requests > 15)
        doomed.send_signal(signal.SIGKILL)
        doomed.wait()
        workers.append(worker(server.url, tmp_path, 3))
        assert [one.wait(60) for one in workers] == [0, 0, 0, 0]
        assert server.refused == 0
        assert 100 < server.peak_weight <= 200
        assert server.requests > 42


def test_killed_waiter_blocks_nobody(tmp_path: Path) -> None:
    budget = WeightBudget(tmp_path, 200)
    # Under way, so that the one who waits has to wait long.
    charge = budget.reserve(200)
    waiting = worker("http://127.0.0.1:9", tmp_path, 1, 60.0)
    until(lambda: len(list((tmp_path / "queue").iterdir())) == 1)
    waiting.send_signal(signal.SIGKILL)
    waiting.wait()
    assert len(list((tmp_path / "queue").iterdir())) == 1
    budget.settle(charge, 0)
    began = time.monotonic()
    budget.reserve(200)
    assert time.monotonic() - began < 10
    assert list((tmp_path / "queue").iterdir()) == []


# --- fills, positions, coins --------------------------------------------------------------------


def test_history_beyond_reach_is_told() -> None:
    rows = [fill(START + n, n) for n in range(10_500)]
    api, info = direct(Answers(fills={USER: rows}))
    found = api.user_fills_by_time(USER)
    assert not found.history_complete
    assert found.rows["tid"].to_list() == list(range(500, 10_500))
    assert info.requests == 7


def test_later_fills_can_put_a_window_out_of_reach() -> None:
    rows = [fill(START + n, n) for n in range(10_500)]
    api, _ = direct(Answers(fills={USER: rows}))
    found = api.user_fills_by_time(USER, START, START + 600)
    assert found.rows["tid"].to_list() == list(range(500, 600))
    assert not found.history_complete


def test_exactly_what_is_kept_may_not_be_all() -> None:
    for count, complete in ((9_999, True), (10_000, False)):
        api, _ = direct(Answers(fills={USER: [fill(START + n, n) for n in range(count)]}))
        found = api.user_fills_by_time(USER)
        assert (found.rows.height, found.history_complete) == (count, complete)


@pytest.mark.parametrize(("count", "complete"), [(0, True), (1_999, True), (2_000, False)])
def test_twap_slices_come_apart_from_orders(count: int, complete: bool) -> None:
    slices = [fill(START + n, n) | {"twapId": 77} for n in range(count)]
    api, info = direct(Answers(fills={USER: [fill(START, 5), *slices]}))
    assert api.user_fills_by_time(USER).rows["tid"].to_list() == [5]
    info.forget()
    found = api.user_twap_fills(USER.upper().replace("0X", "0x"))
    # The newest come first; here they are by time, like all fills.
    assert found.rows["tid"].to_list() == list(range(count))
    assert found.rows["twap_id"].unique().to_list() == ([77] if count else [])
    assert found.history_complete is complete
    assert info.weight == 20 + -(-count // 20)


def test_slice_without_a_fill_is_no_answer() -> None:
    for answer in ([{"twapId": 1}], [fill(START, 1)], [{"fill": fill(START, 1)}], {}):
        with pytest.raises(UnexpectedAnswer):
            api_of(Script(answer)).user_twap_fills(USER)


def test_short_history_is_complete() -> None:
    api, _ = direct(Answers(fills={USER: [fill(START + n, n) for n in range(9_999)]}))
    found = api.user_fills_by_time(USER, 0, START + 10)
    assert (found.rows.height, found.history_complete) == (10, True)


def test_fill_keeps_what_is_not_known() -> None:
    liquidation = {"method": "market", "liquidatedUser": USER, "markPx": "1.0"}
    row = fill(START, 1, liquidation=liquidation, novelty=[1], builderFee="0.01", cloid="0x1")
    api, _ = direct(Answers(fills={USER: [row]}))
    found = api.user_fills_by_time(USER.upper().replace("0X", "0x")).rows.row(0, named=True)
    assert found["user_address"] == USER
    assert json.loads(found["liquidation"]) == liquidation
    assert found["extra"] == '{"novelty":[1]}'
    assert (found["builder_fee"], found["cloid"]) == (Decimal("0.01"), "0x1")


def test_fill_without_a_price_is_told() -> None:
    row = fill(START, 1)
    del row["px"]
    api, _ = direct(Answers(fills={USER: [row]}))
    with pytest.raises(UnexpectedAnswer, match="without px"):
        api.user_fills_by_time(USER)


def test_however_long_an_answer_is_what_is_said_of_it_is_short() -> None:
    api = api_of(Script([{**fill(START, 1), "px": None, "novelty": "x" * 9_000}]))
    with pytest.raises(UnexpectedAnswer) as raised:
        api.user_fills_by_time(USER)
    assert len(str(raised.value)) < 1_000


# --- recorded answers ---------------------------------------------------------------------------


def recorded(name: str) -> Any:
    return json.loads(shared_file(f"data/real/{name}").read_text())


def test_recorded_funding_is_read() -> None:
    """1,038 rows in one answer of 2023, 8-hourly at first."""
    rows = recorded("funding/fundingHistory_BTC_2023.json")
    api = api_of(Script(rows, rows[-1:]))
    frame = api.funding_history("BTC", rows[0]["time"], rows[-1]["time"] + 1)
    assert frame.height == 1_038
    assert frame["rate"].to_list() == [Decimal(row["fundingRate"]) for row in rows]
    assert frame["premium"].to_list() == [Decimal(row["premium"]) for row in rows]


def test_recorded_candles_are_read() -> None:
    rows = recorded("candles/candleSnapshot_kPEPE_1h_2023-05.json")
    asked = (1_684_702_007_000, 1_684_784_807_001)
    script = Script(rows)
    got = api_of(script).candles("kPEPE", "1h", *asked, now_ms=asked[1] + DAY_MS)
    assert rows[0]["t"] < asked[0], "the answer holds the candle around the window's start"
    assert got.rows["open_time"].to_list() == [row["t"] for row in rows[1:]]
    assert got.rows["volume"].to_list() == [Decimal(row["v"]) for row in rows[1:]]
    assert got.unavailable == ()
    assert len(script.bodies) == 1


def test_recorded_fills_are_read() -> None:
    rows = recorded("user_fills/userFillsByTime_0xdae4_part1.json")
    answers = Answers(fills={USER: rows})
    api, _ = direct(answers, Manners(fills_page=50, weight_per_window=10**9))
    frame = api.user_fills_by_time(USER).rows
    assert frame.height == len(rows)
    assert sum(frame["closed_pnl"]) == sum(Decimal(row["closedPnl"]) for row in rows)
    assert sorted(frame["tid"]) == sorted(row["tid"] for row in rows)


@pytest.mark.parametrize(
    "name", ["userFills_2023-05_0xb7b6_part1.json", "userFills_with_dust_conversion.json"]
)
def test_recorded_fills_of_other_shapes_are_read(name: str) -> None:
    rows = recorded(f"user_fills/{name}")
    api, _ = direct(Answers(fills={USER: rows}))
    frame = api.user_fills_by_time(USER).rows
    assert frame.height == len(rows)
    assert sum(frame["sz"]) == sum(Decimal(row["sz"]) for row in rows)
    assert frame["extra"].null_count() == len(rows), frame["extra"].drop_nulls().to_list()[:1]


def test_recorded_states_are_read() -> None:
    snapshots = recorded("clearinghouse_state/clearinghouseState_0xdae4_snapshots_part1.json")
    for snapshot in snapshots["snapshots"]:
        state = api_of(Script(snapshot["response"])).clearinghouse_state(USER)
        margin = snapshot["response"]["marginSummary"]
        assert state.account_value == Decimal(margin["accountValue"])
        assert state.time == snapshot["response"]["time"]
        assert len(state.positions) == len(snapshot["response"]["assetPositions"])
    first = api_of(Script(snapshots["snapshots"][0]["response"])).clearinghouse_state(USER)
    (position,) = first.positions
    assert (position.size, position.leverage, position.max_leverage) == (Decimal("0.06706"), 3, 40)
    assert position.funding_since_open == Decimal("-0.117894")


def test_recorded_state_of_2023_is_read() -> None:
    answer = recorded("clearinghouse_state/clearinghouseState_2023-03_0x5e9e.json")
    state = api_of(Script(answer)).clearinghouse_state(USER)
    assert len(state.positions) == 12
    assert {position.max_leverage for position in state.positions} == {None}


def test_recorded_universe_is_read() -> None:
    selection = recorded("meta/mainnet_2026-07-19_m1.json")["selection"]
    frame = api_of(Script({"universe": selection["perpUniverse"]})).meta()
    assert frame["coin"].to_list() == ["BTC", "ETH", "ATOM", "MATIC", "DYDX"]
    assert frame["size_decimals"].to_list() == [5, 4, 2, 1, 1]
    assert frame["max_leverage"].to_list() == [40, 25, 5, 20, 5]
    assert frame["is_delisted"].to_list() == [False, False, False, True, False]
    builder = api_of(Script({"universe": selection["hip3Universe"]})).meta("xyz")
    assert builder["only_isolated"].to_list() == [False, False, False, False, True]


@pytest.mark.parametrize("name", ["userRole", "historicalOrders", "allMids_2023", "l2Book_2023"])
def test_recorded_answer_to_something_else_is_not_taken_for_funding(name: str) -> None:
    answer = recorded(f"info_misc/{name}.json")
    with pytest.raises(UnexpectedAnswer):
        api_of(Script(answer)).funding_history("BTC", START, START + DAY_MS)


# --- the cache ----------------------------------------------------------------------------------


class World:
    """An exchange with some days of funding and minutes, a lake, and a clock."""

    def __init__(self, root: Path, answers: Answers) -> None:
        self.root = root
        self.info = InfoServer(answers, Manners(weight_per_window=10**9))
        self.lake = Store(str(root / "lake"))
        self.now_ms = START + 400 * DAY_MS

    def cache(self) -> ExchangeCache:
        return ExchangeCache(api_of(Direct(self.info)), self.lake, lambda: self.now_ms)

    def files(self, suffix: str) -> dict[str, bytes]:
        folder = self.root / "lake"
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob(f"*{suffix}"))
        }


@pytest.fixture
def world(tmp_path: Path) -> World:
    answers = Answers(
        funding={"BTC": hourly(24 * 45), "xyz:TSLA": hourly(24, coin="xyz:TSLA")},
        candles={("BTC", "1m"): minutes(1_440 * 3)},
    )
    return World(tmp_path, answers)


def day(offset: int) -> date:
    return date.fromordinal(DAY.toordinal() + offset)


def times(rows: Sequence[WireRow], key: str) -> list[int]:
    return [row[key] for row in rows]


def test_finished_days_are_asked_for_once(world: World) -> None:
    first = world.cache().funding("BTC", DAY, day(29))
    asked = world.info.requests
    assert asked == 4, "twenty days and ten, and the last row of each again"
    again = world.cache().funding("BTC", DAY, day(29))
    assert world.info.requests == asked
    assert first.equals(again)
    assert again.schema == pl.Schema(FUNDING_SCHEMA)
    assert again["time"].to_list() == times(hourly(720), "time")
    assert len(world.files(".parquet")) == 30


def test_only_what_is_missing_is_asked_for(world: World) -> None:
    world.cache().funding("BTC", day(3), day(4))
    world.info.forget()
    world.cache().funding("BTC", day(2), day(5))
    starts = {json.loads(one.body)["startTime"] for one in world.info.asked}
    assert {START + 2 * DAY_MS, START + 5 * DAY_MS} <= starts
    assert not any(START + 3 * DAY_MS <= start < START + 5 * DAY_MS for start in starts)


@pytest.mark.parametrize("together", [True, False])
def test_equal_days_have_equal_bytes(world: World, tmp_path: Path, together: bool) -> None:
    world.cache().funding("BTC", DAY, day(9))
    other = World(tmp_path / "other", world.info.answers)
    other.info = InfoServer(world.info.answers, Manners(funding_page=7, weight_per_window=10**9))
    other.now_ms += DAY_MS
    for offset in [0] if together else range(10):
        other.cache().funding("BTC", day(offset), day(9 if together else offset))
    assert world.files(".parquet") == other.files(".parquet")
    said, other_said = (json.loads(one.files("asked.json").popitem()[1]) for one in (world, other))
    assert said.pop("fetched_at") != other_said.pop("fetched_at")
    assert said == other_said


@pytest.mark.parametrize(
    ("after_end", "is_kept"), [(0, False), (HOUR_MS - 1, False), (HOUR_MS, True)]
)
def test_day_is_kept_when_it_cannot_change_any_more(
    world: World, after_end: int, is_kept: bool
) -> None:
    world.now_ms = START + DAY_MS + after_end
    assert world.cache().funding("BTC", DAY, DAY).height == 24
    assert bool(world.files(".parquet")) is is_kept


def test_today_is_asked_for_each_time(world: World) -> None:
    world.now_ms = START + DAY_MS + 10 * HOUR_MS
    world.info.answers = Answers(funding={"BTC": hourly(34)})
    assert world.cache().funding("BTC", DAY, day(3)).height == 34
    world.now_ms += HOUR_MS
    world.info.answers = Answers(funding={"BTC": hourly(35)})
    world.info.forget()
    assert world.cache().funding("BTC", DAY, day(3)).height == 35
    assert {json.loads(one.body)["startTime"] >= START + DAY_MS for one in world.info.asked} == {
        True
    }


def test_day_without_a_rate_is_a_finished_day_too(world: World) -> None:
    assert world.cache().funding("BTC", day(100), day(100)).is_empty()
    asked = world.info.requests
    assert world.cache().funding("BTC", day(100), day(100)).is_empty()
    assert world.info.requests == asked


@pytest.mark.parametrize("name", ["funding.parquet", "asked.json"])
@pytest.mark.parametrize("harm", [None, b"", b"spoilt"])
def test_spoilt_file_is_asked_for_again(world: World, name: str, harm: bytes | None) -> None:
    world.cache().funding("BTC", DAY, DAY)
    before = world.files(".parquet")
    (path,) = (world.root / "lake").rglob(name)
    path.unlink() if harm is None else path.write_bytes(harm)
    asked = world.info.requests
    assert world.cache().funding("BTC", DAY, DAY).height == 24
    assert world.info.requests > asked
    assert world.files(".parquet") == before


def test_failure_in_the_middle_keeps_what_came_before(world: World) -> None:
    script = Direct(world.info)
    api = api_of(script, patience_s=0)
    cache = ExchangeCache(api, world.lake, lambda: world.now_ms)
    plain = script.info.answer

    def fails_later(body: bytes) -> tuple[int, str, Fault | None]:
        if json.loads(body)["startTime"] >= START + 20 * DAY_MS:
            return 500, "down", None
        return plain(body)

    script.info.answer = fails_later  # type: ignore[method-assign]
    with pytest.raises(ExchangeSilent):
        cache.funding("BTC", DAY, day(29))
    assert len(world.files(".parquet")) == 20


def test_names_of_coins_are_keys(world: World) -> None:
    assert world.cache().funding("xyz:TSLA", DAY, DAY).height == 24
    assert list(world.files(".parquet")) == [
        f"exchange/funding/coin=xyz_3ATSLA/day={DAY}/funding.parquet"
    ]
    names = ["PURR/USDC", "PURR_2FUSDC", "@107", "#7", "..", "é", "kPEPE"]
    assert len({coin_folder(name) for name in names}) == len(names)


def test_candles_are_kept_with_what_could_not_be_had(world: World) -> None:
    world.info.manners = Manners(candles_kept=2_000, weight_per_window=10**9)
    first = world.cache().candles("BTC", "1m", DAY, day(2))
    reach = START + (3 * 1_440 - 2_000) * MINUTE_MS
    assert first.available_from == reach
    assert first.unavailable == ((START, reach),)
    assert first.rows.height == 2_000
    asked = world.info.requests
    again = world.cache().candles("BTC", "1m", DAY, day(2))
    assert world.info.requests == asked
    assert again.rows.equals(first.rows)
    assert (again.start_ms, again.end_ms, again.unavailable) == (
        first.start_ms,
        first.end_ms,
        first.unavailable,
    )


def test_candles_that_were_kept_outlive_the_api(world: World) -> None:
    world.now_ms = START + DAY_MS + HOUR_MS
    world.cache().candles("BTC", "1m", DAY, DAY)
    world.now_ms = START + 3 * DAY_MS + HOUR_MS
    world.info.manners = Manners(candles_kept=1_440, weight_per_window=10**9)
    got = world.cache().candles("BTC", "1m", DAY, day(2))
    assert got.rows.height == 2 * 1_440
    assert got.unavailable == ((START + DAY_MS, START + 2 * DAY_MS),)
    assert got.available_from == START + 2 * DAY_MS


def test_open_candle_is_not_in_todays_part(world: World) -> None:
    world.now_ms = START + 90_000
    got = world.cache().candles("BTC", "1m", DAY, DAY)
    assert got.rows["open_time"].to_list() == [START]
    assert got.end_ms == START + 30_001
    assert world.files("") == {} or not world.files(".parquet")


@pytest.mark.parametrize("interval", ["1w", "1M", "3d", "2m"])
def test_candles_longer_than_a_day_are_not_kept_by_day(world: World, interval: str) -> None:
    with pytest.raises(ValueError, match="divides a day"):
        world.cache().candles("BTC", interval, DAY, DAY)


# --- single accounts -----------------------------------------------------------------------------


def payments(hours: int, coins: Sequence[str] = ("BTC", "xyz:TSLA")) -> list[WireRow]:
    """Of each coin every hour; the coins of an hour have one stamp."""
    return [
        {
            "time": START + n * HOUR_MS + 40,
            "hash": "0x0",
            "delta": {
                "type": "funding",
                "coin": coin,
                "usdc": f"-0.{n + 1}",
                "szi": "1.5",
                "fundingRate": "0.0000125",
                "nSamples": None,
            },
        }
        for n in range(hours)
        for coin in coins
    ]


@pytest.mark.parametrize("page", [3, 4, 7, 500])
def test_all_payments_of_an_account_come_whatever_a_page_holds(page: int) -> None:
    rows = payments(60)
    manners = Manners(funding_page=page, weight_per_window=10**9)
    api, _ = direct(Answers(user_funding={USER: rows}), manners)

    frame = api.user_funding("0x" + USER[2:].upper(), START, START + 60 * HOUR_MS)

    assert frame.schema == pl.Schema(USER_FUNDING_SCHEMA)
    found = frame.select("time", "coin", "usdc").rows()
    assert found == [
        (one["time"], one["delta"]["coin"], Decimal(one["delta"]["usdc"])) for one in rows
    ]
    assert api.user_funding(USER, START, START + 40).height == 0
    assert api.user_funding(USER, START, START + 41).height == 2


def test_recorded_payments_are_summed_by_the_day_when_old() -> None:
    recorded = json.loads(
        shared_file("data/real/funding/userFunding_0xdae4_part1.json").read_text()
    )
    api, _ = direct(Answers(user_funding={USER: recorded}))

    frame = api.user_funding(USER, recorded[0]["time"], recorded[-1]["time"] + 1)

    assert frame.height == len(recorded)
    assert frame["usdc"].sum() == sum(Decimal(one["delta"]["usdc"]) for one in recorded)
    summed = frame.drop_nulls("samples")
    assert 0 < summed.height < frame.height
    assert (summed["time"] % 86_400_000 == 0).all()


@pytest.mark.parametrize("page", [2, 3, 500])
def test_all_ledger_updates_come_equal_ones_too(page: int) -> None:
    updates = [
        {"time": START + n // 2, "hash": "0x1", "delta": {"type": "deposit", "usdc": f"{n // 2}.0"}}
        for n in range(10)
    ]
    manners = Manners(ledger_page=page + 1, weight_per_window=10**9)
    api, _ = direct(Answers(ledger={USER: updates}), manners)

    found = api.user_ledger(USER, START, START + 5)

    assert [(one.time, one.hash, one.kind, one.delta) for one in found] == [
        (one["time"], "0x1", "deposit", one["delta"]) for one in updates
    ]
    assert api.user_ledger(USER, START, START + 1) == found[:2]


def test_the_mode_of_an_account_is_a_text() -> None:
    api, _ = direct(Answers(modes={USER: "unifiedAccount"}))
    assert api.user_mode(USER) == "unifiedAccount"
    assert api.user_mode("0x" + "9" * 40) == "default"
    with pytest.raises(UnexpectedAnswer, match="expected a text"):
        api_of(Script({"mode": "default"})).user_mode(USER)


def test_payments_that_contradict_each_other_are_refused() -> None:
    one = payments(1, ["BTC"])[0]
    other = one | {"delta": one["delta"] | {"usdc": "5"}}
    with pytest.raises(UnexpectedAnswer, match="two different payments"):
        api_of(Script([one, other], [one, other], [])).user_funding(USER, START, START + HOUR_MS)


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
def test_a_text_that_cannot_be_kept_is_no_answer(text: str) -> None:
    row = {"time": START, "hash": text, "delta": {"type": "deposit"}}
    with pytest.raises(UnexpectedAnswer) as refused:
        api_of(Script([row])).user_ledger(USER, START, START + HOUR_MS)
    # What is said of it can be printed.
    str(refused.value).encode()
