"""Odd bytes through the parsers of what people and other services bring.

Leaderboards, chat exports, answers of the Bot API, chat messages, bodies of `POST /api/signals` and
answers of the exchange's info API: each gives a clear error of its own, or rows that a database
can hold; never another exception.
"""

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl
from pydantic import ValidationError

from chaos.campaigns import Campaign, Context, Outcome
from chaos.fuzz_fills import expect, is_storable
from chaos.odd_lines import Leaves, OddLines
from vigil_api.routes.signals import SignalIn
from vigil_core.calendar import EARLIEST_MS, HOUR_MS
from vigil_core.desk.chat_messages import (
    ChatMessage,
    UnreadableExport,
    messages_of,
    read_export,
)
from vigil_core.desk.chat_signals import REASONS, ChatSignal, NoSignal, read_message
from vigil_core.desk.leaderboard import (
    LeaderboardEntry,
    UnreadableLeaderboard,
    read_leaderboard,
)
from vigil_core.errors import VigilError
from vigil_resources.desk.chats import _row
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.budget import Charge
from vigil_resources.exchange.transport import Reply

_A, _B = "0x" + "aB" * 20, "0x" + "01" * 20
_MOST_INT64 = 2**63 - 1


# --- leaderboards ------------------------------------------------------------------------------

_BOARDS = [
    {
        "leaderboardRows": [
            {
                "ethAddress": _A,
                "accountValue": "12.5",
                "displayName": "ann",
                "prize": 0,
                "windowPerformances": [["day", {"pnl": "1.10", "roi": "0.1", "vlm": "5"}]],
            },
            {"ethAddress": _B, "displayName": None, "roi": 1.25},
        ]
    },
    [{"address": _A, "pnl": 3}, {"Wallet": _B, "name": "x"}],
]
_TABLES = [
    f"Rank,Wallet,Name,PnL\r\n1,{_A},ann,5.0\r\n2,{_B},,x\r\n",
    f'address;label;note\n{_A};"a;""b""";c\n{_B};"two\nlines";d\n',
    f"\ufeffuser\n{_A}\n\n{_B}",
]
_LETTERS = ",;\"'\r\n\0\t \x0b\x0c\x1c\x85\u2028\ufeff0aé{["


def leaderboard(odd: OddLines) -> bytes:
    """A file of one of the two formats, or nearly."""
    if odd.chance.random() < 0.5:
        return odd.line(_BOARDS, {"ethAddress": OddLines.address, "address": OddLines.address})
    return _bent(odd.chance, odd.chance.choice(_TABLES), _LETTERS)


def _bent(chance: random.Random, text: str, letters: str) -> bytes:
    for _ in range(chance.choice([0, 1, 1, 2, 5])):
        first, last = sorted(chance.choices(range(len(text) + 1), k=2))
        last = min(last, first + chance.choice([0, 0, 1, 5]))
        text = (
            text[:first]
            + "".join(chance.choices(letters, k=chance.choice([1, 1, 3])))
            + text[last:]
        )
    content = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.1:
        at = chance.randint(0, len(content))
        content = content[:at] + chance.randbytes(2) + content[at:]
    return content


def check_leaderboard(content: bytes) -> bool:
    """Whether it was read. Raises whatever must not be."""
    try:
        entries = read_leaderboard(content)
    except UnreadableLeaderboard as error:
        check_text(str(error))
        return False
    expect([e.n for e in entries] == list(range(1, len(entries) + 1)), "places", entries)
    expect(len(entries) == _entries(content), "entries", len(entries), _entries(content))
    for entry in entries:
        if isinstance(entry, LeaderboardEntry):
            expect(is_storable(entry.display_name), "name", entry.display_name)
            check_json(json.dumps(entry.figures))
    return True


