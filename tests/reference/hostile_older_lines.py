"""Hand-made lines of `node_fills` and `node_trades`, each with what its rejection must name.

A line is `(bytes without newline, fragment)`. The fragment is None where the line is good; else
every reader's reason holds it, whatever its wording: the name of the field, most often.
"""

import json
from typing import Any

from .hostile_lines import (
    BUYER,
    DECIMALS,
    HASH,
    OBLIGATORY,
    OPTIONAL,
    SELLER,
    TIME,
    VICTIM,
    ZERO_HASH,
    fill_line,
    hostile_lines,
    make_block,
    make_fill,
    respelt,
    to_line,
    without,
)

OlderLine = tuple[bytes, str | None]

TRADE_TIME = "2025-06-24T02:56:36.172847427"
TRADE_OBLIGATORY = ["coin", "side", "time", "px", "sz", "hash", "side_info"]
PARTY_OBLIGATORY = ["user", "start_pos", "oid"]
PARTY_OPTIONAL = ["twap_id", "cloid"]

UPPER = "0x" + "ABCDEF" * 6 + "ABCD"
LONG = b"0.12345678901234567890123456789"
DEEP = b"[" * 10_000 + b"]" * 10_000

BAD_DECIMALS = [
    "", " 1.5", "1.5 ", "+1.5", "--1.5", "-", ".5", "1.", "1.2.3", "1,5", "1_000", "1e3", "0x10",
    "abc", "\u0661", "\uff11", "0.1234567890123", "1.0000000000000", "1" * 27, "9" * 400,
    "Infinity", "NaN", "null", 1.5, 1, True, None, ["1.5"],
]  # fmt: skip
BAD_INTEGERS = ["1", 1.0, True, 2**63, -(2**63) - 1, 10**399, [1]]
BAD_TIMES = [
    None, TIME, "", TRADE_TIME + "Z", TRADE_TIME + "+00:00", "2025-06-24",
    "2025-06-24 02:56:36.172847427", TRADE_TIME + "1", "2025-06-24T02:56:36.",
    "2025-06-24T02:56:36,172", "2025-13-24T02:56:36", "2025-02-30T02:56:36",
    "2025-06-24T24:00:00", "2025-06-24T02:56:60", "20250624T025636", "25-06-24T02:56:36",
    TRADE_TIME + " ", "yesterday", "2019-12-31T23:59:59.999999999", "2100-01-01T00:00:00",
    "9999-01-01T00:00:00",
]  # fmt: skip
BAD_CLOIDS: list[Any] = [7, True, [], {"a": "x"}]
GOOD_TIMES = [
    "2025-06-24T02:56:36", "2025-06-24T02:56:36.1", "2025-06-24T02:56:36.172",
    "2028-02-29T23:59:59.999999999", "2020-01-01T00:00:00", "2099-12-31T23:59:59.999999999",
]  # fmt: skip
BAD_ADDRESSES = [
    None, 7, "", "b" * 42, "0x" + "b" * 39, "0x" + "b" * 41, "0x" + "g" * 40, "0X" + "b" * 40,
    BUYER + "\n", BUYER[:-1] + " ", [BUYER],
]  # fmt: skip


# generation 2


def older_fill_line(address: Any = BUYER, **changes: Any) -> bytes:
    """A line of `node_fills`: an ordinary fill with changes."""
    return to_line([address, make_fill(**changes)])


def hostile_fill_lines() -> list[OlderLine]:
    """Every trap of `node_fills`."""
    return [*shapes_of_fills(), *fields_of_fills(), *unwrapped_lines()]


