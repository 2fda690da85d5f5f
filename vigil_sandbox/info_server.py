"""A simulated info API on loopback: the real one's pages, limits, refusals and failures.

    with InfoServer(Answers.of_world(root)) as server:
        api = ExchangeApi(server.url, budget)

It knows what it is given, and nothing else. Answers depend on the request and on what was asked
before, never on chance; time matters for the weight limit only.
"""

import json
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

import lz4.frame

from vigil_resources.exchange.answers import INTERVALS_MS

WireRow = dict[str, Any]
"""One row as the API writes it."""

REFUSAL = "Failed to deserialize the JSON body into the target type"


class Fault(StrEnum):
    """Ways in which a request can fail though nothing is wrong with it."""

    SERVER_ERROR = "HTTP 500 with a text"
    NULL_ERROR = "HTTP 500 with the body null"
    TOO_MANY = "HTTP 429 with the body null"
    NULL = "HTTP 200 with the body null"
    RESET = "the connection is reset before an answer"
    HANG = "no answer until the client gives up"
    TRUNCATED = "the connection ends in the middle of the body"
    CUT_JSON = "the body is cut, and its length names what is left"
    SLOW = "the body comes in pieces"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """Limits of the API."""

    funding_page: int = 500
    ledger_page: int = 500
    fills_page: int = 2_000
    fills_kept: int = 10_000
    """Latest fills of a trader that can be had."""
    candles_kept: int = 5_000
    """Latest candles of a coin and interval that can be had."""
    weight_per_window: int = 1_200
    window_s: float = 60.0
    slow_pause_s: float = 0.02
    """Between the pieces of a slow answer."""


UNHURRIED = Manners(weight_per_window=10**9)
"""For whoever waits for what is built of the answers, and not for how they are asked for."""


def settings_unhurried(url: str) -> dict[str, str]:
    """What Vigil is told of such a server at `url`."""
    return {
        "HYPERLIQUID_API_URL": url,
        "VIGIL_API_WEIGHT": str(UNHURRIED.weight_per_window),
    }


@dataclass(slots=True)
class Answers:
    """What the simulated exchange knows, as the API writes it; the order of rows does not matter.

    A coin that is in neither `funding` nor `candles` is unknown.
    """

    funding: Mapping[str, Sequence[WireRow]] = field(default_factory=dict)
    """By coin."""
    candles: Mapping[tuple[str, str], Sequence[WireRow]] = field(default_factory=dict)
    """By coin and interval."""
    fills: Mapping[str, Sequence[WireRow]] = field(default_factory=dict)
    """By address, lower case. Those with a `twapId` are slices of TWAP orders."""
    meta: Mapping[str, WireRow] = field(default_factory=dict)
    """By dex; the exchange's own is ''."""
    states: Mapping[tuple[str, str], WireRow] = field(default_factory=dict)
    """By address and dex."""
    user_funding: Mapping[str, Sequence[WireRow]] = field(default_factory=dict)
    """By address: what it paid and received."""
    ledger: Mapping[str, Sequence[WireRow]] = field(default_factory=dict)
    """By address: what moved its money, aside from trades and funding."""
    modes: Mapping[str, str] = field(default_factory=dict)
    """By address: how its balances are kept, where that is not `default`."""

    @classmethod
    def of_world(cls, root: Path) -> Self:
        """Funding, candles, fills and the accounts' own history of a world written at `root`."""
        funding = {
            unquote(folder.name): _rows_of(folder) for folder in _folders(root / "api" / "funding")
        }
        candles = {
            (unquote(coin.name), interval.name): _rows_of(interval)
            for coin in _folders(root / "api" / "candles")
            for interval in _folders(coin)
        }
        return cls(
            funding=funding,
            candles=candles,
            fills=WorldFills(root),
            user_funding=_Files(root / "api" / "user_funding"),
            ledger=json.loads((root / "api" / "ledger.json").read_text()),
        )