def _entries(content: bytes) -> int:
    text = content.decode("utf-8-sig")
    if text.lstrip().startswith(("{", "[")):
        board = json.loads(text, parse_int=str)
        return len(board["leaderboardRows"] if isinstance(board, dict) else board)
    first = io.StringIO(text, newline="").readline()
    delimiter = ";" if first.count(";") > first.count(",") else ","
    return len(list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))) - 1


# --- chats -------------------------------------------------------------------------------------

_MESSAGE = {
    "id": 7,
    "type": "message",
    "date_unixtime": "1756728000",
    "from": "Ann",
    "text": [
        "LONG ",
        {"type": "hashtag", "text": "#BTC"},
        " entry 60000 - 60500 | TP 61000 | SL 5",
    ],
}
_EXPORTS = [
    {"name": "Signals", "type": "private_channel", "id": 123, "messages": [_MESSAGE, _MESSAGE]},
    {
        "name": None,
        "type": "group",
        "id": 5,
        "messages": [
            _MESSAGE | {"edited_unixtime": "1756728001", "text": "x"},
            {"type": "service"},
        ],
    },
]
_CHAT = {"id": -100123, "type": "channel", "title": "Signals"}
_POST = {"message_id": 5, "chat": _CHAT, "sender_chat": _CHAT, "date": 1756728000, "text": "x"}
_EDIT = {"message_id": 6, "chat": _CHAT, "date": 1, "edit_date": 1756728060, "caption": "LONG #ETH"}
_UPDATES = [
    [{"update_id": 1, "channel_post": _POST}, {"update_id": 2, "edited_channel_post": _EDIT}],
    [{"update_id": 3, "my_chat_member": {}}, {"update_id": 4, "message": _POST | {"from": {}}}],
]
_CHAT_LEAVES: Leaves = {
    **dict.fromkeys(("id", "message_id", "date", "edit_date", "update_id"), OddLines.integer),
    **dict.fromkeys(("text", "from", "title", "caption", "name", "type"), OddLines.text),
    **dict.fromkeys(("date_unixtime", "edited_unixtime"), OddLines.decimal),
}


def export(odd: OddLines) -> bytes:
    """An exported chat, or nearly."""
    return odd.line(_EXPORTS, _CHAT_LEAVES)


def updates(odd: OddLines) -> bytes:
    """A result of the Bot API, or nearly."""
    return odd.line(_UPDATES, _CHAT_LEAVES)


def check_export(content: bytes) -> bool:
    """Whether it was read. Raises whatever must not be."""
    try:
        _, name, entries = read_export(content)
    except UnreadableExport as error:
        check_text(str(error))
        return False
    expect(is_storable(name), "name", name)
    for entry in entries:
        if isinstance(entry, ChatMessage):
            _check_message(entry)
    return True


def check_updates(content: bytes) -> bool:
    """Whether they were read. Raises whatever must not be."""
    try:
        given = json.loads(content)
    except (ValueError, RecursionError):
        return False
    try:
        found = list(messages_of(given))
    except VigilError as error:
        check_text(str(error))
        return False
    for message in found:
        _check_message(message)
    return True


def _check_message(message: ChatMessage) -> None:
    expect(is_storable(message.chat_id), "chat", message.chat_id)
    expect(abs(message.message_id) <= _MOST_INT64, "message id", message.message_id)
    expect(0 <= message.posted_at <= _MOST_INT64, "posted at", message.posted_at)
    row = _row(message, read_message(message.text))
    expect(all(is_storable(str(value)) for value in row.values()), "row", row)
    if row["parsed"] is not None:
        check_json(row["parsed"])


