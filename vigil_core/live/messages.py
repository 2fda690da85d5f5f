"""A message of the exchange's WebSocket → rows, or what else it says.

    {"channel": "userFills", "data": {"isSnapshot": true, "user": "0x…", "fills": [fill…]}}
    {"channel": "userTwapSliceFills", "data": {…, "twapSliceFills": [{"fill", "twapId"}…]}}
    {"channel": "trades", "data": [trade…]}
    {"channel": "subscriptionResponse", "data": {"method", "subscription"}}
    {"channel": "pong"}, {"channel": "error", "data": "…"}

Fills and trades are taken one by one, by the rules for the node's files: one that is none is
rejected with its bytes, and those beside it are kept. Whatever else is not as documented rejects
the whole message.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from vigil_core.fills.node_format import LineRejected, fill_columns, trade_columns
from vigil_core.fills.schema import WAREHOUSE_COLUMNS

FILL_COLUMNS = tuple(
    name for name in WAREHOUSE_COLUMNS if name not in {"block_number", "event_index", "block_time"}
)
"""What the stream says of a fill: all that the files do, but its place in the chain."""

TRADE_COLUMNS = ("time", "tid", "coin", "side", "px", "sz", "hash", "buyer", "seller")

MOST_ACCOUNTS = 10
"""Different accounts that one address may subscribe to, as the exchange documents it."""

MOST_SUBSCRIPTIONS = 1_000
"""Subscriptions of one address, likewise."""

PING = '{"method":"ping"}'
"""The exchange ends connections on which it had nothing to say for a minute; it answers this."""

GREETING = "Websocket connection established."

Row = dict[str, Any]


class Kind(StrEnum):
    """What a stream brings."""

    FILLS = "fills"
    """Of an account, but for slices of TWAP orders."""
    TWAP_FILLS = "twap_fills"
    """Those slices."""
    TRADES = "trades"
    """Of a coin."""


@dataclass(frozen=True, slots=True, order=True)
class Stream:
    """One subscription."""

    kind: Kind
    subject: str
    """An address, lower case, or a coin."""

    @property
    def subscription(self) -> dict[str, str]:
        """As the exchange calls it."""
        return {"type": _CHANNELS[self.kind], _SUBJECTS[self.kind]: self.subject}

    def request(self, method: str) -> str:
        """The message that subscribes (`subscribe`) or ends it (`unsubscribe`)."""
        body = {"method": method, "subscription": self.subscription}
        return msgspec.json.encode(body).decode()

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject}"


@dataclass(frozen=True, slots=True)
class RejectedPart:
    """A fill or trade that is none."""

    reason: str
    raw: bytes
    """As it came."""


@dataclass(slots=True)
class Rows:
    """What one message brings of one stream, in its order."""

    stream: Stream
    is_snapshot: bool
    """The latest rows of the stream so far, rather than what happened just now."""
    rows: list[Row] = field(default_factory=list)
    """By `FILL_COLUMNS` or `TRADE_COLUMNS`, decimals as text; a column not there is NULL."""
    rejected: list[RejectedPart] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The exchange took a subscription, or ended it."""

    method: str
    stream: Stream


@dataclass(frozen=True, slots=True)
class Complaint:
    """The exchange did not understand us, or refuses."""

    text: str


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """An answer to a ping, or the greeting."""


Message = list[Rows] | Confirmed | Complaint | SignOfLife


class MessageRejected(Exception):
    """Why a message is not what the exchange documents.

    `may_hold_rows`: it is not even known which stream it belongs to, so that any may lack rows now.
    """

    def __init__(self, reason: str, *, may_hold_rows: bool = True) -> None:
        self.may_hold_rows = may_hold_rows
        super().__init__(reason)


def read_message(message: str | bytes) -> Message:
    """What a message says.

    Raises:
        MessageRejected: It is not as documented.
    """
    if message == GREETING:
        return SignOfLife()
    envelope = _decoded(message, _Envelope, "message")
    read = _READERS.get(envelope.channel)
    if read is None:
        shown = ascii(envelope.channel)[:60]
        # Nothing that was subscribed to: no stream can lack it.
        raise MessageRejected(f"channel: unknown, {shown}", may_hold_rows=False)
    return read(envelope.data)


