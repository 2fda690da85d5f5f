"""Lines that a reader might get wrong, made from a seed: the grammar of real ones, bent.

A line is built as a tree whose objects are lists of pairs, so that keys can be repeated and moved,
and whose leaves may be any bytes. Then it is spelt, and some bytes of it are changed.
"""

import json
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tests.reference.hostile_lines import make_block, make_fill
from tests.reference.hostile_older_lines import make_trade
from vigil_core.calendar import EARLIEST_MS, LATEST_MS

MOST_DIGITS = "9" * 26 + "." + "9" * 12
DECIMALS = [
    *("0", "-0", "-0.0", "0.000000000001", "-0.000000000001", "0.0000000000001", "000.5"),
    *("9" * digits for digits in (6, 7, 8, 17, 18, 19, 26, 27, 38, 39, 400)),
    *("-" + "9" * digits + ".5" for digits in (17, 18, 19, 26)),
    *("1." + "1" * decimals for decimals in (1, 7, 8, 11, 12, 13, 400)),
    *("9223371.999999999999", "9223372.036854775807", "9223372.036854775808"),
    *("-9223372.036854775808", "-9223372.036854775809", "18446744.073709551616"),
    *("170141183460469231731687303.7", MOST_DIGITS, "-" + MOST_DIGITS),
    *("1e5", "1E-7", "+1", ".5", "5.", "1.2.3", "--1", "-", "", " 1", "1 ", "1_0", "0x1"),
    *("NaN", "sNaN", "Infinity", "-Infinity", "\u0661", "\uff11", "1\n", "1,5", "null"),
]
INTEGERS = [
    *(b"0", b"-0", b"-1", b"01", b"+1", b"1.0", b"1e3", b"1E400", b"0x10", b"NaN", b"-"),
    *(str(2**bits + more).encode() for bits in (31, 32, 53, 63, 64) for more in (-1, 0, 1)),
    *(str(-(2**63) + more).encode() for more in (-1, 0, 1)),
    *(b"9" * digits for digits in (17, 18, 19, 20, 400, 5_000)),
    *(b"1" + b"0" * digits for digits in (17, 18, 19)),
    *(b"true", b"null", b'"7"', b"[]", b"{}", b"tru", b"nul", b"falsee"),
]
MOMENTS = [EARLIEST_MS - 1, EARLIEST_MS, LATEST_MS - 1, LATEST_MS, 0, -1, 10**12, 10**18, 10**19]
ISO_TIMES = [
    *("2019-12-31T23:59:59.999999999", "2020-01-01T00:00:00", "2099-12-31T23:59:59.999999999"),
    *("2100-01-01T00:00:00", "1969-12-31T23:59:59", "9999-12-31T23:59:59", "0000-01-01T00:00:00"),
    *("2024-02-29T00:00:00", "2025-02-29T00:00:00", "2100-02-29T00:00:00", "2025-04-31T00:00:00"),
    *("2025-00-01T00:00:00", "2025-13-01T00:00:00", "2025-01-00T00:00:00", "2025-01-32T00:00:00"),
    *("2025-10-27T24:00:00", "2025-10-27T23:60:00", "2025-10-27T23:59:60", "2025-10-27 17:00:00"),
    *("2025-10-27T17:00:00." + "1" * decimals for decimals in range(11)),
    *("2025-10-27T17:00:00Z", "2025-10-27T17:00:00+00:00", "20251027T170000", "2025-10-27", ""),
    *("10000-01-01T00:00:00", "2025-10-27t17:00:00", "2025-10-27T17:00:0\u0661"),
]
LENGTHS = [
    0,
    1,
    6,
    7,
    8,
    9,
    15,
    16,
    17,
    23,
    24,
    25,
    31,
    32,
    33,
    63,
    64,
    65,
    126,
    127,
    128,
    129,
    300,
]
"""Of texts: around the words that a kernel reads at a time, and the longest that it takes."""

