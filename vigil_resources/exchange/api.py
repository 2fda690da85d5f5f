"""The exchange's info API: `POST {url}/info`, its pages and its failures.

    budget = WeightBudget(data_dir / "exchange_budget")
    api = ExchangeApi(PUBLIC_API, budget)
    rates = api.funding_history("BTC", start_ms, end_ms)

Every window is half-open: start <= t < end, in ms since the epoch, UTC. Numbers are exact: from
the answer's text to `Decimal`, never through a float. What the API does not hold is reported, never
made up. Nothing is kept here: `cache.py` does that.
"""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

import polars as pl

from vigil_core.calendar import HOUR_MS, LATEST_MS
from vigil_resources.exchange.answers import (
    CANDLE_SCHEMA,
    FILL_SCHEMA,
    FUNDING_SCHEMA,
    INTERVALS_MS,
    META_SCHEMA,
    USER_FUNDING_SCHEMA,
    Candles,
    ClearinghouseState,
    LedgerUpdate,
    UserFills,
)
from vigil_resources.exchange.budget import Budget, Charge
from vigil_resources.exchange.errors import (
    CrowdedInstant,
    ExchangeRefused,
    ExchangeSilent,
    UnexpectedAnswer,
    short,
)
from vigil_resources.exchange.reading import (
    Row,
    as_json,
    as_list,
    as_mapping,
    candle_row,
    clearinghouse_state,
    fill_row,
    frame,
    funding_row,
    ledger_row,
    meta_row,
    read,
    slice_row,
    universe,
    user_funding_row,
)
from vigil_resources.exchange.transport import HttpTransport, Reply, Transport

_FUNDING_PAGE = 500
_FILLS_PAGE = 2_000
_LEDGER_PAGE = 500
_FILLS_KEPT = 10_000
_CANDLES_KEPT = 5_000
"""As documented. Only guesses of weight, and suspicion, rest on them: the server may differ."""

_NULLS = 5
"""Answers `null` after which it is taken for the answer there is: so is an unknown coin's."""


