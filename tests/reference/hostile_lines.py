"""Hand-made lines with the verdict every decoder of ours must give."""

import json
from typing import Any

BUYER = "0x" + "b" * 40
SELLER = "0x" + "a" * 40
VICTIM = "0x" + "c" * 40
TIME = 1_761_584_400_063  # 2025-10-27T17:00:00.063Z
HASH = "0x" + "1f" * 32
ZERO_HASH = "0x" + "0" * 64

OBLIGATORY = [
    "coin",
    "px",
    "sz",
    "side",
    "time",
    "startPosition",
    "dir",
    "closedPnl",
    "hash",
    "oid",
    "crossed",
    "fee",
    "feeToken",
    "tid",
]
OPTIONAL = [
    "cloid",
    "twapId",
    "builder",
    "builderFee",
    "deployerFee",
    "priorityGas",
    "liquidation",
]
ENVELOPE = ["local_time", "block_time", "block_number", "events"]
DECIMALS = [
    "px",
    "sz",
    "startPosition",
    "closedPnl",
    "fee",
]
OPTIONAL_DECIMALS = ["builderFee", "deployerFee", "priorityGas"]
INTEGERS = ["time", "oid", "tid"]
TEXTS = ["coin", "dir", "hash", "feeToken"]

HostileLine = tuple[str, bytes, bool]


def make_fill(**changes: Any) -> dict[str, Any]:
    """An ordinary perp fill of the buyer, with changes."""
    fill = {
        "coin": "BTC",
        "px": "100000.5",
        "sz": "0.25",
        "side": "B",
        "time": TIME,
        "startPosition": "-0.25",
        "dir": "Close Short",
        "closedPnl": "-12.5",
        "hash": HASH,
        "oid": 214_106_928_179,
        "crossed": True,
        "fee": "11.25",
        "tid": 124_902_333_682_235,
        "feeToken": "USDC",
    }
    return fill | changes