_WORDS = [
    *(
        "LONG",
        "SHORT",
        "BUY",
        "SELL",
        "CLOSE",
        "EXIT",
        "#BTC",
        "$ETH",
        "SOLUSDT",
        "BTC/USDT",
        "1000PEPE",
    ),
    *(
        "ENTRY",
        "ENTRY ZONE",
        "TP",
        "TP1",
        "TARGETS:",
        "TAKE PROFIT",
        "SL",
        "STOP LOSS",
        "STOP-LOSS",
    ),
    *(
        "LEVERAGE",
        "LEV",
        "CROSS",
        "ISOLATED",
        "CONFIDENCE",
        "HIT",
        "PROFIT",
        "REACHED",
        "AND",
        "TO",
    ),
    *(
        "60000",
        "3,200",
        "60.000,50",
        "0.5",
        "0",
        "0x",
        "0.0",
        "10x",
        "x5",
        "1001X",
        "201x",
        "1.2.3",
    ),
    *(
        "1,2,3",
        "٣٤",
        "１２",
        "²",
        "ß",
        "ŉ",
        "0,0",
        "9" * 400,
        "1_000",
        "%",
        "/10",
        "1)",
        "@",
        "-",
        "–",
    ),
    *(
        "/",
        "|",
        ":",
        ";",
        "\n",
        "\n1) ",
        "(",
        ")",
        "=",
        "\0",
        "\ud800",
        "\u2028",
        "😀",
        "ﬁ",
        "İ",
        ".",
    ),
]


def chat_message(odd: OddLines) -> bytes:
    """A message of the words of signals."""
    words = odd.chance.choices(_WORDS, k=odd.chance.choice([1, 5, 10, 10, 20, 60]))
    text = odd.chance.choice(["", " ", " "]).join(words)
    return text.encode("utf-8", "surrogatepass")


def check_chat_message(content: bytes) -> bool:
    """Whether it is a signal. Raises whatever must not be."""
    text = content.decode("utf-8", "surrogateescape")
    found = read_message(text, {"PEPE": "kPEPE", "BTC": "BTC"})
    if isinstance(found, NoSignal):
        expect(found.reason in REASONS, "reason", found.reason)
        return False
    _check_signal(found)
    return True


def _check_signal(found: ChatSignal) -> None:
    prices = [*(found.entry or ()), *found.targets, *([found.stop] if found.stop else [])]
    expect(all(price.is_finite() and price > 0 for price in prices), "prices", prices)
    expect(found.leverage is None or 1 <= found.leverage <= 200, "leverage", found.leverage)
    expect(0.5 <= found.confidence <= 1, "confidence", found.confidence)
    stated = found.stated_confidence
    expect(stated is None or 0 <= stated <= 1, "stated", stated)


# --- bodies and answers ------------------------------------------------------------------------

_SIGNAL = {
    "trader": 7,
    "action": "reduce",
    "coin": "BTC",
    "side": "buy",
    "leader_time": "2026-01-31T12:00:00.000Z",
    "leader_px": "60000.5",
    "leader_size": "1.25",
    "reduced_share": 0.5,
    "leverage": 3,
    "confidence": 0.9,
}
_SIGNAL_LEAVES: Leaves = {
    **dict.fromkeys(("leader_px", "leader_size"), OddLines.decimal),
    **dict.fromkeys(("reduced_share", "leverage", "confidence"), OddLines.integer),
    "leader_time": OddLines.iso,
    "trader": lambda odd: odd.address() if odd.chance.random() < 0.5 else odd.integer(),
    "coin": OddLines.text,
}


def signal_body(odd: OddLines) -> bytes:
    """A body of `POST /api/signals`, or nearly."""
    return odd.line([_SIGNAL, _SIGNAL | {"action": "open", "trader": _A}], _SIGNAL_LEAVES)


def check_signal_body(content: bytes) -> bool:
    """Whether it is one. Raises whatever must not be."""
    try:
        # As FastAPI does: JSON first, then the model.
        given = json.loads(content)
    except (ValueError, RecursionError):
        return False
    try:
        found = SignalIn.model_validate(given)
    except ValidationError:
        return False
    expect(is_storable(found.coin), "coin", found.coin)
    for ratio in (found.reduced_share, found.leverage, found.confidence):
        expect(ratio is None or float(ratio) >= 0, "ratio", ratio)
    for amount in (found.leader_px, found.leader_size):
        expect(amount is None or 0 < amount < Decimal(10) ** 15, "amount", amount)
    return True


