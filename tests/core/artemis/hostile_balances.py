"""Lines of balances that a reader might get wrong, by name. None of them is random."""

import json
from typing import Any

from tests.core.artemis.test_balances import ADDRESS, DAY, MARGIN, POSITION, record

OTHER = "0x" + "0" * 39 + "1"
LONG = "x" * 100_000

FIGURES = {
    "null": None,
    "number": 1.5,
    "integer": 7,
    "negative_integer": -7,
    "bool": True,
    "list": ["1"],
    "object": {},
    "empty": "",
    "plain": "12",
    "negative": "-12.5",
    "zero": "0",
    "minus_zero": "-0.000",
    "zeros": "0.000000000000",
    "smallest": "0.000000000001",
    "minus_smallest": "-0.000000000001",
    "too_small": "0.0000000000001",
    "leading_zeros": "0001.5",
    "whole_of_7_digits": "9223371.999999999999",
    "whole_past_63_bits": "9223372.036854775808",
    "minus_past_63_bits": "-9223372.036854775809",
    "whole_of_18_digits": "9" * 18 + "." + "9" * 12,
    "whole_of_19_digits": "-" + "9" * 19 + ".5",
    "most_digits": "9" * 26 + "." + "9" * 12,
    "minus_most_digits": "-" + "9" * 26 + "." + "9" * 12,
    "too_many_digits": "9" * 27,
    "400_digits": "9" * 400,
    "exponent": "1e5",
    "plus": "+1",
    "no_whole": ".5",
    "no_part": "5.",
    "two_points": "1.2.3",
    "two_signs": "--1",
    "only_sign": "-",
    "space_before": " 1",
    "space_behind": "1 ",
    "not_a_number": "NaN",
    "infinity": "Infinity",
    "arabic_digits": "\u0661",
    "line_feed": "1\n",
    "huge_integer": 10**30,
    "past_64_bits": 2**64,
}
TIMES = {
    "null": None,
    "iso": "2025-11-02T02:15:00",
    "iso_ms": "2025-11-02T02:15:00.911",
    "iso_us": "2025-11-02T02:15:00.911999",
    "iso_ns": "2025-11-02T02:15:00.911999999",
    "iso_ten_decimals": "2025-11-02T02:15:00.9119999999",
    "iso_no_decimals": "2025-11-02T02:15:00.",
    "iso_zulu": "2025-11-02T02:15:00.911Z",
    "iso_two_zulu": "2025-11-02T02:15:00ZZ",
    "iso_offset": "2025-11-02T02:15:00+00:00",
    "iso_space": "2025-11-02 02:15:00",
    "iso_date": "2025-11-02",
    "iso_leap_day": "2028-02-29T00:00:00",
    "iso_no_leap_day": "2027-02-29T00:00:00",
    "iso_31_april": "2026-04-31T00:00:00",
    "iso_month_13": "2026-13-01T00:00:00",
    "iso_hour_24": "2026-01-01T24:00:00",
    "iso_second_60": "2026-01-01T00:00:60",
    "iso_first": "2020-01-01T00:00:00",
    "iso_before_first": "2019-12-31T23:59:59.999",
    "iso_last": "2099-12-31T23:59:59.999999999",
    "iso_behind_last": "2100-01-01T00:00:00",
    "iso_year_0": "0000-01-01T00:00:00",
    "ms": DAY,
    "ms_first": 1_577_836_800_000,
    "ms_before_first": 1_577_836_799_999,
    "ms_last": 4_102_444_799_999,
    "ms_behind_last": 4_102_444_800_000,
    "ms_text": str(DAY),
    "ms_float": float(DAY),
    "seconds": DAY // 1000,
    "ns": DAY * 1_000_000,
    "negative": -DAY,
    "zero": 0,
    "huge": 10**40,
    "empty": "",
    "bool": True,
    "list": [DAY],
    "object": {"ms": DAY},
}
ADDRESSES = {
    "upper": "0x" + "AB" * 20,
    "mixed": "0x" + "aB" * 20,
    "upper_prefix": "0X" + "ab" * 20,
    "short": "0x" + "ab" * 19 + "a",
    "long": "0x" + "ab" * 20 + "a",
    "no_hex": "0x" + "ab" * 19 + "ag",
    "at_sign": "0x" + "ab" * 19 + "a@",
    "empty": "",
    "null": None,
    "number": 7,
    "kelvin": "0x" + "ab" * 19 + "a\u212a",
}
COINS = {
    "dex": "xyz:XYZ100",
    "of_8": "ABCDEFGH",
    "of_9": "ABCDEFGHI",
    "of_16": "A" * 16,
    "of_17": "A" * 17,
    "of_24": "A" * 24,
    "of_25": "A" * 25,
    "of_64": "A" * 64,
    "of_65": "A" * 65,
    "empty": "",
    "space": "B C",
    "delete": "B\x7f",
    "zero_byte": "BTC\x00",
    "umlaut": "\u00c4PE",
    "emoji": "\U0001f436",
    "quote": 'B"C',
    "slash": "B/C",
    "backslash": "B\\C",
    "number": 7,
    "null": None,
}
LEVERAGES = {
    "none": None,
    "number": 20,
    "zero": 0,
    "negative": -1,
    "most": 2**31 - 1,
    "too_large": 2**31,
    "huge": 10**400,
    "float": 20.0,
    "text": "20",
    "bool": True,
    "list": [20],
    "empty_object": {},
    "value_null": {"type": "cross", "value": None},
    "value_text": {"value": "20"},
    "value_float": {"value": 20.0},
    "value_bool": {"value": True},
    "value_object": {"value": {"value": 20}},
    "isolated": {"type": "isolated", "value": 5, "rawUsd": "-12.5"},
    "value_last": {"rawUsd": None, "other": [1.5, {}], "value": 5},
    "other_huge": {"value": 5, "other": 10**400},
}
UNKNOWN = {
    "null": b"null",
    "false": b"false",
    "true": b"true",
    "nul": b"nul",
    "truth": b"truth",
    "falsy": b"fals3",
    "nan": b"NaN",
    "minus_infinity": b"-Infinity",
    "minus": b"-",
    "minus_zero": b"-0",
    "leading_zero": b"01",
    "minus_leading_zero": b"-01",
    "leading_plus": b"+1",
    "point": b"1.",
    "no_whole": b".5",
    "fraction": b"-12.50",
    "long_fraction": b"0." + b"1" * 5_000,
    "exponent": b"1e5",
    "exponent_sign": b"-1.5E-7",
    "exponent_empty": b"1e",
    "huge_exponent": b"1e400",
    "integer_of_18_digits": b"9" * 18,
    "integer_of_19_digits": b"9" * 19,
    "integer_of_400_digits": b"9" * 400,
    "hex": b"0x10",
    "two_numbers": b"1 2",
    "text": b'"x"',
    "text_of_128": b'"' + b"x" * 128 + b'"',
    "text_of_127": b'"' + b"x" * 127 + b'"',
    "long_text": b'"' + LONG.encode() + b'"',
    "open_text": b'"x',
    "single_quotes": b"'x'",
    "escapes": rb'"\n\u0041\"\\"',
    "bad_escape": rb'"\x"',
    "half_of_a_pair": rb'"\ud800"',
    "tab_in_text": b'"a\tb"',
    "zero_in_text": b'"a\x00b"',
    "delete_in_text": b'"a\x7fb"',
    "utf8": '"\u00e9\U0001f436"'.encode(),
    "bad_utf8": b'"\xff"',
    "empty_list": b"[]",
    "empty_object": b"{}",
    "spaced_list": b"[ ]",
    "spaced_object": b"{ }",
    "list": b'[1,-2.5,"x",null,true,false,[],{}]',
    "object": b'{"a":{"b":[{"c":1}]},"d":[]}',
    "list_comma": b"[1,]",
    "list_two_commas": b"[1,,2]",
    "list_no_comma": b"[1 2]",
    "object_comma": b'{"a":1,}',
    "object_no_colon": b'{"a" 1}',
    "object_no_value": b'{"a":}',
    "object_number_key": b"{1:1}",
    "object_twice": b'{"a":1,"a":2}',
    "closed_as_list": b'{"a":1]',
    "closed_as_object": b"[1}",
    "not_closed": b"[1",
    "closed_twice": b"[1]]",
    "depth_31": b"[" * 31 + b"]" * 31,
    "depth_32": b"[" * 32 + b"]" * 32,
    "depth_33": b'{"a":' * 33 + b"1" + b"}" * 33,
    "depth_500": b"[" * 500 + b"]" * 500,
    "depth_100000": b"[" * 100_000 + b"]" * 100_000,
    "nothing": b"",
    "comment": b"/* x */ 1",
    "tab": b"\t1\t",
    "spaces": b"  1  ",
}
FIGURE_KEYS = ("szi", "positionValue", "liquidationPx", "entryPx", "marginUsed")