def make_block(*fills: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A block of these fills; buyers and sellers get their usual address."""
    events = [[BUYER if fill.get("side") == "B" else SELLER, fill] for fill in fills]
    block = {
        "local_time": "2025-10-27T17:00:00.363787823",
        "block_time": "2025-10-27T17:00:00.063563798",
        "block_number": 777_010_829,
        "events": events,
    }
    return block | changes


def to_line(value: Any) -> bytes:
    """Compact JSON as the node writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def fill_line(**changes: Any) -> bytes:
    """One line of one fill with changes."""
    return to_line(make_block(make_fill(**changes)))


def without(fill: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in fill.items() if name != key}


def respelt(line: bytes, old: bytes, new: bytes) -> bytes:
    """The line with one passage replaced, which must occur exactly once."""
    if line.count(old) != 1:
        raise ValueError(f"{old!r} occurs {line.count(old)} times")
    return line.replace(old, new)


def hostile_lines() -> list[HostileLine]:
    """(name, line without its newline, accepted) for every trap; names are unique."""
    return [
        *broken_text(),
        *repeated_keys(),
        *envelopes(),
        *missing_and_null(),
        *wrong_types(),
        *decimals(),
        *integers_and_times(),
        *unknown_things(),
        *odd_but_good(),
    ]


def broken_text() -> list[HostileLine]:
    """Not UTF-8, not JSON, or JSON that no table can hold."""
    good = fill_line()
    deep = b"[" * 10_000 + b"]" * 10_000
    return [
        ("good", good, True),
        ("cut_in_half", good[: len(good) // 2], False),
        ("cut_last_brace", good[:-1], False),
        ("cut_first_brace", good[1:], False),
        ("two_objects_on_a_line", good + good, False),
        ("text_behind", good + b" x", False),
        ("trailing_comma", respelt(good, b'"USDC"}', b'"USDC",}'), False),
        ("single_quotes", good.replace(b'"', b"'"), False),
        ("comment", good + b" // end", False),
        ("python_true", respelt(good, b'"crossed":true', b'"crossed":True'), False),
        ("invalid_utf8_in_text", respelt(good, b'"BTC"', b'"BT\xff"'), False),
        ("cut_utf8_in_text", respelt(good, b'"BTC"', b'"BT\xe2\x82"'), False),
        ("overlong_utf8_in_text", respelt(good, b'"BTC"', b'"BT\xc0\xaf"'), False),
        ("surrogate_as_utf8", respelt(good, b'"BTC"', b'"\xed\xa0\x80"'), False),
        ("invalid_utf8_behind", good + b"\xff", False),
        ("latin1", "café".encode("latin-1"), False),
        ("utf16", good.decode().encode("utf-16"), False),
        ("raw_nul_in_text", respelt(good, b'"BTC"', b'"BT\x00C"'), False),
        ("raw_nul_behind", good + b"\x00", False),
        ("only_nul", b"\x00", False),
        ("raw_tab_in_text", respelt(good, b'"BTC"', b'"BT\tC"'), False),
        ("escaped_nul_in_text", respelt(good, b'"BTC"', b'"BT\\u0000C"'), False),
        (
            "escaped_nul_in_unknown",
            respelt(good, b'"tid"', b'"x":"\\u0000","tid"'),
            False,
        ),
        ("lone_surrogate_escape", respelt(good, b'"BTC"', b'"\\ud800"'), False),
        ("surrogate_pair_escape", respelt(good, b'"BTC"', b'"\\ud83d\\ude00"'), True),
        ("byte_order_mark", b"\xef\xbb\xbf" + good, False),
        ("crlf_ending", good + b"\r", True),
        ("spaces_around", b" \t" + good + b"  ", True),
        ("form_feed_behind", good + b"\x0c", False),
        ("no_break_space_before", "\u00a0".encode() + good, False),
        ("nan_for_decimal", respelt(good, b'"11.25"', b"NaN"), False),
        ("nan_as_text", respelt(good, b'"11.25"', b'"NaN"'), False),
        ("infinity_for_decimal", respelt(good, b'"11.25"', b"Infinity"), False),
        ("minus_infinity_as_text", respelt(good, b'"11.25"', b'"-Infinity"'), False),
        ("nan_in_unknown", respelt(good, b'"tid"', b'"x":NaN,"tid"'), False),
        ("deep_nesting_alone", deep, False),
        ("deep_nesting_unclosed", b"[" * 10_000, False),
        (
            "deep_nesting_in_unknown",
            respelt(good, b'"tid"', b'"x":' + deep + b',"tid"'),
            False,
        ),
        ("leading_zero_integer", respelt(good, b'"oid":214', b'"oid":0214'), False),
        ("plus_integer", respelt(good, b'"oid":214', b'"oid":+214'), False),
        ("hex_integer", respelt(good, b'"oid":214106928179', b'"oid":0x10'), False),
    ]


def repeated_keys() -> list[HostileLine]:
    """The same key twice inside one object, at every level."""
    good = fill_line()
    liquidated = fill_line(
        liquidation={"liquidatedUser": VICTIM, "markPx": "1.5", "method": "market"}
    )
    return [
        (
            "duplicate_envelope_key",
            respelt(good, b'"block_number":', b'"block_number":1,"block_number":'),
            False,
        ),
        (
            "duplicate_events",
            respelt(good, b'"events":', b'"events":[],"events":'),
            False,
        ),
        ("duplicate_fill_key", respelt(good, b'"px":', b'"px":"1.0","px":'), False),
        (
            "duplicate_fill_key_same_value",
            respelt(good, b'"side":', b'"side":"B","side":'),
            False,
        ),
        (
            "duplicate_fill_key_by_escape",
            respelt(good, b'"px":', b'"\\u0070x":"1.0","px":'),
            False,
        ),
        (
            "duplicate_liquidation_key",
            respelt(liquidated, b'"method":', b'"method":"backstop","method":'),
            False,
        ),
        (
            "duplicate_unknown_key",
            respelt(good, b'"tid":', b'"x":1,"x":1,"tid":'),
            False,
        ),
        (
            "duplicate_key_inside_unknown",
            respelt(good, b'"tid":', b'"x":{"y":1,"y":2},"tid":'),
            False,
        ),
        (
            "same_key_in_two_objects",
            respelt(good, b'"tid":', b'"x":[{"px":1},{"px":2}],"tid":'),
            True,
        ),
    ]


def envelopes() -> list[HostileLine]:
    """Right JSON of the wrong shape, and the limits of the right shape."""
    fill = make_fill()
    block = make_block(fill)
    pair = [BUYER, fill]
    lines: list[HostileLine] = [
        ("empty_events", to_line(make_block()), True),
        ("line_is_list", to_line([block]), False),
        ("line_is_pair_of_generation_2", to_line(pair), False),
        ("line_is_null", b"null", False),
        ("line_is_number", b"42", False),
        ("line_is_text", b'"block"', False),
        ("line_is_empty_object", b"{}", False),
        ("line_is_empty_list", b"[]", False),
        ("line_is_bare_fill", to_line(fill), False),
        (
            "generation_1_trade",
            to_line({"coin": "BTC", "side": "A", "side_info": []}),
            False,
        ),
        ("events_null", to_line(make_block(events=None)), False),
        ("events_object", to_line(make_block(events={BUYER: fill})), False),
        ("events_text", to_line(make_block(events="[]")), False),
        ("event_null", to_line(make_block(events=[None])), False),
        ("event_bare_fill", to_line(make_block(events=[fill])), False),
        (
            "event_object",
            to_line(make_block(events=[{"user": BUYER, "fill": fill}])),
            False,
        ),
        ("event_empty_list", to_line(make_block(events=[[]])), False),
        ("event_of_one", to_line(make_block(events=[[BUYER]])), False),
        ("event_of_three", to_line(make_block(events=[[BUYER, fill, 1]])), False),
        ("event_swapped", to_line(make_block(events=[[fill, BUYER]])), False),
        ("event_fill_null", to_line(make_block(events=[[BUYER, None]])), False),
        ("event_fill_list", to_line(make_block(events=[[BUYER, [fill]]])), False),
        ("event_fill_empty", to_line(make_block(events=[[BUYER, {}]])), False),
        (
            "event_fill_as_text",
            to_line(make_block(events=[[BUYER, json.dumps(fill)]])),
            False,
        ),
        ("address_null", to_line(make_block(events=[[None, fill]])), False),
        ("address_number", to_line(make_block(events=[[7, fill]])), False),
        ("address_empty", to_line(make_block(events=[["", fill]])), False),
        ("address_short", to_line(make_block(events=[[BUYER[:-1], fill]])), False),
        ("address_long", to_line(make_block(events=[[BUYER + "b", fill]])), False),
        ("address_no_prefix", to_line(make_block(events=[["b" * 42, fill]])), False),
        (
            "address_not_hex",
            to_line(make_block(events=[["0x" + "g" * 40, fill]])),
            False,
        ),
        (
            "address_with_space",
            to_line(make_block(events=[[BUYER[:-1] + " ", fill]])),
            False,
        ),
        ("second_event_bad", to_line(make_block(events=[pair, [SELLER, {}]])), False),
        ("first_event_bad", to_line(make_block(events=[[SELLER, {}], pair])), False),
        (
            "block_number_text",
            to_line(make_block(fill, block_number="777010829")),
            False,
        ),
        ("block_number_null", to_line(make_block(fill, block_number=None)), False),
        ("block_number_bool", to_line(make_block(fill, block_number=True)), False),
        (
            "block_number_fraction",
            to_line(make_block(fill, block_number=777010829.5)),
            False,
        ),
        (
            "block_number_as_float",
            to_line(make_block(fill, block_number=777010829.0)),
            False,
        ),
        (
            "block_number_400_digits",
            to_line(make_block(fill, block_number=10**399)),
            False,
        ),
        (
            "block_number_past_64_bits",
            to_line(make_block(fill, block_number=2**63)),
            False,
        ),
    ]
    for key in ENVELOPE:
        lines.append((f"no_{key}", to_line(without(block, key)), False))
        bad_empty = without(make_block(), key)
        lines.append((f"no_{key}_and_no_fills", to_line(bad_empty), False))
    bad_times: dict[str, Any] = {
        "null": None,
        "number": TIME,
        "empty": "",
        "zulu": "2025-10-27T17:00:00.063563798Z",
        "offset": "2025-10-27T17:00:00.063563798+00:00",
        "date_only": "2025-10-27",
        "space": "2025-10-27 17:00:00.063563798",
        "ten_decimals": "2025-10-27T17:00:00.0635637981",
        "point_without_decimals": "2025-10-27T17:00:00.",
        "comma": "2025-10-27T17:00:00,063",
        "month_13": "2025-13-27T17:00:00.063563798",
        "february_30": "2025-02-30T17:00:00.063563798",
        "hour_24": "2025-10-27T24:00:00.063563798",
        "second_60": "2025-10-27T17:00:60.063563798",
        "basic_format": "20251027T170000",
        "two_digit_year": "25-10-27T17:00:00",
        "trailing_space": "2025-10-27T17:00:00.063 ",
        "words": "yesterday",
    }
    for name, value in bad_times.items():
        lines.append((f"block_time_{name}", to_line(make_block(fill, block_time=value)), False))
        lines.append((f"local_time_{name}", to_line(make_block(fill, local_time=value)), False))
    lines += [
        (
            "block_time_no_decimals",
            to_line(make_block(fill, block_time="2025-10-27T17:00:00")),
            True,
        ),
        (
            "block_time_ms",
            to_line(make_block(fill, block_time="2025-10-27T17:00:00.063")),
            True,
        ),
        (
            "block_time_leap_day",
            to_line(make_block(fill, block_time="2028-02-29T00:00:00.1")),
            True,
        ),
        (
            "block_time_past_int64",
            to_line(make_block(fill, block_time="9999-01-01T00:00:00")),
            False,
        ),
    ]
    return lines


def missing_and_null() -> list[HostileLine]:
    """Every obligatory field missing and null; every optional field null."""
    fill = make_fill()
    lines: list[HostileLine] = []
    for key in OBLIGATORY:
        lines.append((f"missing_{key}", to_line(make_block(without(fill, key))), False))
        lines.append((f"null_{key}", fill_line(**{key: None}), False))
    for key in OPTIONAL:
        lines.append((f"null_optional_{key}", fill_line(**{key: None}), True))
    misspelt = without(fill, "startPosition") | {"start_position": "0.0"}
    lines.append(("missing_but_misspelt", to_line(make_block(misspelt)), False))
    lines.append(
        (
            "key_in_wrong_case",
            to_line(make_block(without(fill, "px") | {"PX": "1"})),
            False,
        )
    )
    lines.append(("all_optional_null", fill_line(**dict.fromkeys(OPTIONAL)), True))
    return lines


def wrong_types() -> list[HostileLine]:
    """A known field of another JSON type."""
    lines: list[HostileLine] = []
    for key in DECIMALS + OPTIONAL_DECIMALS:
        lines.append((f"{key}_as_number", fill_line(**{key: 1.5}), False))
        lines.append((f"{key}_as_integer", fill_line(**{key: 1}), False))
        lines.append((f"{key}_as_bool", fill_line(**{key: True}), False))
    for key in [*INTEGERS, "twapId"]:
        lines.append((f"{key}_as_text", fill_line(**{key: "1761584400063"}), False))
        lines.append((f"{key}_as_bool", fill_line(**{key: True}), False))
        lines.append((f"{key}_as_float", fill_line(**{key: 1761584400063.0}), False))
        lines.append((f"{key}_as_list", fill_line(**{key: [1761584400063]}), False))
    for key in [*TEXTS, "cloid", "builder"]:
        lines.append((f"{key}_as_number", fill_line(**{key: 7}), False))
        lines.append((f"{key}_as_object", fill_line(**{key: {"b": "x"}}), False))
    for name, value in {
        "lower": "b",
        "word": "Buy",
        "empty": "",
        "number": 1,
        "list": ["B"],
    }.items():
        lines.append((f"side_{name}", fill_line(side=value), False))
    for name, value in {"text": "true", "zero": 0, "one": 1, "empty": ""}.items():
        lines.append((f"crossed_{name}", fill_line(crossed=value), False))
    for name, value in {
        "text": "market",
        "true": True,
        "false": False,
        "zero": 0,
    }.items():
        lines.append((f"liquidation_{name}", fill_line(liquidation=value), False))
    lines.append(("liquidation_list", fill_line(liquidation=[VICTIM, "1.5", "market"]), False))
    lines.append(("liquidation_empty_list", fill_line(liquidation=[]), False))
    return lines


def decimals() -> list[HostileLine]:
    """The spelling and the size of decimal texts."""
    bad = {
        "empty": "",
        "space_before": " 1.5",
        "space_behind": "1.5 ",
        "newline_behind": "1.5\n",
        "plus": "+1.5",
        "two_minus": "--1.5",
        "only_minus": "-",
        "minus_point": "-.5",
        "no_whole": ".5",
        "no_fraction": "1.",
        "only_point": ".",
        "two_points": "1.2.3",
        "comma": "1,5",
        "underscore": "1_000",
        "exponent": "1e3",
        "exponent_small": "1.5E-7",
        "hex": "0x10",
        "letters": "abc",
        "arabic_digits": "\u0661\u0662",
        "fullwidth_digits": "\uff11\uff12",
        "13_decimals": "0.1234567890123",
        "13_decimals_of_zero": "1.0000000000000",
        "27_digits": "1" * 27,
        "400_digits": "9" * 400,
        "400_decimals": "0." + "1" * 400,
        "infinity": "Infinity",
        "nan_signalling": "sNaN",
        "null_as_text": "null",
    }
    lines: list[HostileLine] = []
    for name, value in bad.items():
        lines.append((f"decimal_{name}", fill_line(startPosition=value), False))
    for key in DECIMALS + OPTIONAL_DECIMALS:
        lines.append((f"{key}_13_decimals", fill_line(**{key: "0.1234567890123"}), False))
        lines.append((f"{key}_400_digits", fill_line(**{key: "9" * 400}), False))
        lines.append((f"{key}_exponent", fill_line(**{key: "1e-7"}), False))
        lines.append((f"{key}_empty", fill_line(**{key: ""}), False))
        lines.append((f"{key}_zero", fill_line(**{key: "0"}), True))
        lines.append((f"{key}_most_digits", fill_line(**{key: "9" * 26 + "." + "9" * 12}), True))
    for key in ("px", "sz"):
        lines.append((f"negative_{key}", fill_line(**{key: "-1.5"}), False))
        lines.append((f"negative_tiny_{key}", fill_line(**{key: "-0.000000000001"}), False))
    for key in ("startPosition", "closedPnl", "fee", *OPTIONAL_DECIMALS):
        lines.append((f"negative_{key}", fill_line(**{key: "-1.5"}), True))
    lines += [
        ("leading_zeros", fill_line(px="000100.50"), True),
        ("trailing_zeros", fill_line(px="100.500000000000"), True),
        ("minus_zero_pnl", fill_line(closedPnl="-0.0"), True),
        (
            "float_noise_start_position",
            fill_line(startPosition="3135809.3999999999"),
            True,
        ),
        ("float_noise_above", fill_line(startPosition="-3136695.2000000002"), True),
        (
            "twenty_digit_start_position",
            fill_line(startPosition="12345678901234567890.0"),
            True,
        ),
        ("rebate", fill_line(fee="-0.000383"), True),
        ("builder_fee_without_builder", fill_line(builderFee="0.5"), True),
        ("builder_without_builder_fee", fill_line(builder=VICTIM), True),
    ]
    return lines


def integers_and_times() -> list[HostileLine]:
    """Integers at and past their limits."""
    good = fill_line()
    oid = b'"oid":214106928179'
    return [
        ("oid_400_digits", fill_line(oid=10**399), False),
        ("oid_5000_digits", respelt(good, oid, b'"oid":' + b"7" * 5000), False),
        ("oid_exponent", respelt(good, oid, b'"oid":2e11'), False),
        ("oid_largest", fill_line(oid=2**63 - 1), True),
        ("oid_past_63_bits", fill_line(oid=2**63), False),
        ("oid_past_64_bits", fill_line(oid=2**64), False),
        ("tid_400_digits", fill_line(tid=10**399), False),
        ("tid_past_53_bits", fill_line(tid=2**53 + 1), True),
        ("tid_zero", fill_line(tid=0), True),
        ("twap_id_400_digits", fill_line(twapId=10**399), False),
        ("twap_id_zero", fill_line(twapId=0), True),
        ("time_400_digits", fill_line(time=10**399), False),
        ("time_zero", fill_line(time=0), False),
        ("time_negative", fill_line(time=-TIME), False),
        ("time_in_seconds", fill_line(time=TIME // 1000), False),
        ("time_in_nanoseconds", fill_line(time=TIME * 1_000_000), False),
        ("time_last_of_2019", fill_line(time=1_577_836_799_999), False),
        ("time_first_of_2020", fill_line(time=1_577_836_800_000), True),
        ("time_last_of_2099", fill_line(time=4_102_444_799_999), True),
        ("time_second_day_of_2100", fill_line(time=4_102_531_200_000), False),
        (
            "time_exponent",
            respelt(good, b'"time":1761584400063', b'"time":1.761584400063e12'),
            False,
        ),
        ("time_far_from_block_time", fill_line(time=TIME - 86_400_000), True),
    ]


def unknown_things() -> list[HostileLine]:
    """Unknown keys and values, which are kept and never a reason to reject."""
    good = fill_line()
    long_decimal = b"0.12345678901234567890123456789"
    nested: Any = {"end": None}
    for _ in range(20):
        nested = {"in": [nested]}
    dirs = (
        "Hodl Long",
        "",
        "open long",
        "Settlement",
        "Auto-Deleveraging",
        "Liquidated Cross Long",
    )
    liquidation = {"liquidatedUser": VICTIM, "markPx": "57000.0", "method": "market"}
    block = make_block(make_fill())
    lines: list[HostileLine] = [
        ("unknown_key_null", fill_line(newKey=None), True),
        ("unknown_key_text", fill_line(newKey="x"), True),
        ("unknown_key_bool", fill_line(newKey=False), True),
        ("unknown_key_unicode", fill_line(ключ="значение 😀"), True),
        ("unknown_key_empty_name", fill_line(**{"": 1}), True),
        (
            "unknown_key_of_a_column",
            fill_line(block_number="x", user_address=1, extra=[]),
            True,
        ),
        (
            "unknown_key_nested",
            fill_line(newKey={"a": [1, {"b": [None, True, "x"]}]}),
            True,
        ),
        ("unknown_key_20_deep", fill_line(newKey=nested), True),
        ("unknown_key_long_text", fill_line(newKey="x" * 100_000), True),
        (
            "unknown_number_long_decimal",
            respelt(good, b'"tid"', b'"x":' + long_decimal + b',"tid"'),
            True,
        ),
        ("unknown_text_long_decimal", fill_line(newKey=long_decimal.decode()), True),
        ("unknown_number_400_digits", fill_line(newKey=10**399), True),
        ("unknown_number_past_64_bits", fill_line(newKey=2**64 + 1), True),
        ("unknown_number_1e400", respelt(good, b'"tid"', b'"x":1e400,"tid"'), True),
        ("two_unknown_keys", fill_line(newKey=1, otherKey=[]), True),
        ("unknown_envelope_key", to_line(block | {"shard": {"n": 3}}), True),
        ("unknown_fee_token", fill_line(feeToken="+1890"), True),
        ("unknown_coin", fill_line(coin="new:THING/é"), True),
        ("liquidation_good", fill_line(liquidation=liquidation), True),
        (
            "liquidation_unknown_key",
            fill_line(liquidation=liquidation | {"cascade": [1]}),
            True,
        ),
        (
            "liquidation_unknown_method",
            fill_line(liquidation=liquidation | {"method": "x"}),
            True,
        ),
    ]
    for name in dirs:
        lines.append(
            (
                f"dir_{name.replace(' ', '_').lower() or 'empty'}",
                fill_line(dir=name),
                True,
            )
        )
    return lines


def odd_but_good() -> list[HostileLine]:
    """Lines that look wrong and are right."""
    dust = make_fill(
        coin="@107",
        side="A",
        startPosition="0.0000123",
        dir="Spot Dust Conversion",
        hash=ZERO_HASH,
        fee="0.0",
        tid=0,
    )
    seller = make_fill(side="A", crossed=False, startPosition="3.0", dir="Close Long", fee="-0.5")
    upper = "0x" + "ABCDEF" * 6 + "ABCD"
    self_trade = [[BUYER, make_fill()], [BUYER, seller]]
    reordered = dict(reversed(list(make_block(make_fill()).items())))
    return [
        ("both_legs", to_line(make_block(make_fill(), seller)), True),
        ("self_trade", to_line(make_block(events=self_trade)), True),
        ("dust_tid_zero", to_line(make_block(dust)), True),
        ("dust_twice_same_user", to_line(make_block(dust, dust)), True),
        ("uppercase_address", to_line(make_block(events=[[upper, make_fill()]])), True),
        ("uppercase_builder", fill_line(builder=upper, builderFee="0.5"), True),
        (
            "uppercase_prefix_address",
            to_line(make_block(events=[["0X" + "b" * 40, make_fill()]])),
            False,
        ),
        ("zero_size", fill_line(sz="0.0"), True),
        ("keys_in_other_order", to_line(reordered), True),
        ("pretty_spaces", json.dumps(make_block(make_fill())).encode(), True),
        ("ascii_escapes", respelt(fill_line(), b'"BTC"', b'"\\u0042TC"'), True),
        (
            "escaped_slash",
            respelt(fill_line(coin="PURR/USDC"), b"PURR/", b"PURR\\/"),
            True,
        ),
        (
            "thousand_fills",
            to_line(make_block(*[make_fill(oid=n) for n in range(1000)])),
            True,
        ),
        (
            "last_of_thousand_bad",
            to_line(make_block(*[make_fill(oid=n) for n in range(999)], make_fill(px="x"))),
            False,
        ),
    ]