_FUNDING = {"coin": "BTC", "fundingRate": "0.1", "premium": None, "time": EARLIEST_MS + 5}
_PAID = {"type": "funding", "coin": "BTC", "usdc": "-1.5", "szi": "2", "fundingRate": "0.1"}
_HELD = {
    "coin": "BTC",
    "szi": "-1.5",
    "entryPx": "2.5",
    "positionValue": "3",
    "unrealizedPnl": "0",
    "leverage": {"type": "cross", "value": 3},
    "liquidationPx": None,
    "marginUsed": "1",
    "maxLeverage": 40,
    "cumFunding": {"allTime": "1", "sinceOpen": "2"},
}
_MARGIN = dict.fromkeys(("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed"), "1.5")
_FILL = {
    "coin": "BTC",
    "px": "1.5",
    "sz": "2",
    "side": "B",
    "time": EARLIEST_MS + 7,
    "oid": 1,
    "startPosition": "0",
    "dir": "Open Long",
    "closedPnl": "0",
    "hash": "0x1",
    "tid": 3,
    "crossed": True,
    "fee": "0.1",
    "feeToken": "USDC",
    "twapId": None,
    "new": [1.5],
}
_HOUR = {
    "t": EARLIEST_MS,
    "T": EARLIEST_MS + HOUR_MS - 1,
    "s": "BTC",
    "i": "1h",
    "n": 2,
} | dict.fromkeys("ohlcv", "1.5")
_ANSWERS: dict[str, Any] = {
    "funding": [_FUNDING, _FUNDING | {"time": EARLIEST_MS + 9}],
    "candles": [_HOUR],
    "meta": {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "isDelisted": True}]},
    "state": {
        "marginSummary": _MARGIN,
        "withdrawable": "5",
        "assetPositions": [{"position": _HELD}],
        "time": EARLIEST_MS,
    },
    "fills": [_FILL],
    "twap": [{"fill": _FILL, "twapId": 4}],
    "paid": [{"time": EARLIEST_MS, "delta": _PAID, "hash": "0x1"}],
    "ledger": [{"time": EARLIEST_MS, "hash": "0x1", "delta": {"type": "deposit", "usdc": "1"}}],
    "mode": "default",
}
_END = EARLIEST_MS + 10 * HOUR_MS
_CALLS: dict[str, Callable[[ExchangeApi], Any]] = {
    "funding": lambda api: api.funding_history("BTC", EARLIEST_MS, _END),
    "candles": lambda api: api.candles("BTC", "1h", EARLIEST_MS, _END, now_ms=_END),
    "meta": lambda api: api.meta(),
    "state": lambda api: api.clearinghouse_state(_A),
    "fills": lambda api: api.user_fills_by_time(_A),
    "twap": lambda api: api.user_twap_fills(_A),
    "paid": lambda api: api.user_funding(_A, EARLIEST_MS, _END),
    "ledger": lambda api: api.user_ledger(_A, EARLIEST_MS, _END),
    "mode": lambda api: api.user_mode(_A),
}
_MONEY_KEYS = (*_MARGIN, *"ohlcv", "fundingRate", "premium", "usdc", "szi", "entryPx", "px", "sz")
_ANSWER_LEAVES: Leaves = {
    **dict.fromkeys((*_MONEY_KEYS, "fee", "allTime", "withdrawable"), OddLines.decimal),
    **dict.fromkeys(("time", "t", "T"), OddLines.moment),
    **dict.fromkeys(("n", "oid", "tid", "value", "maxLeverage", "szDecimals"), OddLines.integer),
    **dict.fromkeys(("coin", "hash", "name", "type"), OddLines.text),
}