def dumped(value: object, separators: tuple[str, str] = (",", ":")) -> bytes:
    return json.dumps(value, separators=separators, ensure_ascii=False).encode()


def held(**changes: Any) -> bytes:
    return dumped(record(OTHER, DAY, POSITION | {"coin": "ETH"}, POSITION | changes))


def documented(*positions: dict[str, Any], **more: Any) -> dict[str, Any]:
    entries = [{"type": "oneWay", "position": position} for position in positions]
    return {"user": OTHER, "assetPositions": entries, "marginSummary": MARGIN, **more}


def hostile_lines() -> dict[str, bytes]:
    """Lines by name, each of an address of its own.

    Whether a line is a record is for the readers to agree on.
    """
    figures = [
        (f"{key}_{name}", held(**{key: value}))
        for key in FIGURE_KEYS
        for name, value in FIGURES.items()
    ]
    named = dict([*figures, *values(), *keys(), *texts()])
    return {
        name: line.replace(OTHER.encode(), b"0x%040x" % nth)
        for nth, (name, line) in enumerate(named.items())
    }


def values() -> list[tuple[str, bytes]]:
    """Known keys with odd values."""
    lines = []
    for key in MARGIN:
        for name, value in FIGURES.items():
            line = record(OTHER, DAY, POSITION)
            line["response"]["perpetual"]["marginSummary"] = MARGIN | {key: value}
            lines.append((f"{key}_{name}", dumped(line)))
    lines += [
        (f"time_{name}", dumped(record(OTHER, value, POSITION))) for name, value in TIMES.items()
    ]
    for name, value in ADDRESSES.items():
        lines.append((f"address_{name}", dumped(record(value, DAY, POSITION))))  # type: ignore[arg-type]
        lines.append((f"user_{name}", dumped(documented(POSITION, user=value))))
    for name, value in COINS.items():
        # The first time a coin is new, the second time it is known.
        lines += [(f"coin_{name}_{nth}", held(coin=value)) for nth in (1, 2)]
        lines.append((f"coin_{name}_escaped", json.dumps(json.loads(held(coin=value))).encode()))
    for name, value in LEVERAGES.items():
        lines.append((f"leverage_{name}", held(leverage=value)))
        lines.append((f"max_leverage_{name}", held(maxLeverage=value)))
    return lines