class WorldFills(Mapping[str, Sequence[WireRow]]):
    """Fills of a world by address, read from its node's files when they are first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def _fills(self) -> dict[str, list[WireRow]]:
        fills: dict[str, list[WireRow]] = {}
        for block in world_blocks(self._root):
            for address, fill in block["events"]:
                fills.setdefault(address, []).append(fill)
        return fills

    def __getitem__(self, address: str) -> Sequence[WireRow]:
        return self._fills[address]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fills)

    def __len__(self) -> int:
        return len(self._fills)


def world_blocks(root: Path) -> Iterator[WireRow]:
    """Blocks of a world as its node wrote them, in the order of the chain."""
    hours = root.glob("node_fills_by_block/hourly/*/*.lz4")
    for path in sorted(hours, key=lambda path: (path.parent.name, int(path.stem))):
        for line in lz4.frame.decompress(path.read_bytes()).splitlines():
            yield json.loads(line)


class _Files(Mapping[str, Sequence[WireRow]]):
    """A folder of `<key>.json`, each read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, key: str) -> list[WireRow]:
        try:
            rows: list[WireRow] = json.loads((self._folder / f"{key}.json").read_text())
        except FileNotFoundError:
            raise KeyError(key) from None
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.stem for path in self._folder.glob("*.json")))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def funding_rows(coin: str, rows: Iterable[Mapping[str, Any]]) -> list[WireRow]:
    """Rows with `time`, `rate` and `premium`, as a frame has them, in the API's form."""
    return [
        {
            "coin": coin,
            "fundingRate": _plain(row["rate"]),
            "premium": None if row["premium"] is None else _plain(row["premium"]),
            "time": row["time"],
        }
        for row in rows
    ]


