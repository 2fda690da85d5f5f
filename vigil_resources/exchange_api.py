"""The exchange's info API: `POST {url}/info`, its weight budget, its pages and its failures.

    budget = WeightBudget(data_dir / "exchange_budget")
    api = ExchangeApi(PUBLIC_API, budget)
    rates = api.funding_history("BTC", start_ms, end_ms)

Every window is half-open: start <= t < end, in ms since the epoch, UTC. Numbers are exact: from
the answer's text to `Decimal`, never through a float. What the API does not hold is reported, never
made up. Nothing is kept here: `exchange_cache.py` does that.
"""

import fcntl
import json
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from http.client import HTTPException, IncompleteRead
from ipaddress import ip_address
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

import polars as pl

from vigil_core.calendar import DAY_MS, EARLIEST_MS, HOUR_MS, LATEST_MS
from vigil_core.errors import InvalidSetting, VigilError
from vigil_core.fills.schema import LAKE_SCHEMA, MONEY, MONEY_SCALE
from vigil_core.storable import storable
from vigil_resources.settings import WEIGHT_PER_MINUTE

PUBLIC_API = "https://api.hyperliquid.xyz"
_SHOWN = 300
"""Characters of a request or an answer that an error quotes."""


# --- errors ----------------------------------------------------------------------------------


class ExchangeRefused(VigilError):
    """The exchange understood that it was asked, and refused: asking again would not help."""

    def __init__(self, request: object, status: int, answer: str) -> None:
        self.status = status
        super().__init__(f"{_short(request)} was refused with HTTP {status}: {answer}")


class ExchangeSilent(VigilError):
    """No attempt brought an answer, for as long as Vigil keeps trying."""

    def __init__(self, request: object, attempts: int, seconds: float, last: str) -> None:
        self.attempts = attempts
        self.last = last
        super().__init__(
            f"{_short(request)} had no answer in {attempts} attempts over {seconds:.0f} s; "
            f"the last one: {last}"
        )


class UnexpectedAnswer(VigilError):
    """An answer came, and it is not what the API is documented to give; none of it was used."""

    def __init__(self, request: object, what: str) -> None:
        super().__init__(f"the answer to {_short(request)} is not as documented: {what}")


class CrowdedInstant(VigilError):
    """One millisecond may hold more rows than a page, and pages begin at milliseconds only."""

    def __init__(self, request: object, time_ms: int, rows: int) -> None:
        super().__init__(
            f"{_short(request)}: a whole page of {rows} rows has the one time stamp {time_ms}, "
            "so the rows behind them cannot be asked for; nothing was kept"
        )


class _Malformed(Exception):
    """What is wrong with an answer; becomes `UnexpectedAnswer`, which names the request."""


# --- the weight budget -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Charge:
    """Weight taken out of a budget for a request that is under way."""

    number: int
    weight: int


class Budget(Protocol):
    """What requests are paid from. `WeightBudget` is this machine's; others may be shared wider."""

    def reserve(self, weight: int) -> Charge:
        """Wait until a request of this weight may be sent."""
        ...

    def settle(self, charge: Charge, weight: int) -> None:
        """Replace what was reserved by what the request really cost, once it is over."""
        ...

    def slow_down(self) -> None:
        """The exchange said that it is asked too often."""
        ...