def keys() -> list[tuple[str, bytes]]:
    """Keys that are missing, new, or there more than once."""
    lines = []
    real, older = dumped(record(OTHER, DAY, POSITION)), dumped(documented(POSITION))
    for key in POSITION:
        without = {name: value for name, value in POSITION.items() if name != key}
        lines.append((f"no_{key}", dumped(record(OTHER, DAY, without))))
        own = f'"{key}":{json.dumps(POSITION[key], separators=(",", ":"))}'.encode()
        lines.append((f"{key}_twice", real.replace(own, own + b"," + own)))
        lines.append((f"{key}_null_behind", real.replace(own, own + f',"{key}":null'.encode())))
        lines.append(
            (f"{key}_in_wrong_case", real.replace(f'"{key}'.encode(), f'"{key.upper()}'.encode()))
        )
    for key in (
        "address",
        "timestamp",
        "response",
        "perpetual",
        "marginSummary",
        "assetPositions",
        "position",
    ):
        at = real.index(f'"{key}"'.encode())
        for name, more in {
            "null": b"null",
            "object": b"{}",
            "list": b"[]",
            "text": b'"x"',
            "number": b"7",
            "false": b"false",
        }.items():
            twice = real[:at] + f'"{key}":'.encode() + more + b"," + real[at:]
            lines.append((f"{key}_twice_with_{name}", twice))
            alone = real[:at] + f'"{key}":'.encode() + more + b',"no' + real[at + 1 :]
            lines.append((f"{key}_is_{name}", alone))
        lines.append((f"{key}_missing", real[:at] + b'"no' + real[at + 1 :]))
    for name, value in UNKNOWN.items():
        for place in (
            b'"response"',
            b'"perpetual"',
            b'"assetPositions"',
            b'"type"',
            b'"szi"',
            b'"value"',
            b'"totalNtlPos"',
        ):
            at = real.index(place)
            lines.append(
                (
                    f"unknown_{name}_before_{place.decode()}",
                    real[:at] + b'"new":' + value + b"," + real[at:],
                )
            )
        lines.append((f"unknown_{name}_last", real[:-1] + b',"new":' + value + b"}"))
        lines.append((f"leverage_raw_{name}", real.replace(b'{"type":"cross","value":20}', value)))
    for name, value in UNKNOWN.items():
        if name.startswith(
            ("text", "utf8", "bad_", "escapes", "half", "zero_in", "delete", "long_text")
        ):
            lines.append((f"unknown_key_{name}", real[:-1] + b"," + value + b":1}"))
            lines.append(
                (
                    f"unknown_key_of_leverage_{name}",
                    real.replace(b'"value":20', b'"value":20,' + value + b":1"),
                )
            )
    two = b'{"position":{"coin":"X","szi":"1","positionValue":"1"}'
    sizes = [POSITION | {"szi": size} for size in ("0", "1", "-0.0")]
    both = json.loads(real) | documented(POSITION | {"coin": "ETH"})
    lines += [
        ("real", real),
        ("documented", older),
        ("both_layouts", dumped(both)),
        ("both_layouts_with_one_address", dumped({k: v for k, v in both.items() if k != "user"})),
        (
            "documented_beside_an_empty_response",
            dumped(documented(POSITION, response={"spot": {}})),
        ),
        ("documented_beside_null", dumped(documented(POSITION, response={"perpetual": None}))),
        (
            "documented_beside_no_positions",
            dumped(documented(POSITION, response={"perpetual": {"marginSummary": MARGIN}})),
        ),
        (
            "real_with_margin_at_the_top",
            dumped(json.loads(real) | {"marginSummary": {"accountValue": "1"}}),
        ),
        (
            "real_with_bad_margin_at_the_top",
            dumped(json.loads(real) | {"marginSummary": {"accountValue": "x"}}),
        ),
        ("real_with_null_at_the_top", dumped(json.loads(real) | {"assetPositions": None})),
        ("documented_without_margin", dumped({"user": OTHER, "assetPositions": []})),
        ("perpetual_at_the_top", dumped({"user": OTHER, "perpetual": {"assetPositions": []}})),
        ("user_and_address", dumped(json.loads(real) | {"user": ADDRESS})),
        ("user_and_null", dumped({"user": ADDRESS} | json.loads(real) | {"address": None})),
        ("empty_list", dumped(record(OTHER, DAY))),
        ("empty_position", dumped(record(OTHER, DAY, {}))),
        ("null_in_list", real.replace(b'"assetPositions":[', b'"assetPositions":[null,')),
        ("comma_in_list", real.replace(b'"assetPositions":[', b'"assetPositions":[,')),
        ("comma_behind_list", real.replace(b"}}]", b"}},]")),
        ("two_positions_in_an_entry", real.replace(b'{"type":"oneWay"', two)),
        ("coin_twice", held(coin="ETH")),
        ("coin_twice_once_closed", held(coin="ETH", szi="0.0")),
        ("coin_three_times_twice_closed", dumped(record(OTHER, DAY, *sizes))),
        ("all_closed", dumped(record(OTHER, DAY, POSITION | {"szi": "0.0"}))),
        ("same_address_later", dumped(record(ADDRESS, DAY + 1, POSITION | {"szi": "3"}))),
        ("same_address_earlier", dumped(record(ADDRESS, DAY - 1, POSITION))),
        ("same_address_without_time", dumped(record(ADDRESS, None, POSITION))),
        ("empty_object", b"{}"),
        ("key_over_16_bytes", real.replace(b'"szi"', b'"positionValuePositionValue":1,"szi"')),
        ("key_with_zeros", real.replace(b'"szi"', b'"coin\x00":"X","szi"')),
        ("key_escaped", real.replace(b'"szi"', rb'"\u0073zi"')),
        ("key_escaped_twice", real.replace(b'"szi"', rb'"\u0073zi":"5","szi"')),
        ("empty_key", real.replace(b'"szi"', b'"":1,"szi"')),
    ]
    for name, value in UNKNOWN.items():
        lines.append((f"metadata_{name}", b'{"_metadata":' + value + b"," + real[1:]))
        lines.append((f"metadata_only_{name}", b'{"_metadata":' + value + b"}"))
    lines.append(("metadata_behind", real[:-1] + b',"_metadata":true}'))
    lines.append(("metadata_twice", real[:-1] + b',"_metadata":true,"_metadata":false}'))
    return lines