def shapes_of_fills() -> list[OlderLine]:
    """No JSON, or not the pair that a line is."""
    good = older_fill_line()
    fill = make_fill()
    trade = trade_line()
    return [
        (good, None),
        (good + b"\r", None),
        (b" \t" + good + b"  ", None),
        (json.dumps([BUYER, fill]).encode(), None),
        (to_line([SELLER, make_fill(side="A", crossed=False)]), None),
        (to_line([UPPER, fill]), None),
        (to_line([BUYER, dict(reversed(list(fill.items())))]), None),
        (good[: len(good) // 2], "JSON"),
        (good[:-1], "JSON"),
        (good + good, "JSON"),
        (good + b",", "JSON"),
        (good[1:-1], "JSON"),
        (b"[" + good + b"]", "address"),
        (good.replace(b'"', b"'"), "JSON"),
        (b"\xef\xbb\xbf" + good, ""),
        (good + b"\xff", "UTF-8"),
        (respelt(good, b'"BTC"', b'"BT\xff"'), "UTF-8"),
        (respelt(good, b'"BTC"', b'"BT\\u0000C"'), "text"),
        (respelt(good, b'"BTC"', b'"\\ud800"'), "text"),
        (respelt(good, b'"px":', b'"px":"1.0","px":'), "px"),
        (respelt(good, b'"tid":', b'"x":{"y":1,"y":2},"tid":'), "y"),
        (respelt(good, b'"tid":', b'"x":' + DEEP + b',"tid":'), "nested"),
        (b"{}", "address"),
        (b"[]", "address"),
        (b"null", "address"),
        (b"42", "address"),
        (b'"fill"', "address"),
        (to_line([BUYER]), "address"),
        (to_line([BUYER, fill, None]), "address"),
        (to_line([BUYER, fill, fill]), "address"),
        (to_line({BUYER: fill}), "address"),
        (to_line(fill), "address"),
        (to_line(make_block(fill)), "address"),
        (trade, "address"),
        (to_line([BUYER, None]), "object"),
        (to_line([BUYER, [fill]]), "object"),
        (to_line([BUYER, json.dumps(fill)]), "object"),
        (to_line([fill, BUYER]), ""),
        *[(older_fill_line(bad), "") for bad in BAD_ADDRESSES],
    ]


def fields_of_fills() -> list[OlderLine]:
    """A field that is missing, of another type, or beyond its limits."""
    fill = make_fill()
    liquidation = {"liquidatedUser": VICTIM, "markPx": "57000.0", "method": "market"}
    lines: list[OlderLine] = []
    for key in OBLIGATORY:
        lines.append((to_line([BUYER, without(fill, key)]), key))
        lines.append((older_fill_line(**{key: None}), key))
    for key in OPTIONAL:
        lines.append((older_fill_line(**{key: None}), None))
    for key in DECIMALS:
        lines += [(older_fill_line(**{key: bad}), key) for bad in BAD_DECIMALS]
    for key in ("oid", "tid"):
        lines += [(older_fill_line(**{key: bad}), key) for bad in BAD_INTEGERS]
    lines += [
        (older_fill_line(px="-1.5"), "px"),
        (older_fill_line(sz="-0.000000000001"), "sz"),
        (older_fill_line(px="-0.0"), None),
        (older_fill_line(fee="-0.000383"), None),
        (older_fill_line(startPosition="-3136695.2000000002"), None),
        (older_fill_line(time=TIME // 1000), "time"),
        (older_fill_line(time=TIME * 1_000_000), "time"),
        (older_fill_line(side="b"), "side"),
        (older_fill_line(crossed="true"), "crossed"),
        (older_fill_line(liquidation="market"), "liquidation"),
        (older_fill_line(liquidation=liquidation), None),
        # The older files had no such key; where one comes, it means what it means today.
        (older_fill_line(twapId=7), None),
        (older_fill_line(twapId="7"), "twapId"),
        (older_fill_line(tid=0, dir="Spot Dust Conversion", hash=ZERO_HASH, side="A"), None),
        (older_fill_line(builder=UPPER, builderFee="0.5", cloid="0x2025"), None),
        # Keys that only a block has are unknown ones here.
        (older_fill_line(block_number=5, local_time="x", extra={"a": [1]}), None),
        (respelt(older_fill_line(), b'"tid":', b'"x":' + LONG + b',"tid":'), None),
    ]
    return lines


def unwrapped_lines() -> list[OlderLine]:
    """The hostile blocks of one event, taken out of their block; any reason will do."""
    head, tail = to_line(make_block())[:-2], b"]}"
    lines: list[OlderLine] = []
    for _, line, accepted in hostile_lines():
        if line.startswith(head) and line.endswith(tail):
            event = line[len(head) : -len(tail)]
            if not accepted:
                lines.append((event, ""))
            elif len(json.loads(line)["events"]) == 1:
                lines.append((event, None))
    return [(line, reason) for line, reason in lines if line]


# generation 1


def make_party(**changes: Any) -> dict[str, Any]:
    """The buyer of an ordinary trade, with changes."""
    party = {
        "user": BUYER,
        "start_pos": "-0.25",
        "oid": 105_686_971_733,
        "twap_id": None,
        "cloid": "0x1070fff92506b3ab5e5aec135e5a5ddd",
    }
    return party | changes


def make_trade(**changes: Any) -> dict[str, Any]:
    """An ordinary trade that the seller started, with changes."""
    seller = make_party(user=SELLER, start_pos="3.0", oid=105_686_976_226, cloid=None)
    trade = {
        "coin": "BTC",
        "side": "A",
        "time": TRADE_TIME,
        "px": "100000.5",
        "sz": "0.25",
        "hash": HASH,
        "trade_dir_override": "Na",
        "side_info": [make_party(), seller],
    }
    return trade | changes


def trade_line(**changes: Any) -> bytes:
    """A line of `node_trades`: an ordinary trade with changes."""
    return to_line(make_trade(**changes))


def party_line(place: int, **changes: Any) -> bytes:
    """The same with changes of one entry of `side_info`."""
    trade = make_trade()
    trade["side_info"][place] |= changes
    return to_line(trade)


def hostile_trade_lines() -> list[OlderLine]:
    """Every trap of `node_trades`."""
    return [*shapes_of_trades(), *fields_of_trades(), *parties(), *odd_but_good_trades()]


def shapes_of_trades() -> list[OlderLine]:
    """No JSON, or another shape than a trade has."""
    good = trade_line()
    trade = make_trade()
    buyer, seller = trade["side_info"]
    return [
        (good, None),
        (good + b"\r", None),
        (b" \t" + good + b"  ", None),
        (json.dumps(trade).encode(), None),
        (to_line(dict(reversed(list(trade.items())))), None),
        (good[: len(good) // 2], "JSON"),
        (good[:-1], "JSON"),
        (good + good, "JSON"),
        (good + b",", "JSON"),
        (good + b"\x00", "JSON"),
        (good.replace(b'"', b"'"), "JSON"),
        (b"\xef\xbb\xbf" + good, ""),
        (good + b"\xff", "UTF-8"),
        (respelt(good, b'"BTC"', b'"BT\xc0\xaf"'), "UTF-8"),
        (respelt(good, b'"BTC"', b'"BT\\u0000C"'), "text"),
        (respelt(good, b'"BTC"', b'"\\ud800"'), "text"),
        (respelt(good, b'"Na"', b'"\\udfff"'), "text"),
        (respelt(good, b'"Na"', b"NaN"), "NaN"),
        (respelt(good, b'"Na"', b"1e99999999999999999999"), "number"),
        (respelt(good, b'"Na"', DEEP), "nested"),
        (respelt(good, b'"px":', b'"px":"1.0","px":'), "px"),
        (respelt(good, b'"px":', b'"\\u0070x":"1.0","px":'), "px"),
        (respelt(good, b'"px":', b'"px" :"1.0","px":'), "px"),
        (respelt(good, b'"side_info":', b'"side_info":[],"side_info":'), "side_info"),
        (good.replace(b'"oid":', b'"oid":1,"oid":'), "oid"),
        (respelt(good, b'"Na"', b'{"x":1,"x":1}'), "x"),
        (b"{}", ""),
        (b"[]", "object"),
        (b"null", "object"),
        (b"42", "object"),
        (to_line([trade]), "object"),
        (older_fill_line(), "object"),
        (fill_line(), ""),
        (to_line(make_fill()), ""),
        (trade_line(side_info=None), "side_info"),
        (trade_line(side_info=[]), "side_info"),
        (trade_line(side_info=[buyer]), "side_info"),
        (trade_line(side_info=[buyer, seller, seller]), "side_info"),
        (trade_line(side_info={"0": buyer, "1": seller}), "side_info"),
        (trade_line(side_info="[]"), "side_info"),
        (trade_line(side_info=[buyer, None]), "side_info"),
        (trade_line(side_info=[None, seller]), "side_info"),
        (trade_line(side_info=[[BUYER, buyer], [SELLER, seller]]), "side_info"),
        (trade_line(side_info=[BUYER, SELLER]), "side_info"),
        (trade_line(side_info=[{}, {}]), "side_info"),
    ]


def fields_of_trades() -> list[OlderLine]:
    """A field of the trade that is missing, of another type, or beyond its limits."""
    trade = make_trade()
    lines: list[OlderLine] = []
    for key in TRADE_OBLIGATORY:
        lines.append((to_line(without(trade, key)), key))
        lines.append((trade_line(**{key: None}), key))
    for key in ("px", "sz"):
        lines += [(trade_line(**{key: bad}), key) for bad in BAD_DECIMALS]
        lines.append((trade_line(**{key: "-1.5"}), key))
        lines.append((trade_line(**{key: "-0.000000000001"}), key))
        lines.append((trade_line(**{key: "-0.0"}), None))
        lines.append((trade_line(**{key: "0"}), None))
        lines.append((trade_line(**{key: "9" * 26 + "." + "9" * 12}), None))
    lines += [(trade_line(time=bad), "time") for bad in BAD_TIMES]
    lines += [(trade_line(time=good), None) for good in GOOD_TIMES]
    lines += [(trade_line(side=bad), "side") for bad in ("b", "Buy", "", 1, ["A"], True)]
    for key in ("coin", "hash"):
        lines += [(trade_line(**{key: bad}), key) for bad in (7, ["x"], True)]
    return lines


def parties() -> list[OlderLine]:
    """The same for either side: one bad party rejects the trade."""
    lines: list[OlderLine] = []
    for place in (0, 1):
        for key in PARTY_OBLIGATORY:
            trade = make_trade()
            del trade["side_info"][place][key]
            lines.append((to_line(trade), key))
            lines.append((party_line(place, **{key: None}), key))
        for key in PARTY_OPTIONAL:
            trade = make_trade()
            del trade["side_info"][place][key]
            lines.append((to_line(trade), None))
            lines.append((party_line(place, **{key: None}), None))
        lines += [(party_line(place, user=bad), "user") for bad in BAD_ADDRESSES]
        lines += [(party_line(place, start_pos=bad), "start_pos") for bad in BAD_DECIMALS]
        for key in ("oid", "twap_id"):
            lines += [(party_line(place, **{key: bad}), key) for bad in BAD_INTEGERS]
        lines += [(party_line(place, cloid=bad), "cloid") for bad in BAD_CLOIDS]
        lines += [
            (party_line(place, user=UPPER), None),
            (party_line(place, start_pos="-3136695.2000000002"), None),
            (party_line(place, start_pos="-0.0"), None),
            (party_line(place, oid=2**63 - 1, twap_id=0), None),
            (party_line(place, oid=-(2**63)), None),
            (party_line(place, cloid=""), None),
            # A misspelt key is an unknown one, and the right one is missing.
            (party_line(place, startPosition="1.0"), None),
        ]
    return lines


def odd_but_good_trades() -> list[OlderLine]:
    """Lines that look wrong and are right: unknown things are kept."""
    trade = make_trade()
    good = trade_line()
    buyer, seller = trade["side_info"]
    return [
        (trade_line(side="B"), None),
        (trade_line(side_info=[seller, buyer]), None),
        (trade_line(side_info=[buyer, buyer]), None),
        (trade_line(side_info=[buyer, seller | {"user": BUYER}]), None),
        (trade_line(hash=ZERO_HASH), None),
        (trade_line(hash=""), None),
        (trade_line(coin="PURR/USDC"), None),
        (trade_line(coin="new:THING/é"), None),
        (to_line(without(trade, "trade_dir_override")), None),
        (trade_line(trade_dir_override=None), None),
        (trade_line(trade_dir_override="NetChildVaultPositions"), None),
        (trade_line(trade_dir_override={"LiquidatedMarket": [VICTIM, 1]}), None),
        (trade_line(newKey=None), None),
        (trade_line(newKey={"a": [1, {"b": [None, True, "x"]}]}, other=[]), None),
        # Names of columns that this format does not fill are unknown keys.
        (trade_line(tid=1, fee="0.5", dir="Buy", crossed=True, block_number=5, extra=[]), None),
        (party_line(0, newKey="buyer's"), None),
        (party_line(1, newKey="seller's", fee=None), None),
        (respelt(good, b'"Na"', b'"Na","x":' + LONG), None),
        (respelt(good, b'"Na"', b'"Na","x":1e400'), None),
        (respelt(good, b'"Na"', b'"Na","x":' + b"7" * 400), None),
        (respelt(good, b'"BTC"', b'"\\u0042TC"'), None),
        (respelt(good, b'"BTC"', b'"\\ud83d\\ude00"'), None),
    ]