class WeightBudget:
    """So much weight in any minute, for all processes of this machine that name the same folder.

    A request is charged with the most it may cost before it is sent, and with its real cost when
    its answer is there; the minute counts from then. So no minute of the exchange's holds more
    than the budget, however late its answers come. Nothing fails for want of weight: it waits,
    and whoever came first goes first.

    A killed process leaves nothing behind that others wait for: its locks end with it, and what
    it had reserved expires.

    Args:
        path: A folder; made if need be. One for each egress address.
        per_minute: Weight. A single request that weighs more goes when nothing else is charged.
        window_s: The minute, in seconds.
        slow_s: For how long after `slow_down` only half the weight is spent, in seconds.
        clock: Seconds that never run backwards, the same for all processes of the machine; it may
            begin anew, as the system's does when it starts.
        sleep: Seconds.
    """

    def __init__(
        self,
        path: Path,
        per_minute: int = WEIGHT_PER_MINUTE,
        *,
        window_s: float = 60.0,
        slow_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if per_minute < 1:
            raise ValueError(f"a budget of {per_minute} a minute lets nothing through")
        self._path = path
        self._per_minute = per_minute
        # The exchange's clock may run a little faster than ours.
        self._window = window_s * 1.01
        self._lease = 2 * window_s
        self._slow = slow_s
        self._poll = window_s / 240
        self._clock = clock
        self._sleep = sleep
        (path / "queue").mkdir(parents=True, exist_ok=True)

    def reserve(self, weight: int) -> Charge:
        """Wait behind whoever came before, then until the minute has room for `weight`."""
        with self._turn():
            while True:
                with self._state() as state:
                    now = self._clock()
                    wait = self._wait(state, weight, now)
                    if wait <= 0:
                        return state.add(weight, now, is_open=True)
                # Others settle for less meanwhile, and slow times end: look again soon.
                self._sleep(min(wait, self._poll))

    def settle(self, charge: Charge, weight: int) -> None:
        """Charge `weight` from now on instead of what was reserved. Never waits for room."""
        with self._state() as state:
            state.charges.pop(charge.number, None)
            state.add(weight, self._clock(), is_open=False, number=charge.number)

    def slow_down(self) -> None:
        """Spend half the weight for a while, in all processes."""
        with self._state() as state:
            state.halved_until = self._clock() + self._slow

    def spent(self) -> int:
        """Weight charged in the last minute, requests under way included."""
        with self._state() as state:
            return sum(entry.weight for entry in state.charges.values())

    def _wait(self, state: "_State", weight: int, now: float) -> float:
        """Seconds until there is room, if nothing is given back before; 0 if there is."""
        is_halved = now < state.halved_until
        limit = max(1, self._per_minute // 2) if is_halved else self._per_minute
        free = limit - sum(entry.weight for entry in state.charges.values())
        missing = min(weight, limit) - free
        if missing <= 0:
            return 0.0
        for end, freed in sorted((self._end(e), e.weight) for e in state.charges.values()):
            missing -= freed
            if missing <= 0:
                return end - now
        raise AssertionError("unreachable: without charges there is room")

    def _end(self, entry: "_Entry") -> float:
        # A request under way keeps its charge; one whose process was killed loses it some time.
        return entry.since + self._window + (self._lease if entry.is_open else 0.0)

    # --- below: what lies in the folder ------------------------------------------------------

    @contextmanager
    def _state(self) -> Iterator["_State"]:
        """What all processes know, for one of them at a time; kept when the block ends."""
        with _locked(self._path / "state.lock"):
            path = self._path / "state.json"
            now = self._clock()
            state = self._read(path, now)
            # A stamp of the future is from before the clock began anew. It counts from now.
            for entry in state.charges.values():
                entry.since = min(entry.since, now)
            state.halved_until = min(state.halved_until, now + self._slow)
            state.charges = {n: e for n, e in state.charges.items() if now < self._end(e)}
            yield state
            beside = path.with_suffix(".new")
            beside.write_text(state.to_json())
            beside.replace(path)

    def _read(self, path: Path, now: float) -> "_State":
        try:
            return _State.from_json(path.read_text())
        except FileNotFoundError:
            return _State()
        except (ValueError, TypeError, KeyError):
            # Cut off with the machine. What was spent is not known: it may have been all.
            state = _State()
            state.add(self._per_minute, now, is_open=False)
            return state

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Waits for everybody who came before, in that order.

        Each holds a kernel's lock on a file of its own, and waits for the file before its own: a
        killed process opens the way by the same means as one that is done.
        """
        with _locked(self._path / "state.lock"):
            number = max(self._queue(), default=-1) + 1
            place = self._place(number)
            file = place.open("x")
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            while ahead := [one for one in self._queue() if one < number]:
                self._await(max(ahead))
            yield
        finally:
            # Gone before it is unlocked: whoever waits for it must not find it again.
            place.unlink(missing_ok=True)
            fcntl.flock(file, fcntl.LOCK_UN)
            file.close()

    def _await(self, number: int) -> None:
        try:
            with self._place(number).open() as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                # Whoever still lies there was killed. No newcomer takes its number: they are
                # all higher than ours.
                self._place(number).unlink(missing_ok=True)
        except FileNotFoundError:
            return

    def _queue(self) -> list[int]:
        names = (path.name for path in (self._path / "queue").iterdir())
        return [int(name) for name in names if name.isdigit()]

    def _place(self, number: int) -> Path:
        return self._path / "queue" / f"{number:012d}"


@dataclass(slots=True)
class _Entry:
    since: float
    weight: int
    is_open: bool


class _State:
    """Charges of the last minute, by number."""

    def __init__(self) -> None:
        self.charges: dict[int, _Entry] = {}
        self.halved_until = -1.0

    def add(self, weight: int, since: float, *, is_open: bool, number: int | None = None) -> Charge:
        # By chance, so that a number is nobody else's after the state was lost, either.
        number = secrets.randbits(62) if number is None else number
        self.charges[number] = _Entry(since, weight, is_open)
        return Charge(number, weight)

    def to_json(self) -> str:
        charges = [[n, e.since, e.weight, e.is_open] for n, e in self.charges.items()]
        return json.dumps({"charges": charges, "halved_until": self.halved_until})

    @classmethod
    def from_json(cls, text: str) -> "_State":
        value = json.loads(text)
        state = cls()
        for number, since, weight, is_open in value["charges"]:
            state.charges[int(number)] = _Entry(float(since), int(weight), bool(is_open))
        state.halved_until = float(value["halved_until"])
        return state


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


# --- one request, one reply ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whatever it says."""

    status: int
    body: bytes


class Transport(Protocol):
    """Carries one request."""

    def post(self, body: bytes, timeout_s: float) -> Reply:
        """Raises `OSError` or `HTTPException` where no whole reply came."""
        ...


class HttpTransport:
    """Over HTTP(S), a connection for each request; through the environment's proxy if it names one.

    Args:
        url: Of the API, with or without `/info` at its end.

    Raises:
        InvalidSetting: It is no HTTP address.
    """

    LARGEST = 64 << 20
    """Bytes; no answer comes near."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidSetting("HYPERLIQUID_API_URL", url, "http:// or https:// and a host")
        self._address = url.rstrip("/").removesuffix("/info") + "/info"
        self._opener = OpenerDirector()
        # No proxy knows what listens on our own loopback. Redirects are not followed: a POST
        # would become a GET.
        handlers = [HTTPHandler(), HTTPSHandler()]
        for handler in handlers if is_loopback(parts.hostname) else [ProxyHandler(), *handlers]:
            self._opener.add_handler(handler)

    def post(self, body: bytes, timeout_s: float) -> Reply:
        """The reply of any status. Each wait is limited, and so is the whole reading."""
        headers = {"Content-Type": "application/json", "User-Agent": "vigil"}
        request = Request(self._address, data=body, headers=headers, method="POST")
        deadline = time.monotonic() + timeout_s
        with self._opener.open(request, timeout=timeout_s) as answer:
            expected = answer.length
            content = bytearray()
            while expected is None or len(content) < expected:
                chunk = answer.read1(1 << 16)
                if not chunk:
                    break
                content += chunk
                if len(content) > self.LARGEST:
                    raise HTTPException(f"more than {self.LARGEST} bytes")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"only {len(content)} bytes in {timeout_s} s")
            if expected is not None and len(content) < expected:
                raise IncompleteRead(bytes(content), expected - len(content))
            return Reply(answer.status, bytes(content))


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- what the answers hold -------------------------------------------------------------------

FUNDING_SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Int64(),
    "coin": pl.String(),
    "rate": MONEY,
    "premium": MONEY,
}
"""One row per settlement. `time` in ms as the exchange stamped it, shortly after the hour it pays
for; `rate` a fraction for that hour (for eight of them until 2023-06-08), positive when longs pay;
`premium` may be null."""

USER_FUNDING_SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Int64(),
    "coin": pl.String(),
    "usdc": MONEY,
    "szi": MONEY,
    "funding_rate": MONEY,
    "samples": pl.Int64(),
    "hash": pl.String(),
}
"""One row per payment of an account. `usdc` is positive when received, `szi` signed. A row with
`samples` is the sum of that many payments of the UTC day that begins with `time`, its size and
rate their means; else `time` is the payment's own, shortly after the hour."""

CANDLE_SCHEMA: dict[str, pl.DataType] = {
    "open_time": pl.Int64(),
    "open": MONEY,
    "high": MONEY,
    "low": MONEY,
    "close": MONEY,
    "volume": MONEY,
    "trades": pl.Int64(),
}
"""One row per closed candle. `open_time` in ms, prices in the quote token, `volume` in base
units."""

META_SCHEMA: dict[str, pl.DataType] = {
    "coin": pl.String(),
    "size_decimals": pl.Int64(),
    "max_leverage": pl.Int64(),
    "is_delisted": pl.Boolean(),
    "only_isolated": pl.Boolean(),
}
"""One row per perpetual, in the exchange's order, which numbers them."""

_FILL_FIELDS = {
    "time": "time",
    "coin": "coin",
    "px": "px",
    "sz": "sz",
    "side": "side",
    "dir": "dir",
    "startPosition": "start_position",
    "closedPnl": "closed_pnl",
    "fee": "fee",
    "feeToken": "fee_token",
    "crossed": "crossed",
    "hash": "hash",
    "oid": "oid",
    "tid": "tid",
    "cloid": "cloid",
    "twapId": "twap_id",
    "builder": "builder",
    "builderFee": "builder_fee",
    "deployerFee": "deployer_fee",
    "priorityGas": "priority_gas",
    "liquidation": "liquidation",
}
_FILL_ALWAYS = {"coin", "px", "sz", "side", "dir", "start_position", "closed_pnl", "fee"}
_FILL_ALWAYS |= {"crossed", "hash", "oid"}

FILL_SCHEMA: dict[str, pl.DataType] = {
    "time": LAKE_SCHEMA["time"],
    "user_address": LAKE_SCHEMA["user_address"],
    **{name: LAKE_SCHEMA[name] for name in _FILL_FIELDS.values() if name != "time"},
    "extra": LAKE_SCHEMA["extra"],
}
"""The columns of `LAKE_SCHEMA` that the API gives, with the same meaning. `fee_token` and `tid` are
null in answers of 2023."""

INTERVALS_MS: dict[str, int] = {
    **{f"{n}m": n * 60_000 for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 2, 4, 8, 12)},
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
    "1M": 28 * DAY_MS,
}
"""Intervals that candles come in; a month at its shortest."""


@dataclass(frozen=True, slots=True)
class Candles:
    """Closed candles of a window, and what of it the API does not hold any more."""

    rows: pl.DataFrame
    """Columns of `CANDLE_SCHEMA`, by `open_time`. An interval without a row is not known: it is
    not flat."""
    start_ms: int
    end_ms: int
    """Where the closed part of the window ends."""
    unavailable: tuple[tuple[int, int], ...]
    """Parts of it, start <= t < end, that could not be had."""

    @property
    def available_from(self) -> int | None:
        """From this ms on, nothing was refused; None where nothing of the window could be had."""
        start = self.unavailable[-1][1] if self.unavailable else self.start_ms
        return start if start < self.end_ms else None


@dataclass(frozen=True, slots=True)
class UserFills:
    """A trader's fills of a window, and whether earlier ones of it may be out of reach."""

    rows: pl.DataFrame
    """Columns of `FILL_SCHEMA`, by `time`; the order within one is the exchange's, and means
    nothing. Slices of TWAP orders are never among those of other orders."""
    history_complete: bool
    """False where as many fills since the window's start are known as the API keeps: it may have
    dropped some of the window."""


@dataclass(frozen=True, slots=True)
class LedgerUpdate:
    """Money of an account that moved otherwise than by trades and funding."""

    time: int
    """Ms."""
    hash: str
    kind: str
    delta: Mapping[str, Any]
    """As the API wrote it, `type` included; floats as their text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """An open perpetual position. Sizes in base units, money in the dex's collateral."""

    coin: str
    size: Decimal
    """Negative when short."""
    entry_price: Decimal | None
    position_value: Decimal
    """Never negative."""
    unrealized_pnl: Decimal
    leverage_type: str
    """`cross` or `isolated`."""
    leverage: int
    liquidation_price: Decimal | None
    margin_used: Decimal
    max_leverage: int | None
    funding_all_time: Decimal | None
    """Positive when this account paid; likewise the next."""
    funding_since_open: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearinghouseState:
    """One account on one dex at one moment; money in the dex's collateral."""

    time: int | None
    """Ms; answers of 2023 have none."""
    account_value: Decimal
    total_notional: Decimal
    total_raw_usd: Decimal
    """May be negative."""
    margin_used: Decimal
    withdrawable: Decimal
    positions: tuple[Position, ...]


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


# --- the client ------------------------------------------------------------------------------

_Row = tuple[Any, ...]
"""Values in the order of a schema; the first is the time, in ms."""

_T = TypeVar("_T")

_FUNDING_PAGE = 500
_FILLS_PAGE = 2_000
_LEDGER_PAGE = 500
_FILLS_KEPT = 10_000
_CANDLES_KEPT = 5_000
"""As documented. Only guesses of weight, and suspicion, rest on them: the server may differ."""

_NULLS = 5
"""Answers `null` after which it is taken for the answer there is: so is an unknown coin's."""


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
        request = {
            "type": "fundingHistory",
            "coin": coin,
            "startTime": start_ms,
            # The API counts both ends of its windows in.
            "endTime": end_ms - 1,
        }

        def page(from_ms: int) -> list[_Row]:
            if from_ms >= end_ms:
                return []
            hours = (end_ms - from_ms) // HOUR_MS + 2
            cost = _Cost(20, 20, min(hours, _FUNDING_PAGE))
            return self._page(
                request | {"startTime": from_ms},
                cost,
                lambda row: _funding_row(row, coin),
                end_ms,
            )

        rows = dict.fromkeys(_all_pages(request, page, start_ms, _FUNDING_PAGE))
        return _frame(rows, FUNDING_SCHEMA).sort("time", maintain_order=True)

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
        held: dict[int, _Row] = {}
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
        return Candles(_frame(rows, CANDLE_SCHEMA), start_ms, end_ms, unavailable)

    def meta(self, dex: str | None = None) -> pl.DataFrame:
        """The perpetuals of a dex, by default the exchange's own. Columns of `META_SCHEMA`."""
        request = {"type": "meta"} | ({"dex": dex} if dex is not None else {})
        answer = self._ask(request, _Cost(20))
        return _read(request, lambda: _frame(map(_meta_row, _universe(answer)), META_SCHEMA))

    def clearinghouse_state(self, user: str, dex: str | None = None) -> ClearinghouseState:
        """An account's margin and open positions on one dex, now."""
        request = {"type": "clearinghouseState", "user": user.lower()}
        if dex is not None:
            request["dex"] = dex
        answer = self._ask(request, _Cost(2))
        return _read(request, lambda: _clearinghouse_state(answer))

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

        def page(from_ms: int) -> list[_Row]:
            cost = _Cost(20, 20, _FILLS_PAGE)
            asked = request | {"startTime": from_ms}
            return self._page(asked, cost, lambda row: _fill_row(row, user))

        def is_enough(rows: Sequence[_Row]) -> bool:
            is_past = end_ms is not None and rows[-1][0] >= end_ms
            return is_past and len(rows) >= _FILLS_KEPT

        rows = _all_pages(request, page, start_ms, _FILLS_PAGE, is_enough)
        wanted = [row for row in rows if end_ms is None or row[0] < end_ms]
        return UserFills(_frame(wanted, FILL_SCHEMA), len(rows) < _FILLS_KEPT)

    def user_twap_fills(self, user: str) -> UserFills:
        """A trader's slices of TWAP orders, which `user_fills_by_time` lacks.

        The API gives the 2,000 latest and has no pages: a full answer may have been cut off.
        """
        user = user.lower()
        request = {"type": "userTwapSliceFills", "user": user}
        answer = self._ask(request, _Cost(20, 20, _FILLS_PAGE))
        rows = _read(request, lambda: [_slice_row(row, user) for row in _list(answer)])
        rows.sort(key=lambda row: row[0])
        return UserFills(_frame(rows, FILL_SCHEMA), len(rows) < _FILLS_PAGE)

    def user_funding(self, user: str, start_ms: int, end_ms: int) -> pl.DataFrame:
        """What an account paid and received with start_ms <= time < end_ms.

        Old payments come summed by the UTC day and stamped with its start: a window has to begin
        with a day to hold the whole of them.

        Returns:
            Columns of `USER_FUNDING_SCHEMA`, by `time` and coin; no row twice.

        Raises:
            CrowdedInstant: Rows of one stamp fill a page.
        """
        request = {
            "type": "userFunding",
            "user": user.lower(),
            "startTime": start_ms,
            "endTime": end_ms - 1,
        }

        def page(from_ms: int) -> list[_Row]:
            if from_ms >= end_ms:
                return []
            cost = _Cost(20, 20, _FUNDING_PAGE)
            return self._page(request | {"startTime": from_ms}, cost, _user_funding_row, end_ms)

        rows = dict.fromkeys(_all_pages(request, page, start_ms, _FUNDING_PAGE))
        if len({row[:2] for row in rows}) < len(rows):
            raise UnexpectedAnswer(request, "two different payments of one coin at one time")
        return _frame(rows, USER_FUNDING_SCHEMA).sort("time", "coin")

    def user_ledger(self, user: str, start_ms: int, end_ms: int) -> list[LedgerUpdate]:
        """What moved an account's money, start_ms <= time < end_ms, aside from trades and funding.

        Raises:
            CrowdedInstant: Rows of one stamp fill a page.
        """
        request = {
            "type": "userNonFundingLedgerUpdates",
            "user": user.lower(),
            "startTime": start_ms,
            "endTime": end_ms - 1,
        }

        def page(from_ms: int) -> list[_Row]:
            if from_ms >= end_ms:
                return []
            cost = _Cost(20, 20, _LEDGER_PAGE)
            return self._page(request | {"startTime": from_ms}, cost, _ledger_row, end_ms)

        return [LedgerUpdate(*row) for row in _all_pages(request, page, start_ms, _LEDGER_PAGE)]

    def user_mode(self, user: str) -> str:
        """How an account's balances are kept now, e.g. `default` or `unifiedAccount`."""
        request = {"type": "userAbstraction", "user": user.lower()}
        mode = self._ask(request, _Cost(20))
        if not isinstance(mode, str):
            raise UnexpectedAnswer(request, f"expected a text, found {_short(mode)}")
        return mode

    # --- below: a page, a request, an attempt ------------------------------------------------

    def _page(
        self,
        request: Mapping[str, Any],
        cost: _Cost,
        parse: Callable[[Mapping[str, Any]], _Row],
        end_ms: int = LATEST_MS,
    ) -> list[_Row]:
        """Rows of one answer, from `startTime` to before `end_ms`, oldest first."""
        answer = self._ask(request, cost)
        rows = _read(request, lambda: [parse(_mapping(row)) for row in _list(answer)])
        if any(after[0] < before[0] for before, after in zip(rows, rows[1:], strict=False)):
            raise UnexpectedAnswer(request, "its rows are not oldest first")
        return [row for row in rows if request["startTime"] <= row[0] < end_ms]

    def _candle_page(self, coin: str, interval: str, start_ms: int, end_ms: int) -> dict[int, _Row]:
        window = {"coin": coin, "interval": interval, "startTime": start_ms, "endTime": end_ms - 1}
        request = {"type": "candleSnapshot", "req": window}
        likely = min((end_ms - start_ms) // INTERVALS_MS[interval] + 2, _CANDLES_KEPT)
        answer = self._ask(request, _Cost(20, 60, likely))
        rows = _read(request, lambda: [_candle_row(row, coin, interval) for row in _list(answer)])
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
                answer = _json(reply.body)
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


def _all_pages(
    request: object,
    page: Callable[[int], list[_Row]],
    start_ms: int,
    documented: int,
    is_enough: Callable[[Sequence[_Row]], bool] = lambda _: False,
) -> list[_Row]:
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
    held: list[_Row] = []
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


# --- reading answers -------------------------------------------------------------------------


def _funding_row(row: Mapping[str, Any], coin: str) -> _Row:
    _expect(row, "coin", coin)
    premium = None if row.get("premium") is None else _money(row, "premium")
    return (_time(row, "time"), coin, _money(row, "fundingRate"), premium)


def _user_funding_row(row: Mapping[str, Any]) -> _Row:
    delta = _mapping(_get(row, "delta"))
    _expect(delta, "type", "funding")
    samples = None if delta.get("nSamples") is None else _int(delta, "nSamples")
    return (
        _time(row, "time"),
        _str(delta, "coin"),
        _money(delta, "usdc"),
        _money(delta, "szi"),
        _money(delta, "fundingRate"),
        samples,
        _str(row, "hash"),
    )


def _ledger_row(row: Mapping[str, Any]) -> _Row:
    delta = _mapping(_get(row, "delta"))
    return (_time(row, "time"), _str(row, "hash"), _str(delta, "type"), delta)


def _candle_row(row: Mapping[str, Any], coin: str, interval: str) -> _Row:
    """Values of `CANDLE_SCHEMA`, and the candle's last ms."""
    row = _mapping(row)
    _expect(row, "s", coin)
    _expect(row, "i", interval)
    opened, last = _time(row, "t"), _time(row, "T")
    if interval != "1M" and last != opened + INTERVALS_MS[interval] - 1:
        raise _Malformed(f"a candle of {interval} from {opened} to {last}")
    prices = (_money(row, key) for key in ("o", "h", "l", "c", "v"))
    return (opened, *prices, _int(row, "n"), last)


def _universe(answer: Any) -> list[Any]:
    return _list(_get(_mapping(answer), "universe"))


def _meta_row(row: Any) -> _Row:
    row = _mapping(row)
    return (
        _str(row, "name"),
        _int(row, "szDecimals"),
        _int(row, "maxLeverage"),
        row.get("isDelisted") is True,
        row.get("onlyIsolated") is True,
    )


def _fill_row(row: Mapping[str, Any], user: str) -> _Row:
    named = {_FILL_FIELDS[key]: value for key, value in row.items() if key in _FILL_FIELDS}
    unknown = {key: value for key, value in row.items() if key not in _FILL_FIELDS}
    named |= {"user_address": user, "extra": unknown or None}
    return (_time(named, "time"), *(_fill_value(named, name) for name in list(FILL_SCHEMA)[1:]))


def _slice_row(row: Any, user: str) -> _Row:
    """A fill with the number of its TWAP order beside it."""
    row = _mapping(row)
    fill = _mapping(_get(row, "fill"))
    return _fill_row({**fill, "twapId": _int(row, "twapId")}, user)


def _fill_value(row: Mapping[str, Any], name: str) -> Any:
    if row.get(name) is None:
        if name in _FILL_ALWAYS:
            raise _Malformed(f"a fill without {name}: {_short(row)}")
        return None
    if name in {"liquidation", "extra"}:
        return json.dumps(row[name], sort_keys=True, separators=(",", ":"))
    kind = FILL_SCHEMA[name]
    if kind == MONEY:
        return _money(row, name)
    if kind == pl.Int64:
        return _int(row, name)
    if kind == pl.Boolean:
        return _bool(row, name)
    return _str(row, name)


def _clearinghouse_state(answer: Any) -> ClearinghouseState:
    answer = _mapping(answer)
    margin = _mapping(_get(answer, "marginSummary"))
    positions = [_mapping(one) for one in _list(_get(answer, "assetPositions"))]
    return ClearinghouseState(
        time=_time(answer, "time") if "time" in answer else None,
        account_value=_decimal(margin, "accountValue"),
        total_notional=_decimal(margin, "totalNtlPos"),
        total_raw_usd=_decimal(margin, "totalRawUsd"),
        margin_used=_decimal(margin, "totalMarginUsed"),
        withdrawable=_decimal(answer, "withdrawable"),
        positions=tuple(_position(_mapping(_get(one, "position"))) for one in positions),
    )


def _position(row: Mapping[str, Any]) -> Position:
    leverage = _mapping(_get(row, "leverage"))
    funding = _mapping(row.get("cumFunding") or {})
    return Position(
        coin=_str(row, "coin"),
        size=_decimal(row, "szi"),
        entry_price=_decimal_or_none(row, "entryPx"),
        position_value=_decimal(row, "positionValue"),
        unrealized_pnl=_decimal(row, "unrealizedPnl"),
        leverage_type=_str(leverage, "type"),
        leverage=_int(leverage, "value"),
        liquidation_price=_decimal_or_none(row, "liquidationPx"),
        margin_used=_decimal(row, "marginUsed"),
        max_leverage=_int(row, "maxLeverage") if "maxLeverage" in row else None,
        funding_all_time=_decimal_or_none(funding, "allTime"),
        funding_since_open=_decimal_or_none(funding, "sinceOpen"),
    )


def _frame(rows: Any, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=schema, orient="row")


def _read(request: object, parse: Callable[[], _T]) -> _T:
    try:
        return parse()
    except _Malformed as error:
        raise UnexpectedAnswer(request, str(error)) from None


def _json(body: bytes) -> Any:
    return json.loads(body, parse_float=str, parse_constant=_refuse)


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Malformed(f"expected a list, found {_short(value)}")
    return value


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _Malformed(f"expected an object, found {_short(value)}")
    return value


def _get(row: Mapping[str, Any], key: str) -> Any:
    if key not in row:
        raise _Malformed(f"{key} is missing in {_short(row)}")
    return row[key]


def _expect(row: Mapping[str, Any], key: str, wanted: str) -> None:
    if _get(row, key) != wanted:
        raise _Malformed(f"{key} is {_short(row[key])}, {wanted!r} was asked for")


def _str(row: Mapping[str, Any], key: str) -> str:
    value = _get(row, key)
    if not isinstance(value, str) or storable(value) != value:
        raise _Malformed(f"{key} is {_short(value)}, expected a text")
    return value


def _bool(row: Mapping[str, Any], key: str) -> bool:
    value = _get(row, key)
    if not isinstance(value, bool):
        raise _Malformed(f"{key} is {_short(value)}, expected true or false")
    return value


def _int(row: Mapping[str, Any], key: str) -> int:
    value = _get(row, key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise _Malformed(f"{key} is {_short(value)}, expected a count")
    return value


def _time(row: Mapping[str, Any], key: str) -> int:
    value = _int(row, key)
    if not EARLIEST_MS <= value < LATEST_MS:
        raise _Malformed(f"{key} is {value}, which is no time in ms")
    return value


def _decimal(row: Mapping[str, Any], key: str) -> Decimal:
    value = _get(row, key)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _Malformed(f"{key} is {_short(value)}, expected a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _Malformed(f"{key} is {_short(value)}, expected a number") from None
    if not number.is_finite():
        raise _Malformed(f"{key} is {_short(value)}, expected a number")
    return number


def _decimal_or_none(row: Mapping[str, Any], key: str) -> Decimal | None:
    return None if row.get(key) is None else _decimal(row, key)


def _money(row: Mapping[str, Any], key: str) -> Decimal:
    """A number that a frame's column holds exactly; Polars would round a longer one silently."""
    number = _decimal(row, key)
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    cut = digits[exponent + MONEY_SCALE :] if exponent < -MONEY_SCALE else ()
    if any(cut) or number.adjusted() >= 38 - MONEY_SCALE:
        raise _Malformed(
            f"{key} is {_short(row[key])}, more than {MONEY_SCALE} decimals or too large"
        )
    return number


def _text(body: bytes) -> str:
    return _short(body.decode("utf-8", "replace"))


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    # Half a surrogate pair can be neither printed nor kept.
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