BAD_BYTES = [
    *(b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"),
    *(b"\x00", b"\x01", b"\t", b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x7f", b"\xef\xbb\xbf"),
    *("\u00a0".encode(), "\u0085".encode(), "\u2028".encode()),
]
SPELLINGS = [
    *(b"\\u0000", b"\\ud800", b"\\udc00x", b"\\ud83d\\ude00", b"\\u0041", b"\\/", b"\\n", b"\\\\"),
    *(b'\\"', b"\\", b"\\x41", b"\\u12", "é😀".encode(), b"\\uD83D", b"\\udfff\\ud800"),
]
PIECES = [
    *(b'"', b":", b",", b"{", b"}", b"[", b"]", b" ", b"0", b"9", b"-", b".", b"e9", b"null"),
    *(b'"px":"1",', b'"x":1,', b'"x" :[1],', b'""', b"{}", b"[]", b"\\", b"//", b"'", b"NaN"),
    *BAD_BYTES,
    *SPELLINGS,
]
_WORD = 8


@dataclass(frozen=True, slots=True)
class Raw:
    """Stands in a tree for bytes that are written as they are."""

    text: bytes


Tree = Any
"""Raw bytes, a list, a list of pairs in a `Pairs`, or a value of JSON."""


class Pairs(list[tuple[bytes, Tree]]):
    """An object: its keys, as they are spelt between their quotes, and their values."""


def tree(value: Any) -> Tree:
    """A value of JSON as a tree."""
    if isinstance(value, dict):
        return Pairs((json.dumps(key)[1:-1].encode(), tree(item)) for key, item in value.items())
    return [tree(item) for item in value] if isinstance(value, list) else value


def spelt(value: Tree, space: Callable[[], bytes] = bytes) -> bytes:
    """The bytes of a tree; `space` gives what stands between two marks."""
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, Pairs):
        pairs = (
            b'"' + key + b'"' + space() + b":" + space() + spelt(item, space) for key, item in value
        )
        return b"{" + space() + (space() + b"," + space()).join(pairs) + space() + b"}"
    if isinstance(value, list):
        items = (spelt(item, space) for item in value)
        return b"[" + space() + (b"," + space()).join(items) + space() + b"]"
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


class OddLines:
    """Makes lines; the same random numbers make the same ones."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    # --- leaves ------------------------------------------------------------------------------

    def text(self) -> Tree:
        """A text of JSON, odd in its length or in what it holds."""
        letters = "ABC xyz019-_/:@.{}[],"
        length = self.chance.choice(LENGTHS)
        plain = "".join(self.chance.choices(letters, k=length)).encode()
        if self.chance.random() < 0.6:
            return Raw(b'"' + plain + b'"')
        at = self.chance.randint(0, len(plain))
        odd = self.chance.choice([*SPELLINGS, *BAD_BYTES])
        return Raw(b'"' + plain[:at] + odd + plain[at:] + b'"')

    def decimal(self) -> Tree:
        """A decimal as a text, or what looks like one."""
        if self.chance.random() < 0.5:
            return self.chance.choice(DECIMALS)
        whole = "".join(self.chance.choices("0123456789", k=self.chance.randint(1, 27)))
        part = "".join(self.chance.choices("0123456789", k=self.chance.randint(0, 13)))
        sign = self.chance.choice(["", "", "-"])
        return f"{sign}{whole}.{part}" if part else sign + whole

    def integer(self) -> Tree:
        """An integer, or what looks like one."""
        if self.chance.random() < 0.5:
            return Raw(self.chance.choice(INTEGERS))
        return self.chance.randint(-(10 ** self.chance.randint(1, 20)), 10**19)

    def moment(self) -> Tree:
        """A time in ms."""
        return self.chance.choice([*MOMENTS, self.chance.randint(EARLIEST_MS, LATEST_MS)])

    def iso(self) -> Tree:
        """A time as the node writes it, or nearly."""
        if self.chance.random() < 0.5:
            return self.chance.choice(ISO_TIMES)
        year = self.chance.choice([2020, 2023, 2024, 2028, 2096, 2099])
        month, day = self.chance.choice([2, 2, 2, *range(1, 13)]), self.chance.randint(28, 31)
        return f"{year}-{month:02}-{day}T00:00:00.{self.chance.randint(0, 999):03}"

    def address(self) -> Tree:
        """An address, or nearly."""
        good = "0x" + "".join(self.chance.choices("0123456789abcdef", k=40))
        return self.chance.choice(
            [good, good, good.upper(), "0x" + good[2:].upper(), good[:-1], good + "0"]
            + [good[:-1] + "g", "0X" + good[2:], good[2:], "", None, 7, good[:20] + "\u00e9"]
        )

    def anything(self, depth: int = 0) -> Tree:
        """Any value of JSON, seldom one that is none."""
        kind = self.chance.randrange(12 if depth < 4 else 8)
        if kind < 3:
            return self.text()
        if kind < 6:
            return self.integer()
        if kind < 8:
            return self.chance.choice([None, True, False, Raw(b"-0"), Raw(b"1e-7"), Raw(b"NaN")])
        if kind < 10:
            return [self.anything(depth + 1) for _ in range(self.chance.randint(0, 3))]
        pairs = ((self.key(), self.anything(depth + 1)) for _ in range(self.chance.randint(0, 3)))
        return Pairs(pairs)

    def deep(self) -> Tree:
        """A value that is nested deeply; some still shallow enough."""
        levels = self.chance.choice(
            [30, 31, 32, 33, 150, 190, 197, 198, 199, 200, 250, 900, 10_000]
        )
        opened, closed = self.chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
        ends = self.chance.choice([True, True, True, False])
        return Raw(opened * levels + b"1" + closed * levels * ends)

    def key(self) -> bytes:
        """A key that no format has, as it is spelt."""
        odd = self.chance.choice(SPELLINGS)
        length = self.chance.choice(LENGTHS[:-1])
        return self.chance.choice([b"x", b"x", b"newKey", b"", b"PX", odd, b"k" * length])

    # --- trees -------------------------------------------------------------------------------

    def bend(self, value: Tree, leaves: "Leaves") -> Tree:
        """A tree with one thing changed somewhere."""
        if (lists := _lists(value)) and self.chance.random() < 0.15:
            self._bend_list(self.chance.choice(lists))
            return value
        places = _objects(value)
        if not places:
            return value
        pairs = self.chance.choice(places)
        change = self.chance.randrange(10)
        at = self.chance.randrange(len(pairs)) if pairs else 0
        if change == 0 or not pairs:
            odd = self.deep() if self.chance.random() < 0.2 else self.anything()
            pairs.insert(at, (self.key(), odd))
        elif change == 1:
            del pairs[at]
        elif change == 2:
            # The same key again, with the same value or another.
            key, item = pairs[at]
            again = (key, self.chance.choice([item, self.anything()]))
            pairs.insert(self.chance.randint(0, len(pairs)), again)
        elif change == 3:
            self.chance.shuffle(pairs)
        elif change == 4:
            key, item = pairs[at]
            pairs[at] = (_escaped(key, self.chance), item)
        elif change == 5:
            # A copy: no tree may stand within itself.
            other = deepcopy(self.chance.choice(self.chance.choice(places) or pairs)[1])
            pairs[at] = (pairs[at][0], other)
        elif change < 8:
            key, _ = pairs[at]
            pairs[at] = (key, leaves.get(key.decode("latin-1"), OddLines.anything)(self))
        else:
            # Of a key that is told what it may be, however many others there are.
            known = [
                (p, n)
                for p in places
                for n, (key, _) in enumerate(p)
                if key.decode("latin-1") in leaves
            ]
            names = sorted({p[n][0] for p, n in known})
            name = self.chance.choice(names) if names else b""
            for pairs, at in [place for place in known if place[0][place[1]][0] == name][:1]:
                pairs[at] = (name, leaves[name.decode()](self))
        return value

    def _bend_list(self, items: list[Tree]) -> None:
        at = self.chance.randint(0, len(items))
        match self.chance.randrange(4):
            case 0:
                items.insert(at, self.anything())
            case 1:
                del items[at : at + 1]
            case 2:
                items[at : at + 1] = deepcopy(items[at : at + 1]) * 2
            case _:
                items[at : at + 1] = [self.address()]

    def respaced(self) -> Callable[[], bytes]:
        """What stands between marks: mostly nothing."""
        if self.chance.random() < 0.8:
            return bytes
        spaces = self.chance.choice(
            [[b" "], [b"", b" "], [b"", b"\t", b"\r", b"  "], [b"", b"\x0c"]]
        )
        return lambda: self.chance.choice(spaces)

    # --- bytes -------------------------------------------------------------------------------

    def damaged(self, line: bytes) -> bytes:
        """Some bytes changed, left out, repeated, put in, or put where a word ends."""
        at = self.chance.randint(0, len(line))
        match self.chance.randrange(7):
            case 0 if at < len(line):
                return (
                    line[:at] + bytes([line[at] ^ 1 << self.chance.randrange(8)]) + line[at + 1 :]
                )
            case 1:
                return line[:at] + line[at + self.chance.choice([1, 1, 2, 8, 40]) :]
            case 2:
                return line[:at]
            case 3:
                return self.chance.choice([b"\xef\xbb\xbf", b" ", b"\0", b"\r"]) + line
            case 4:
                return line + self.chance.choice(
                    [b"\r", b" ", b"\0", b"\x0c", b"x", line, b"\t \r"]
                )
            case 5:
                end = at + self.chance.choice([1, 4, _WORD, 30])
                return line[:end] + line[at:]
            case _:
                return line[:at] + self.chance.choice(PIECES) + line[at:]

    def line(self, seeds: Sequence[Any], leaves: "Leaves") -> bytes:
        """A line of some format: of ten, four are as they should be."""
        value = tree(self.chance.choice(seeds))
        kind = self.chance.randrange(10)
        for _ in range(0 if kind < 4 else self.chance.choice([1, 1, 1, 2, 4])):
            if kind < 9:
                value = self.bend(value, leaves)
        text = spelt(value, self.respaced())
        for _ in range(self.chance.choice([1, 1, 2, 3]) if kind >= 8 else 0):
            text = self.damaged(text)
        if self.chance.random() < 0.02:
            text = self.chance.choice([b"", b" ", b"\t\r", b"\x0c", b"null", b"\xff" * 300])
        return text.replace(b"\n", b" ")


Leaves = dict[str, Callable[[OddLines], Tree]]
"""What a key's value is bent into."""


def _objects(value: Tree) -> list[Pairs]:
    if isinstance(value, Pairs):
        return [value] + [found for _, item in value for found in _objects(item)]
    if isinstance(value, list):
        return [found for item in value for found in _objects(item)]
    return []


def _lists(value: Tree) -> list[list[Tree]]:
    if isinstance(value, Pairs):
        return [found for _, item in value for found in _lists(item)]
    if isinstance(value, list):
        return [value] + [found for item in value for found in _lists(item)]
    return []


def _escaped(key: bytes, chance: random.Random) -> bytes:
    if not key or b"\\" in key:
        return key
    at = chance.randrange(len(key))
    return key[:at] + b"\\u%04x" % key[at] + key[at + 1 :]


# --- the node's three formats ----------------------------------------------------------------

_VICTIM = "0x" + "c" * 40
_LIQUIDATION = {"liquidatedUser": _VICTIM, "markPx": "1.5", "method": "market"}
_FULL = make_fill(
    cloid="0x2025",
    twapId=9,
    builder=_VICTIM,
    builderFee="0.5",
    deployerFee="0.25",
    priorityGas="0.125",
    liquidation=_LIQUIDATION,
)
_SELL = make_fill(side="A", crossed=False, coin="@107", startPosition="3.0", fee="-0.5")
BLOCKS = [
    make_block(make_fill()),
    make_block(_FULL),
    make_block(make_fill(), _SELL),
    make_block(make_fill(), _FULL, _SELL, make_fill(newKey=1, other="x")),
    make_block(),
]
EVENTS = [event for block in BLOCKS for event in block["events"]]
TRADES = [make_trade(), make_trade(trade_dir_override="Na", newKey={"a": 1})]
_AMOUNT_KEYS = ("px", "sz", "startPosition", "closedPnl", "fee", "builderFee", "deployerFee")
NODE_LEAVES: Leaves = {
    **dict.fromkeys((*_AMOUNT_KEYS, "priorityGas", "start_pos", "markPx"), OddLines.decimal),
    **dict.fromkeys(("oid", "tid", "twapId", "twap_id", "block_number"), OddLines.integer),
    **dict.fromkeys(("coin", "dir", "hash", "feeToken", "cloid", "method"), OddLines.text),
    **dict.fromkeys(("user", "builder", "liquidatedUser"), OddLines.address),
    **dict.fromkeys(("block_time", "local_time"), OddLines.iso),
    "time": lambda odd: odd.moment() if odd.chance.random() < 0.7 else odd.iso(),
}
