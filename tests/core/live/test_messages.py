"""Messages of the exchange's stream: taken by the rules for the files, or rejected."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil_core.fills.node_format import LineRejected, check_event
from vigil_core.live.holes import Hole, hole_before
from vigil_core.live.messages import (
    FILL_COLUMNS,
    GREETING,
    TRADE_COLUMNS,
    Complaint,
    Confirmed,
    Kind,
    MessageRejected,
    Rows,
    SignOfLife,
    Stream,
    read_message,
)

USER, OTHER = "0x" + "ab" * 20, "0x" + "cd" * 20
FILL: dict[str, Any] = {
    "coin": "BTC",
    "px": "64000.5",
    "sz": "0.25",
    "side": "B",
    "time": 1_761_584_399_797,
    "startPosition": "-0.75",
    "dir": "Close Short",
    "closedPnl": "12.5",
    "hash": "0x" + "0f" * 32,
    "oid": 214_106_928_179,
    "crossed": True,
    "fee": "-0.000383",
    "tid": 124_902_333_682_235,
    "feeToken": "USDC",
}
TRADE: dict[str, Any] = {
    "coin": "BTC",
    "side": "A",
    "px": "64000.5",
    "sz": "0.25",
    "time": 1_761_584_399_797,
    "hash": "0x" + "0f" * 32,
    "tid": 124_902_333_682_235,
    "users": [USER, OTHER],
}


def fills_message(fills: list[Any], **more: Any) -> str:
    return json.dumps({"channel": "userFills", "data": {"user": USER, "fills": fills, **more}})


def rows_of(message: str) -> list[Rows]:
    found = read_message(message)
    assert isinstance(found, list)
    return found


def test_a_fill_is_what_the_same_record_is_in_a_file() -> None:
    more = FILL | {"cloid": "0x12", "liquidation": {"method": "market"}, "newKey": 1.50}
    [batch] = rows_of(fills_message([FILL, more], isSnapshot=True))
    assert batch.stream == Stream(Kind.FILLS, USER)
    assert batch.is_snapshot
    assert batch.rejected == []
    for row, fill in zip(batch.rows, (FILL, more), strict=True):
        [filed] = check_event(json.dumps([USER, fill]).encode(), 1).rows
        assert row == {name: filed[name] for name in row}
        assert row.keys() == set(FILL_COLUMNS)


def test_without_the_mark_it_is_no_snapshot() -> None:
    [batch] = rows_of(fills_message([]))
    assert (batch.is_snapshot, batch.rows) == (False, [])


def test_a_slice_has_the_number_of_its_order() -> None:
    data = {"user": USER.upper().replace("X", "x"), "twapSliceFills": [{"fill": FILL, "twapId": 7}]}
    [batch] = rows_of(json.dumps({"channel": "userTwapSliceFills", "data": data}))
    assert batch.stream == Stream(Kind.TWAP_FILLS, USER)
    assert [row["twap_id"] for row in batch.rows] == [7]


def test_trades_of_several_coins_are_several_streams() -> None:
    trades = [TRADE, TRADE | {"coin": "ETH"}, TRADE | {"tid": 5}]
    batches = rows_of(json.dumps({"channel": "trades", "data": trades}))
    assert [(one.stream.subject, len(one.rows)) for one in batches] == [("BTC", 2), ("ETH", 1)]
    row = batches[0].rows[0]
    assert row.keys() == set(TRADE_COLUMNS)
    assert (row["buyer"], row["seller"], row["side"]) == (USER, OTHER, "A")


def test_what_is_no_fill_is_rejected_with_its_bytes_and_the_rest_is_kept() -> None:
    bad = '{"coin":"BTC",  "px": "NaN"}'
    message = fills_message([FILL, "HERE", FILL | {"oid": 1}]).replace('"HERE"', bad)
    [batch] = rows_of(message)
    assert [row["oid"] for row in batch.rows] == [FILL["oid"], 1]
    [rejected] = batch.rejected
    assert rejected.raw == bad.encode()
    assert rejected.reason == "fill.sz: missing"


@pytest.mark.parametrize(
    ("key", "value"),
    [("px", "-1"), ("px", 1.5), ("users", [USER]), ("users", ["x", OTHER]), ("side", "C"),
     ("time", 1), ("tid", "1"), ("hash", None)],
)  # fmt: skip
def test_what_is_no_trade_is_rejected(key: str, value: object) -> None:
    [batch] = rows_of(json.dumps({"channel": "trades", "data": [TRADE | {key: value}]}))
    assert batch.rows == []
    assert batch.rejected[0].reason.startswith(f"trade.{key}")


def test_answers() -> None:
    stream = Stream(Kind.TRADES, "BTC")
    confirmed = {"channel": "subscriptionResponse", "data": json.loads(stream.request("subscribe"))}
    assert read_message(json.dumps(confirmed)) == Confirmed("subscribe", stream)
    assert read_message('{"channel":"pong"}') == SignOfLife()
    assert read_message(GREETING) == SignOfLife()
    assert read_message('{"channel":"error","data":"no"}') == Complaint('"no"')


@pytest.mark.parametrize(
    ("message", "reason", "may_hold_rows"),
    [
        ('{"channel":"userFills","data":{"user":"0x12"', "message: Input data was truncated", True),
        ("[]", "message: Expected `object`, got `array`", True),
        ('{"channel":"userFills","data":{"user":"0x12","fills":[]}}', "user: expected", True),
        ('{"channel":"userFills"}', "userFills: Expected `object`, got `null`", True),
        ('{"channel":"trades","data":[{}]}', "trades: Object missing required field", True),
        ('{"channel":"l2Book","data":{}}', "channel: unknown, 'l2Book'", False),
    ],
)
def test_a_message_that_is_none_is_rejected(message: str, reason: str, may_hold_rows: bool) -> None:
    with pytest.raises(MessageRejected, match="^" + reason.replace("[", r"\[")) as raised:
        read_message(message)
    assert raised.value.may_hold_rows == may_hold_rows


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
channels = st.sampled_from(
    ["userFills", "userTwapSliceFills", "trades", "subscriptionResponse", "error", "pong"]
)


@settings(max_examples=60, deadline=None)
@given(st.text() | st.binary())
def test_no_text_does_anything_but_be_read_or_rejected(message: str | bytes) -> None:
    with suppress(MessageRejected):
        read_message(message)


@settings(max_examples=60, deadline=None)
@given(channels, json_values)
def test_no_content_of_a_channel_does_either(channel: str, data: Any) -> None:
    with suppress(MessageRejected):
        found = read_message(json.dumps({"channel": channel, "data": data}))
        assert not isinstance(found, list) or all(one.rows == [] for one in found)


spoiled_fills = st.builds(
    lambda key, value: FILL | {key: value}, st.sampled_from(sorted(FILL)), json_values
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.just(FILL) | spoiled_fills | json_values, max_size=6), st.booleans())
def test_every_part_is_a_row_or_rejected_and_rows_are_those_of_a_file(
    parts: list[Any], is_snapshot: bool
) -> None:
    [batch] = rows_of(fills_message(parts, isSnapshot=is_snapshot))
    assert batch.is_snapshot == is_snapshot
    taken, rejected = iter(batch.rows), iter(batch.rejected)
    for part in parts:
        text = json.dumps(part)
        try:
            [filed] = check_event(json.dumps([USER, part]).encode(), 1).rows
        except LineRejected:
            assert next(rejected).raw == text.encode()
        else:
            row = next(taken)
            assert row == {name: filed[name] for name in row}
    assert next(taken, None) is None
    assert next(rejected, None) is None


times = st.integers(0, 40)


@settings(max_examples=60, deadline=None)
@given(st.lists(times, max_size=30), st.integers(0, 30), st.lists(times, max_size=8))
def test_no_row_is_missing_outside_a_hole(
    happened: list[int], seen_first: int, later: list[int]
) -> None:
    """A stream is cut off somewhere, and begins again with some of its latest rows."""
    happened = sorted(happened)
    seen = happened[:seen_first]
    known_until = max(seen, default=None)
    after = sorted([*happened, *(t + 40 for t in later)])
    for size in range(len(after) + 1):
        snapshot = after[len(after) - size :]
        hole = hole_before(known_until, snapshot)
        missing = after[len(seen) : len(after) - size]
        if known_until is None:
            assert hole is None
        elif hole is None:
            # What lies between was seen before, or is in the snapshot.
            assert missing == []
        elif snapshot:
            assert all(hole.start <= t < hole.end for t in missing)


def test_hole_of_an_instant() -> None:
    assert hole_before(7, [7]) == Hole(7, 8)
