"""Stretches of accounts: asked for once, whole or not at all, and never past what may change."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Installation, installed
from tests.reference.shared_files import shared_file
from vigil_core.calendar import DAY_MS, HOUR_MS, day_of, day_start_ms
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.budget import WeightBudget
from vigil_resources.exchange.errors import ExchangeSilent
from vigil_resources.metrics.account_history import AccountHistory
from vigil_sandbox.info_server import Answers, Fault, InfoServer, Manners, WireRow

START = 1_772_323_200_000
FIRST = day_of(START)
USERS = [f"0x{number:040x}" for number in range(0xACC0, 0xACC9)]


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("accounts")
    with installed(folder, folder / "raw", module_patch) as installation:
        yield installation


@pytest.fixture
def server() -> Iterator[InfoServer]:
    with InfoServer(Answers(), Manners(weight_per_window=10**9)) as running:
        yield running


def history(
    vigil: Installation, server: InfoServer, path: Path, *users: str, patience_s: float = 20
) -> AccountHistory:
    budget = WeightBudget(path / "budget", 10**9)
    api = ExchangeApi(server.url, budget, patience_s=patience_s)
    return AccountHistory(api, vigil.warehouse, users)


def days(first: int, last: int) -> list[Any]:
    return [FIRST + timedelta(days=n) for n in range(first, last)]


def payment(time: int, usdc: str, coin: str = "BTC", samples: int | None = None) -> WireRow:
    delta = {
        "type": "funding",
        "coin": coin,
        "usdc": usdc,
        "szi": "1.0",
        "fundingRate": "0.0000125",
        "nSamples": samples,
    }
    return {"time": time, "hash": "0x0", "delta": delta}


def value(vigil: Installation, expression: str) -> Any:
    [row] = vigil.records(f"SELECT {expression} AS value")
    return row["value"]


def funding(vigil: Installation, user: str, start: int, end: int, core: str = "false") -> Any:
    return value(vigil, f"account_funding_between('{user}', {start}, {end}, {core})")


def flows(vigil: Installation, user: str, start: int, end: int) -> Any:
    return value(vigil, f"account_flows_between('{user}', {start}, {end})")


def test_recorded_funding_is_whole_over_days_and_not_inside_them(
    vigil: Installation, server: InfoServer, tmp_path: Path
) -> None:
    recorded = json.loads(
        shared_file("data/real/funding/userFunding_0xdae4_part1.json").read_text()
    )
    user = USERS[0]
    server.answers.user_funding = {user: recorded}
    first, last = (day_of(recorded[n]["time"]) for n in (0, -1))
    span = [first + timedelta(days=n) for n in range((last - first).days + 1)]

    history(vigil, server, tmp_path, user).take_in(span)

    start, end = day_start_ms(first), day_start_ms(last) + DAY_MS
    assert funding(vigil, user, start, end) == sum(Decimal(r["delta"]["usdc"]) for r in recorded)
    by_day = [funding(vigil, user, at, at + DAY_MS) for at in range(start, end, DAY_MS)]
    assert sum(by_day) == funding(vigil, user, start, end)
    summed = next(r["time"] for r in recorded if r["delta"]["nSamples"] == 24)
    inside = summed + 2 * HOUR_MS
    # What the exchange has summed over a day cannot be told apart at two in the morning.
    assert funding(vigil, user, inside, end) is None
    assert funding(vigil, user, start, inside) is None
    hourly = max(r["time"] for r in recorded) - 5 * HOUR_MS
    assert funding(vigil, user, hourly, end) is not None


def test_the_ends_of_what_is_covered(
    vigil: Installation, server: InfoServer, tmp_path: Path
) -> None:
    user = USERS[1]
    server.answers.user_funding = {
        user: [
            payment(START, "1"),
            payment(START + DAY_MS - 1, "10"),
            payment(START + DAY_MS, "100"),
            payment(START + DAY_MS, "1000", "xyz:TSLA"),
        ]
    }
    asked = history(vigil, server, tmp_path, user)
    asked.take_in(days(0, 2))

    end = START + 2 * DAY_MS
    assert funding(vigil, user, START, START + DAY_MS) == 11
    assert funding(vigil, user, START + DAY_MS, end) == 1100
    assert funding(vigil, user, START + DAY_MS, end, "true") == 100
    assert funding(vigil, user, START + 1, START + DAY_MS - 1) == 0
    assert funding(vigil, user, START - 1, end) is None
    assert funding(vigil, user, START, end + 1) is None
    assert funding(vigil, USERS[2], START, end) is None
    assert asked.is_current(FIRST)
    assert not asked.is_current(FIRST + timedelta(days=2))


def test_an_update_that_does_not_tell_leaves_the_sum_unknown(
    vigil: Installation, server: InfoServer, tmp_path: Path
) -> None:
    user = USERS[3]
    server.answers.ledger = {
        user: [
            {"time": START + 5, "hash": "0xa", "delta": {"type": "deposit", "usdc": "7.5"}},
            {"time": START + 5, "hash": "0xa", "delta": {"type": "deposit", "usdc": "7.5"}},
            {"time": START + 9, "hash": "0xb", "delta": {"type": "withdraw", "usdc": "2"}},
            {"time": START + DAY_MS, "hash": "0xc", "delta": {"type": "unheardOf"}},
        ]
    }

    taken = history(vigil, server, tmp_path, user).take_in(days(0, 2))

    assert taken.rows == {FIRST: 3, FIRST + timedelta(days=1): 1}
    assert taken.untold == {"unheardOf": 1}
    assert flows(vigil, user, START, START + DAY_MS) == 13
    assert flows(vigil, user, START, START + DAY_MS + 1) is None
    assert flows(vigil, user, START - DAY_MS, START) is None
    assert flows(vigil, user, START + 10, START + DAY_MS) == 0


def test_only_what_is_missing_is_asked_for_and_stretches_join(
    vigil: Installation, server: InfoServer, tmp_path: Path
) -> None:
    user = USERS[4]
    server.answers.user_funding = {user: [payment(START + n * DAY_MS, "1") for n in range(9)]}
    asked = history(vigil, server, tmp_path, user)
    for first, last in ((0, 2), (4, 6), (1, 5), (6, 7), (0, 9)):
        asked.take_in(days(first, last))

    rows = vigil.records(
        "SELECT kind, covered_from, covered_until FROM account_coverage "
        f"WHERE user_address = '{user}' ORDER BY kind"
    )
    whole = {"covered_from": START, "covered_until": START + 9 * DAY_MS}
    assert rows == [{"kind": "funding"} | whole, {"kind": "ledger"} | whole]
    starts = [
        json.loads(one.body)["startTime"] for one in server.asked if one.type == "userFunding"
    ]
    # The last row of a page is asked for once more: nothing may hide behind it.
    gaps = sorted({at // DAY_MS for at in starts})
    assert gaps == sorted({(START + n * DAY_MS) // DAY_MS for n in range(9)})
    assert funding(vigil, user, START, START + 9 * DAY_MS) == 9
    count = server.requests
    asked.take_in(days(0, 9))
    assert server.requests == count


def test_what_may_still_change_is_not_asked_for(
    vigil: Installation, server: InfoServer, tmp_path: Path
) -> None:
    user = USERS[5]
    today = datetime.now(UTC).date()
    asked = history(vigil, server, tmp_path, user)

    asked.take_in([today])
    assert server.requests == 0
    asked.take_in([today - timedelta(days=2), today - timedelta(days=1), today])

    assert not asked.is_current(today)
    assert asked.is_current(today - timedelta(days=2))


def test_a_silent_exchange_leaves_what_came_before(
    vigil: Installation, server: InfoServer, tmp_path: Path
) -> None:
    user = USERS[6]
    server.answers.user_funding = {user: [payment(START, "3")]}
    server.inject(Fault.SERVER_ERROR, 50, only="userNonFundingLedgerUpdates")

    with pytest.raises(ExchangeSilent):
        history(vigil, server, tmp_path, user, patience_s=0.1).take_in(days(0, 1))

    assert funding(vigil, user, START, START + DAY_MS) == 3
    assert flows(vigil, user, START, START + DAY_MS) is None
    server._injected.clear()
    again = history(vigil, server, tmp_path, user)
    assert not again.is_current(FIRST)
    again.take_in(days(0, 1))
    assert flows(vigil, user, START, START + DAY_MS) == 0


def test_modes_are_kept_where_they_change(
    vigil: Installation, server: InfoServer, tmp_path: Path
) -> None:
    user = USERS[7]
    asked = history(vigil, server, tmp_path, user)
    assert value(vigil, f"keeps_perps_apart('{user}', {START})") is None
    asked.take_in(days(0, 1))
    asked.take_in(days(1, 2))
    assert value(vigil, f"keeps_perps_apart('{user}', {START})") is True
    server.answers.modes = {user: "unifiedAccount"}
    asked.take_in(days(2, 3))

    rows = vigil.records(
        f"SELECT mode, observed_at FROM account_modes WHERE user_address = '{user}' ORDER BY 2"
    )
    assert [row["mode"] for row in rows] == ["default", "unifiedAccount"]
    assert value(vigil, f"keeps_perps_apart('{user}', {rows[1]['observed_at']})") is False
    # Between the two answers it may have changed any time.
    assert value(vigil, f"keeps_perps_apart('{user}', {rows[0]['observed_at']})") is False
    assert value(vigil, f"keeps_perps_apart('{user}', {rows[0]['observed_at'] - 1})") is True