class _Free:
    def reserve(self, weight: int) -> Charge:
        return Charge(0, weight)

    def settle(self, charge: Charge, weight: int) -> None:
        pass

    def slow_down(self) -> None:
        pass


class _Once:
    """Gives one answer, then what ends every list of pages."""

    def __init__(self, body: bytes) -> None:
        self._bodies = [body]

    def post(self, _body: bytes, _timeout_s: float) -> Reply:
        return Reply(200, self._bodies.pop() if self._bodies else b"[]")


def answer(odd: OddLines) -> bytes:
    """Which question, and an answer of the info API to it, or nearly."""
    kind = odd.chance.choice(list(_ANSWERS))
    return kind.encode() + b" " + odd.line([_ANSWERS[kind]], _ANSWER_LEAVES)


def check_answer(content: bytes) -> bool:
    """Whether it was read. Raises whatever must not be."""
    kind, _, body = content.partition(b" ")
    call = _CALLS.get(kind.decode("latin-1"))
    if call is None:
        return False
    clock = iter(range(10**9))
    api = ExchangeApi(
        "http://127.0.0.1:9",
        _Free(),
        transport=_Once(body),
        patience_s=0.0,
        clock=lambda: float(next(clock)),
        sleep=lambda _: None,
    )
    try:
        found = call(api)
    except VigilError as error:
        check_text(str(error))
        return False
    for frame in (found, getattr(found, "rows", None), getattr(found, "fills", None)):
        if isinstance(frame, pl.DataFrame):
            texts = (v for row in frame.iter_rows() for v in row if isinstance(v, str))
            expect(all(is_storable(text) for text in texts), "a text", frame.to_dicts())
    return True


# --- what all must keep to ---------------------------------------------------------------------


def check_text(text: str) -> None:
    """An error that can be shown and kept: not endless, and of characters that UTF-8 has."""
    expect(len(text) <= 1_500, "an error longer than anybody reads", text[:200])
    text.encode()


def check_json(text: str) -> Any:
    """What it says; it is JSON that Postgres' jsonb takes."""

    def refuse(word: str) -> None:
        expect(False, "no JSON", word)

    value = json.loads(text, parse_constant=refuse)
    expect(_is_kept(value), "no database holds it", text)
    return value


def _is_kept(value: Any) -> bool:
    if isinstance(value, dict):
        return all(is_storable(key) and _is_kept(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_kept, value))
    return not isinstance(value, str) or is_storable(value)


PARSERS: dict[str, tuple[Callable[[OddLines], bytes], Callable[[bytes], bool]]] = {
    "leaderboard": (leaderboard, check_leaderboard),
    "export": (export, check_export),
    "updates": (updates, check_updates),
    "chat message": (chat_message, check_chat_message),
    "signal body": (signal_body, check_signal_body),
    "answer": (answer, check_answer),
}
"""What makes bytes for a parser, and what looks at its answer."""


def fuzz_people(context: Context) -> Outcome:
    """All parsers in turn."""
    odd = OddLines(context.random)
    seen, misses = Counter[str](), list[str]()
    for nth in range(context.count(8_000, least=50)):
        for name, (make, check) in PARSERS.items():
            content = make(odd)
            try:
                seen[f"{name}: read" if check(content) else f"{name}: refused"] += 1
            except Exception as error:  # Whatever it is: only their own errors are theirs.
                misses.append(f"{name} {nth}: {error!r:.300} of {content!r:.300}")
    return Outcome(not misses, f"{len(misses)} exceptions that are not theirs", seen, tuple(misses))


CAMPAIGNS = [
    Campaign(
        33,
        "fuzz-people",
        "what others bring is read, or refused with a clear error",
        "odd leaderboards, chat exports, bot updates, messages, signal bodies, exchange answers",
        "no other exception, and nothing that a database cannot hold",
        fuzz_people,
    ),
]