# --- below: the channels -------------------------------------------------------------------------

_CHANNELS = {
    Kind.FILLS: "userFills",
    Kind.TWAP_FILLS: "userTwapSliceFills",
    Kind.TRADES: "trades",
}
_SUBJECTS = {Kind.FILLS: "user", Kind.TWAP_FILLS: "user", Kind.TRADES: "coin"}
_KINDS = {name: kind for kind, name in _CHANNELS.items()}
_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")


class _Envelope(msgspec.Struct):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _UserFills(msgspec.Struct, rename="camel"):
    user: str
    fills: list[msgspec.Raw]
    is_snapshot: bool = False


class _UserTwapFills(msgspec.Struct, rename="camel"):
    user: str
    twap_slice_fills: list[msgspec.Raw]
    is_snapshot: bool = False


class _Slice(msgspec.Struct, rename="camel"):
    fill: msgspec.Raw
    twap_id: int


class _Coin(msgspec.Struct):
    coin: str


class _Confirmation(msgspec.Struct):
    method: str
    subscription: dict[str, Any]


def _decoded(text: str | bytes | msgspec.Raw, kind: type[Any], where: str) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MessageRejected(f"{where}: {error}") from None


def _fills(data: msgspec.Raw) -> Message:
    found = _decoded(data, _UserFills, "userFills")
    user = _account(found.user)
    batch = Rows(Stream(Kind.FILLS, user), found.is_snapshot)
    _take(batch, found.fills, lambda text: fill_columns(user, text))
    return [batch]


def _twap_fills(data: msgspec.Raw) -> Message:
    found = _decoded(data, _UserTwapFills, "userTwapSliceFills")
    user = _account(found.user)
    batch = Rows(Stream(Kind.TWAP_FILLS, user), found.is_snapshot)
    _take(batch, found.twap_slice_fills, lambda text: _slice_columns(user, text))
    return [batch]


def _slice_columns(user: str, text: bytes) -> Row:
    try:
        found = msgspec.json.decode(text, type=_Slice)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise LineRejected(f"slice: {error}") from None
    row = fill_columns(user, bytes(found.fill))
    # The order's number stands beside the fill; in it, if there, it is the same.
    return row | {"twap_id": found.twap_id}


def _trades(data: msgspec.Raw) -> Message:
    batches: dict[str, Rows] = {}
    for part in _decoded(data, list[msgspec.Raw], "trades"):
        try:
            coin = msgspec.json.decode(part, type=_Coin).coin
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise MessageRejected(f"trades: {error}") from None
        batch = batches.setdefault(coin, Rows(Stream(Kind.TRADES, coin), is_snapshot=False))
        _take(batch, [part], trade_columns)
    return list(batches.values())


def _take(batch: Rows, parts: list[msgspec.Raw], read: Callable[[bytes], Row]) -> None:
    for part in parts:
        text = bytes(part)
        try:
            batch.rows.append(read(text))
        except LineRejected as error:
            batch.rejected.append(RejectedPart(str(error), text))


def _confirmation(data: msgspec.Raw) -> Message:
    found = _decoded(data, _Confirmation, "subscriptionResponse")
    kind = _KINDS.get(found.subscription.get("type", ""))
    subject = found.subscription.get(_SUBJECTS[kind]) if kind else None
    if kind is None or not isinstance(subject, str):
        reason = f"subscriptionResponse: not ours, {ascii(found.subscription)[:60]}"
        raise MessageRejected(reason, may_hold_rows=False)
    subject = subject if kind is Kind.TRADES else _account(subject)
    return Confirmed(found.method, Stream(kind, subject))


def _complaint(data: msgspec.Raw) -> Message:
    return Complaint(bytes(data).decode("utf-8", "replace"))


def _sign_of_life(_: msgspec.Raw) -> Message:
    return SignOfLife()


def _account(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise MessageRejected(f"user: expected 0x and 40 hex digits, found {ascii(text)[:60]}")
    return text.lower()


_READERS: dict[str, Callable[[msgspec.Raw], Message]] = {
    "userFills": _fills,
    "userTwapSliceFills": _twap_fills,
    "trades": _trades,
    "subscriptionResponse": _confirmation,
    "error": _complaint,
    "pong": _sign_of_life,
}