def texts() -> list[tuple[str, bytes]]:
    """Spaces, cut lines, and lines that are no JSON."""
    real = dumped(record(OTHER, DAY, POSITION))
    spaced = dumped(json.loads(real), (" , ", " : "))
    for bracket in (b"{", b"}", b"[", b"]"):
        spaced = spaced.replace(bracket, b" " + bracket + b" ")
    short = b",".join(b'{"position":{"coin":"%d","szi":1,"positionValue":1}}' % n for n in range(9))
    lines = [
        ("spaced", dumped(json.loads(real), (", ", ": "))),
        ("much_space", spaced),
        ("tabs", dumped(json.loads(real), (",\t", ":\t"))),
        ("return", real + b"\r"),
        ("two_returns", real + b"\r\r"),
        ("return_inside", real.replace(b",", b",\r", 1)),
        ("space_before", b" " + real),
        ("spaces_behind", real + b"  "),
        ("spaces_and_return", real + b"  \r"),
        ("tab_behind", real + b"\t"),
        ("comma_behind", real + b","),
        ("two_records", real + real),
        ("record_in_list", b"[" + real + b"]"),
        ("byte_order_mark", b"\xef\xbb\xbf" + real),
        ("zero_behind", real + b"\0"),
        ("blank", b""),
        ("blank_return", b"\r"),
        ("blank_space", b" \t "),
        ("blank_form_feed", b"\x0c"),
        ("text", b'"x"'),
        ("null", b"null"),
        ("words", b"not JSON"),
        ("invalid_utf8", b"\xff\xfe"),
        ("invalid_utf8_in_coin", real.replace(b'"BTC"', b'"B\xffC"')),
        ("numbers", real.replace(b'"-1.5"', b"-1.5").replace(b'"150000.25"', b"150000.25")),
        ("number_exponent", real.replace(b'"-1.5"', b"-1.5e3")),
        ("number_exponent_small", real.replace(b'"-1.5"', b"1e-12")),
        ("number_exponent_too_small", real.replace(b'"-1.5"', b"1e-13")),
        ("number_exponent_huge", real.replace(b'"-1.5"', b"1e999999999999")),
        ("number_of_9999_digits", real.replace(b'"-1.5"', b"1" * 9_999)),
        ("number_minus_zero", real.replace(b'"-1.5"', b"-0")),
        ("number_minus_zero_point", real.replace(b'"-1.5"', b"-0.0")),
        ("time_minus_zero", real.replace(str(DAY).encode(), b"-0")),
        ("time_leading_zero", real.replace(str(DAY).encode(), b"0" + str(DAY).encode())),
        ("time_exponent", real.replace(str(DAY).encode(), b"1.7620416e12")),
        ("leverage_leading_zero", real.replace(b'"maxLeverage":40', b'"maxLeverage":040')),
        ("leverage_minus_zero", real.replace(b'"maxLeverage":40', b'"maxLeverage":-0')),
        ("leverage_exponent", real.replace(b'"maxLeverage":40', b'"maxLeverage":4e1')),
        ("leverage_value_twice", real.replace(b'"value":20', b'"value":20,"value":3')),
        ("longer_than_the_buffer", real[:-1] + b',"new":[' + b"1," * 70_000 + b"1]}"),
        (
            "many_positions",
            dumped(record(OTHER, DAY, *[POSITION | {"coin": f"M{n}"} for n in range(700)])),
        ),
        ("shortest", b'{"user":"%b","assetPositions":[%b]}' % (OTHER.encode(), short)),
    ]
    lines += [(f"cut_at_{at}", real[:at]) for at in range(len(real))]
    return lines