def candle_rows(coin: str, interval: str, rows: Iterable[Mapping[str, Any]]) -> list[WireRow]:
    """Rows with `open_time`, `open` … `volume` and `trades`, likewise."""
    return [
        {
            "t": row["open_time"],
            "T": row["open_time"] + INTERVALS_MS[interval] - 1,
            "s": coin,
            "i": interval,
            "o": _plain(row["open"]),
            "c": _plain(row["close"]),
            "h": _plain(row["high"]),
            "l": _plain(row["low"]),
            "v": _plain(row["volume"]),
            "n": row["trades"],
        }
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that came."""

    body: bytes
    """As it came."""
    type: str
    status: int
    """0 where nothing was answered."""
    weight: int
    fault: Fault | None


class InfoServer:
    """Answers on a free port of loopback while its `with` block lasts. State may be read any time.

    Args:
        answers: What it knows; may be replaced meanwhile.
        manners: Its limits.
        clock: Seconds, for the weight limit.
    """

    def __init__(
        self,
        answers: Answers,
        manners: Manners | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.answers = answers
        self.manners = manners or Manners()
        self.asked: list[Asked] = []
        self.peak_weight = 0
        """The most weight that came in any window."""
        self._clock = clock
        self._charged: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._injected: list[tuple[Fault, str | None]] = []
        self._share, self._seed = 0.0, 0
        self._kinds: tuple[Fault, ...] = ()
        self._repeats: Counter[bytes] = Counter()

    def __enter__(self) -> Self:
        self._closing.clear()
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="info-server", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Of the API, as `HYPERLIQUID_API_URL` names it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> int:
        """How many came."""
        return len(self.asked)

    @property
    def weight(self) -> int:
        """All that was charged."""
        with self._lock:
            return sum(asked.weight for asked in self.asked)

    @property
    def refused(self) -> int:
        """Requests over the weight limit."""
        with self._lock:
            return sum(one.status == 429 and one.fault is None for one in self.asked)

    def forget(self) -> None:
        """Count from nothing again."""
        with self._lock:
            self.asked.clear()
            self._charged.clear()
            self.peak_weight = 0

    def inject(self, fault: Fault, times: int = 1, *, only: str | None = None) -> None:
        """Spoil the next requests: all, or those of one type. In the order of the calls."""
        with self._lock:
            self._injected += [(fault, only)] * times

    def spoil(self, share: float, seed: int, kinds: Sequence[Fault]) -> None:
        """Spoil a share of all requests, 0 to 1: the same ones for a seed, in whatever order.

        Whether a request is spoiled depends on its body and on how often it came before.
        """
        with self._lock:
            self._share, self._seed, self._kinds = share, seed, tuple(kinds)

    # --- below: one request ------------------------------------------------------------------

    def answer(self, body: bytes) -> tuple[int, str, Fault | None]:
        """Status and text for a request, and what is to go wrong with it. Keeps the accounts."""
        request = _parsed(body)
        kind = request["type"] if request is not None else "?"
        with self._lock:
            fault = self._fault(body, kind)
            base = _base_weight(kind)
            if self._used() + base > self.manners.weight_per_window or fault is Fault.TOO_MANY:
                self.asked.append(Asked(body, kind, 429, 0, fault))
                return 429, "null", fault
            if fault in _FAULTY_STATUS:
                status, text, weight = *_FAULTY_STATUS[fault], base
            else:
                status, text, weight = self._looked_up(request, base)
            self._charge(weight)
            answered = 0 if fault in {Fault.RESET, Fault.HANG} else status
            self.asked.append(Asked(body, kind, answered, weight, fault))
            return status, text, fault

    def _looked_up(self, request: WireRow | None, base: int) -> tuple[int, str, int]:
        if request is None:
            return 422, REFUSAL, base
        try:
            value = _LOOKUPS[request["type"]](self.answers, self.manners, request)
        except _Unreadable:
            return 422, REFUSAL, base
        rows = len(value) if isinstance(value, list) else 0
        per = _ROWS_PER_WEIGHT.get(request["type"])
        return 200, json.dumps(value, separators=(",", ":")), base + (-(-rows // per) if per else 0)

    def _used(self) -> int:
        since = self._clock() - self.manners.window_s
        while self._charged and self._charged[0][0] <= since:
            self._charged.popleft()
        return sum(weight for _, weight in self._charged)

    def _charge(self, weight: int) -> None:
        self._charged.append((self._clock(), weight))
        self.peak_weight = max(self.peak_weight, self._used())

    def _fault(self, body: bytes, kind: str) -> Fault | None:
        for place, (fault, only) in enumerate(self._injected):
            if only in {None, kind}:
                del self._injected[place]
                return fault
        self._repeats[body] += 1
        text = f"{self._seed}/{self._repeats[body]}/".encode() + body
        draw = int.from_bytes(sha256(text).digest()[:8]) / 2**64
        if draw >= self._share or not self._kinds:
            return None
        return self._kinds[int(draw / self._share * len(self._kinds))]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, info: InfoServer) -> None:
        self.info = info
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up is part of the play; it needs no trace on the terminal."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:  # noqa: N802
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/info":
            self._send(404, "text/plain", b"", 0)
            return
        info = self.server.info
        status, text, fault = info.answer(body)
        content = text.encode()
        kind = "text/plain" if status == 422 else "application/json"
        if fault is Fault.HANG:
            info._closing.wait()
        elif fault is Fault.RESET:
            # Lingering for no time at all, the kernel resets instead of closing.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        elif fault is Fault.TRUNCATED:
            self._send(status, kind, content[: len(content) // 2], len(content))
        elif fault is Fault.CUT_JSON:
            half = content[: len(content) // 2]
            self._send(status, kind, half, len(half))
        elif fault is Fault.SLOW:
            self._send(status, kind, b"", len(content))
            for piece in _pieces(content, 5):
                info._closing.wait(info.manners.slow_pause_s)
                self.wfile.write(piece)
        else:
            self._send(status, kind, content, len(content))

    def _send(self, status: int, kind: str, content: bytes, promised: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(promised))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: `InfoServer.asked` is the log."""


_FAULTY_STATUS: dict[Fault | None, tuple[int, str]] = {
    Fault.SERVER_ERROR: (500, '"internal error"'),
    Fault.NULL_ERROR: (500, "null"),
    Fault.NULL: (200, "null"),
}


# --- what is asked -----------------------------------------------------------------------------


class _Unreadable(Exception):
    """An argument is missing or of the wrong kind."""


_MISSING = object()


def _parsed(body: bytes) -> WireRow | None:
    """The request; None if it is none that this API knows."""
    try:
        request = json.loads(body)
    except ValueError:
        return None
    if not isinstance(request, dict) or request.get("type") not in _LOOKUPS:
        return None
    return request


def _base_weight(kind: str) -> int:
    return 2 if kind == "clearinghouseState" else 20


def _argument(request: Any, name: str, kind: type, default: Any = _MISSING) -> Any:
    if not isinstance(request, dict):
        raise _Unreadable
    value = request.get(name, default)
    if value is _MISSING:
        raise _Unreadable
    if name in request and (not isinstance(value, kind) or isinstance(value, bool)):
        raise _Unreadable
    return value


def _address(request: WireRow) -> str:
    user: str = _argument(request, "user", str).lower()
    if len(user) != 42 or not user.startswith("0x") or set(user[2:]) - set("0123456789abcdef"):
        raise _Unreadable
    return user


def _window(request: WireRow) -> tuple[int, int]:
    """Both ends belong to it."""
    return _argument(request, "startTime", int), _argument(request, "endTime", int, 1 << 62)


def _funding(answers: Answers, manners: Manners, request: WireRow) -> list[WireRow] | None:
    coin = _argument(request, "coin", str)
    start, end = _window(request)
    if not _is_known(answers, coin):
        return None
    rows = _between(answers.funding.get(coin, ()), start, end)
    return rows[: manners.funding_page]


def _candles(answers: Answers, manners: Manners, request: WireRow) -> list[WireRow] | None:
    wanted = _argument(request, "req", dict)
    coin, interval = _argument(wanted, "coin", str), _argument(wanted, "interval", str)
    start, end = _window(wanted)
    if interval not in INTERVALS_MS:
        raise _Unreadable
    if not _is_known(answers, coin):
        return None
    rows = sorted(answers.candles.get((coin, interval), ()), key=lambda row: row["t"])
    # A window holds the candles that overlap it: the first may have opened before.
    return [row for row in rows[-manners.candles_kept :] if row["T"] >= start and row["t"] <= end]


def _fills(answers: Answers, manners: Manners, request: WireRow) -> list[WireRow]:
    user = _address(request)
    start, end = _window(request)
    return _between(_kept(answers, manners, user), start, end)[: manners.fills_page]


def _latest_fills(answers: Answers, manners: Manners, request: WireRow) -> list[WireRow]:
    return _kept(answers, manners, _address(request))[: -manners.fills_page - 1 : -1]


def _twap_fills(answers: Answers, manners: Manners, request: WireRow) -> list[WireRow]:
    rows = answers.fills.get(_address(request), ())
    slices = _between((row for row in rows if row.get("twapId") is not None), 0, 1 << 62)
    latest = slices[: -manners.fills_page - 1 : -1]
    return [{"fill": row, "twapId": row["twapId"]} for row in latest]


def _kept(answers: Answers, manners: Manners, user: str) -> list[WireRow]:
    """What can be had of a trader's fills, oldest first; slices of TWAP orders never count."""
    rows = answers.fills.get(user, ())
    ordinary = _between((row for row in rows if row.get("twapId") is None), 0, 1 << 62)
    return ordinary[-manners.fills_kept :]


def _user_funding(answers: Answers, manners: Manners, request: WireRow) -> list[WireRow]:
    rows = _between(answers.user_funding.get(_address(request), ()), *_window(request))
    return rows[: manners.funding_page]


def _ledger(answers: Answers, manners: Manners, request: WireRow) -> list[WireRow]:
    rows = _between(answers.ledger.get(_address(request), ()), *_window(request))
    return rows[: manners.ledger_page]


def _mode(answers: Answers, _: Manners, request: WireRow) -> str:
    return answers.modes.get(_address(request), "default")


def _meta(answers: Answers, _: Manners, request: WireRow) -> WireRow | None:
    return answers.meta.get(_argument(request, "dex", str, ""))


def _state(answers: Answers, _: Manners, request: WireRow) -> WireRow:
    user, dex = _address(request), _argument(request, "dex", str, "")
    return answers.states.get((user, dex), _EMPTY_STATE)


_NO_MARGIN = dict.fromkeys(("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed"), "0.0")
_EMPTY_STATE: WireRow = {
    "marginSummary": _NO_MARGIN,
    "crossMarginSummary": _NO_MARGIN,
    "crossMaintenanceMarginUsed": "0.0",
    "withdrawable": "0.0",
    "assetPositions": [],
    "time": 1_777_488_201_621,
}
"""Of an address that never traded."""

_LOOKUPS: dict[str, Callable[[Answers, Manners, WireRow], Any]] = {
    "fundingHistory": _funding,
    "candleSnapshot": _candles,
    "userFillsByTime": _fills,
    "userFills": _latest_fills,
    "userTwapSliceFills": _twap_fills,
    "userFunding": _user_funding,
    "userNonFundingLedgerUpdates": _ledger,
    "userAbstraction": _mode,
    "meta": _meta,
    "clearinghouseState": _state,
}
_ROWS_PER_WEIGHT = {
    "fundingHistory": 20,
    "userFillsByTime": 20,
    "userFills": 20,
    "userTwapSliceFills": 20,
    "userFunding": 20,
    "userNonFundingLedgerUpdates": 20,
    "candleSnapshot": 60,
}


def _is_known(answers: Answers, coin: str) -> bool:
    return coin in answers.funding or any(coin == name for name, _ in answers.candles)


def _between(rows: Iterable[WireRow], start: int, end: int) -> list[WireRow]:
    """Rows of a window, oldest first."""
    return sorted((r for r in rows if start <= r["time"] <= end), key=lambda row: row["time"])


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir())


def _rows_of(folder: Path) -> list[WireRow]:
    return [row for path in sorted(folder.glob("*.json")) for row in json.loads(path.read_text())]


def _plain(number: Decimal) -> str:
    """As the API writes a number: no exponent, no zeros behind, at least one decimal.

    >>> _plain(Decimal("0.000012500000")), _plain(Decimal("7"))
    ('0.0000125', '7.0')
    """
    text = f"{number:f}"
    whole, _, part = text.partition(".")
    return f"{whole}.{part.rstrip('0') or '0'}"


def _pieces(content: bytes, count: int) -> list[bytes]:
    size = max(1, -(-len(content) // count))
    return [content[at : at + size] for at in range(0, len(content), size)]