@dataclass(frozen=True, slots=True)
class _Cost:
    """Weight of a request: a base, and one for every so many rows of its answer."""

    base: int
    rows_per_weight: int = 0
    likely_rows: int = 0

    @property
    def expected(self) -> int:
        return self.base + self._of_rows(self.likely_rows)

    def of(self, answer: object) -> int:
        return self.base + (self._of_rows(len(answer)) if isinstance(answer, list) else 0)

    def _of_rows(self, rows: int) -> int:
        # Rounded up: whether the exchange does is not known.
        return -(-rows // self.rows_per_weight) if self.rows_per_weight else 0


class ExchangeApi:
    """A client of the info API. May be used by several threads.

    Every method may raise `ExchangeRefused` (the request is wrong: HTTP 4xx), `ExchangeSilent`
    (429, 5xx, no connection, no whole or no JSON body, or `null`, until patience ended) and
    `UnexpectedAnswer` (not the documented shape).

    Args:
        url: Of the API; default of the setting is `PUBLIC_API`.
        budget: What requests are paid from.
        transport: Carries requests; default HTTP to `url`.
        timeout_s: Seconds for one reply.
        patience_s: Seconds of attempts and pauses for one request, after which it is given up.
            Waiting for the budget does not count.
        clock: Seconds, never backwards.
        sleep: Seconds.
        jitter: From 0 to 1, so that processes which failed together do not return together.
    """

    def __init__(
        self,
        url: str,
        budget: Budget,
        *,
        transport: Transport | None = None,
        timeout_s: float = 30.0,
        patience_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.url = url
        self._budget = budget
        self._transport = transport or HttpTransport(url)
        self._timeout = timeout_s
        self._patience = patience_s
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter

    def funding_history(self, coin: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """Settled funding rates with start_ms <= time < end_ms.

        A window without rows is empty, whether nothing was settled or nothing is kept: the API
        does not tell.

        Returns:
            Columns of `FUNDING_SCHEMA`, by `time`; no row twice.

        Raises:
            CrowdedInstant: Rows of one stamp fill a page.
        """
        request = _window("fundingHistory", {"coin": coin}, start_ms, end_ms)
        pages = self._window_pages(
            request,
            _FUNDING_PAGE,
            lambda row: funding_row(row, coin),
            # One an hour, and a page at most.
            lambda from_ms: min((end_ms - from_ms) // HOUR_MS + 2, _FUNDING_PAGE),
        )
        rows = dict.fromkeys(pages)
        return frame(rows, FUNDING_SCHEMA).sort("time", maintain_order=True)

    def candles(
        self, coin: str, interval: str, start_ms: int, end_ms: int, *, now_ms: int
    ) -> Candles:
        """Candles that opened in start_ms <= open_time < end_ms and are closed at `now_ms`.

        The API keeps the latest 5,000 or so of an interval: older ones are not had, and named in
        `unavailable`.

        Raises:
            ValueError: There is no such interval.
        """
        if interval not in INTERVALS_MS:
            raise ValueError(f"interval {interval!r}: expected one of {list(INTERVALS_MS)}")
        length = INTERVALS_MS[interval]
        # A candle that opened later is still open.
        end_ms = max(start_ms, min(end_ms, now_ms - length + 1))
        held: dict[int, Row] = {}
        before = end_ms
        # A window too long for one answer gives its latest part: ask for what is before it.
        while before - start_ms > 0:
            page = self._candle_page(coin, interval, start_ms, before)
            if not page:
                break
            held |= page
            before = min(page)
            if before - start_ms < length:
                break
        first = min(held, default=end_ms)
        is_short = first - start_ms >= length if held else end_ms > start_ms
        rows = [held[at][:-1] for at in sorted(held) if held[at][-1] < now_ms]
        unavailable = ((start_ms, first),) if is_short else ()
        return Candles(frame(rows, CANDLE_SCHEMA), start_ms, end_ms, unavailable)

    def meta(self, dex: str | None = None) -> pl.DataFrame:
        """The perpetuals of a dex, by default the exchange's own. Columns of `META_SCHEMA`."""
        request = {"type": "meta"} | ({"dex": dex} if dex is not None else {})
        answer = self._ask(request, _Cost(20))
        return read(request, lambda: frame(map(meta_row, universe(answer)), META_SCHEMA))

    def clearinghouse_state(self, user: str, dex: str | None = None) -> ClearinghouseState:
        """An account's margin and open positions on one dex, now."""
        request = {"type": "clearinghouseState", "user": user.lower()}
        if dex is not None:
            request["dex"] = dex
        answer = self._ask(request, _Cost(2))
        return read(request, lambda: clearinghouse_state(answer))

    def user_fills_by_time(
        self, user: str, start_ms: int = 0, end_ms: int | None = None
    ) -> UserFills:
        """A trader's fills with start_ms <= time < end_ms; without an end, up to now.

        The API keeps the 10,000 latest fills of a trader, whatever window is asked for. So fills
        after the window are counted too, as far as that decides `history_complete`.

        Raises:
            CrowdedInstant: Rows of one stamp fill a page.
        """
        user = user.lower()
        request: dict[str, Any] = {"type": "userFillsByTime", "user": user, "startTime": start_ms}

        def page(from_ms: int) -> list[Row]:
            cost = _Cost(20, 20, _FILLS_PAGE)
            asked = request | {"startTime": from_ms}
            return self._page(asked, cost, lambda row: fill_row(row, user))

        def is_enough(rows: Sequence[Row]) -> bool:
            is_past = end_ms is not None and rows[-1][0] >= end_ms
            return is_past and len(rows) >= _FILLS_KEPT

        rows = _all_pages(request, page, start_ms, _FILLS_PAGE, is_enough)
        wanted = [row for row in rows if end_ms is None or row[0] < end_ms]
        return UserFills(frame(wanted, FILL_SCHEMA), len(rows) < _FILLS_KEPT)

    def user_twap_fills(self, user: str) -> UserFills:
        """A trader's slices of TWAP orders, which `user_fills_by_time` lacks.

        The API gives the 2,000 latest and has no pages: a full answer may have been cut off.
        """
        user = user.lower()
        request = {"type": "userTwapSliceFills", "user": user}
        answer = self._ask(request, _Cost(20, 20, _FILLS_PAGE))
        rows = read(request, lambda: [slice_row(row, user) for row in as_list(answer)])
        rows.sort(key=lambda row: row[0])
        return UserFills(frame(rows, FILL_SCHEMA), len(rows) < _FILLS_PAGE)

    def user_funding(self, user: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """What an account paid and received with start_ms <= time < end_ms.

        Old payments come summed by the UTC day and stamped with its start: a window has to begin
        with a day to hold the whole of them.

        Returns:
            Columns of `USER_FUNDING_SCHEMA`, by `time` and coin; no row twice.

        Raises:
            CrowdedInstant: Rows of one stamp fill a page.
        """
        request = _window("userFunding", {"user": user.lower()}, start_ms, end_ms)
        rows = dict.fromkeys(self._window_pages(request, _FUNDING_PAGE, user_funding_row))
        if len({row[:2] for row in rows}) < len(rows):
            raise UnexpectedAnswer(request, "two different payments of one coin at one time")
        return frame(rows, USER_FUNDING_SCHEMA).sort("time", "coin")

    def user_ledger(self, user: str, start_ms: int, end_ms: int) -> list[LedgerUpdate]:
        """What moved an account's money, start_ms <= time < end_ms, aside from trades and funding.

        Raises:
            CrowdedInstant: Rows of one stamp fill a page.
        """
        of = {"user": user.lower()}
        request = _window("userNonFundingLedgerUpdates", of, start_ms, end_ms)
        rows = self._window_pages(request, _LEDGER_PAGE, ledger_row)
        return [LedgerUpdate(*row) for row in rows]

    def user_mode(self, user: str) -> str:
        """How an account's balances are kept now, e.g. `default` or `unifiedAccount`."""
        request = {"type": "userAbstraction", "user": user.lower()}
        mode = self._ask(request, _Cost(20))
        if not isinstance(mode, str):
            raise UnexpectedAnswer(request, f"expected a text, found {short(mode)}")
        return mode

    # --- below: a page, a request, an attempt ------------------------------------------------

    def _window_pages(
        self,
        request: Mapping[str, Any],
        documented: int,
        parse: Callable[[Mapping[str, Any]], Row],
        likely_rows: Callable[[int], int] | None = None,
    ) -> list[Row]:
        """Every row of a window; `likely_rows` from a time on, where it is not a full page."""
        end_ms = request["endTime"] + 1

        def page(from_ms: int) -> list[Row]:
            if from_ms >= end_ms:
                return []
            likely = likely_rows(from_ms) if likely_rows else documented
            cost = _Cost(20, 20, likely)
            return self._page({**request, "startTime": from_ms}, cost, parse, end_ms)

        return _all_pages(request, page, request["startTime"], documented)

    def _page(
        self,
        request: Mapping[str, Any],
        cost: _Cost,
        parse: Callable[[Mapping[str, Any]], Row],
        end_ms: int = LATEST_MS,
    ) -> list[Row]:
        """Rows of one answer, from `startTime` to before `end_ms`, oldest first."""
        answer = self._ask(request, cost)
        rows = read(request, lambda: [parse(as_mapping(row)) for row in as_list(answer)])
        if any(after[0] < before[0] for before, after in zip(rows, rows[1:], strict=False)):
            raise UnexpectedAnswer(request, "its rows are not oldest first")
        return [row for row in rows if request["startTime"] <= row[0] < end_ms]

    def _candle_page(self, coin: str, interval: str, start_ms: int, end_ms: int) -> dict[int, Row]:
        window = {"coin": coin, "interval": interval, "startTime": start_ms, "endTime": end_ms - 1}
        request = {"type": "candleSnapshot", "req": window}
        likely = min((end_ms - start_ms) // INTERVALS_MS[interval] + 2, _CANDLES_KEPT)
        answer = self._ask(request, _Cost(20, 60, likely))
        rows = read(request, lambda: [candle_row(row, coin, interval) for row in as_list(answer)])
        # The candle that holds the window's first instant comes too, though it opened before.
        wanted = list(dict.fromkeys(row for row in rows if start_ms <= row[0] < end_ms))
        page = {row[0]: row for row in wanted}
        if len(page) < len(wanted):
            raise UnexpectedAnswer(request, "two different candles open at one time")
        return page

    def _ask(self, request: Mapping[str, Any], cost: _Cost) -> Any:
        """The answer as JSON, floats as their text; never None."""
        body = json.dumps(request, separators=(",", ":")).encode()
        spent, attempts, nulls = 0.0, 0, 0
        while True:
            charge = self._budget.reserve(cost.expected)
            began = self._clock()
            answer, reason = self._attempt(request, body, cost, charge)
            if answer is not None:
                return answer
            attempts += 1
            nulls += reason == _NULL
            spent += self._clock() - began
            pause = self._pause(attempts)
            if nulls == _NULLS or spent + pause > self._patience:
                raise ExchangeSilent(request, attempts, spent, reason)
            self._sleep(pause)
            spent += pause

    def _pause(self, attempts: int) -> float:
        """Seconds: about a second, two, four, up to half a minute."""
        return min(30.0, 2.0 ** min(attempts - 1, 10)) * (0.5 + self._jitter() / 2)

    def _attempt(
        self, request: Mapping[str, Any], body: bytes, cost: _Cost, charge: Charge
    ) -> tuple[Any, str]:
        """The answer; or None, and why there is none."""
        # What became of a request without a reply is not known: it may have cost all it can.
        weight = charge.weight
        try:
            reply = self._transport.post(body, self._timeout)
            weight = cost.base
            if reply.status != 200:
                return None, self._failure(request, reply)
            try:
                answer = as_json(reply.body)
            except (ValueError, RecursionError) as error:
                weight = charge.weight
                return None, f"HTTP 200 with a body that is no JSON ({error}): {_text(reply.body)}"
            weight = cost.of(answer)
            return answer, _NULL
        except (OSError, HTTPException) as error:
            return None, f"{type(error).__name__}: {error}"
        finally:
            self._budget.settle(charge, weight)

    def _failure(self, request: Mapping[str, Any], reply: Reply) -> str:
        """Why a reply is no answer, if a later one may be."""
        text = _text(reply.body)
        if reply.status == 429:
            self._budget.slow_down()
        elif reply.status < 500:
            raise ExchangeRefused(request, reply.status, text)
        return f"HTTP {reply.status}: {text}"


_NULL = "HTTP 200 with the body null: no answer, or nothing of that name"


def _window(kind: str, of: Mapping[str, str], start_ms: int, end_ms: int) -> dict[str, Any]:
    # The API counts both ends of its windows in.
    return {"type": kind, **of, "startTime": start_ms, "endTime": end_ms - 1}


def _all_pages(
    request: object,
    page: Callable[[int], list[Row]],
    start_ms: int,
    documented: int,
    is_enough: Callable[[Sequence[Row]], bool] = lambda _: False,
) -> list[Row]:
    """Every row from `start_ms` on, as often as the server has it, whatever its page size is.

    A page may end between two rows of one stamp. So the next one is asked for from that stamp on,
    and takes the place of its rows. A page that brings nothing later is the last, if it is shorter
    than one seen before: then it was not cut off. Else the millisecond after it has to be empty.

    Args:
        request: Of the first page, for errors.
        page: Rows from a time on, oldest first; the first of them all, as many as a page holds.
        start_ms: Where to begin.
        documented: Rows of a full page, as the exchange says.
        is_enough: Of the rows so far; ends the paging early.

    Raises:
        CrowdedInstant: A page of one stamp may have been cut off.
        UnexpectedAnswer: A page lacks rows that the one before it held.
    """
    held: list[Row] = []
    cursor, longest, was_stuck = start_ms, 0, False
    while not (held and is_enough(held)):
        rows = page(cursor)
        repeated = 0
        while held and held[-1][0] >= cursor:
            held.pop()
            repeated += 1
        if sum(row[0] == cursor for row in rows) < repeated:
            raise UnexpectedAnswer(request, f"rows of {cursor} that came before are gone")
        if not rows:
            break
        held += rows
        longest = max(longest, len(rows))
        last = rows[-1][0]
        if last > cursor:
            cursor, was_stuck = last, False
            continue
        if len(rows) < longest:
            break
        if len(rows) >= documented or was_stuck:
            raise CrowdedInstant(request, cursor, len(rows))
        if not page(cursor + 1):
            break
        # Something is behind: a full page of one stamp, or what came just now. Look again.
        was_stuck = True
    return held


def _text(body: bytes) -> str:
    return short(body.decode("utf-8", "replace"))
