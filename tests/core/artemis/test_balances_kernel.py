"""The fast reader of balances against the careful one: no line may show which of them read it."""

import json
import random
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise

import polars as pl
import pytest

from tests.core.artemis.hostile_balances import OTHER, documented, dumped, hostile_lines
from tests.core.artemis.test_balances import ADDRESS, DAY, MARGIN, POSITION, record
from vigil_core.artemis import balances
from vigil_core.artemis.balances import BalancesDay, merged, read_lines, read_object

GOOD = [
    dumped(record(ADDRESS, DAY + 7, POSITION, POSITION | {"coin": "ETH", "szi": "0.25"})),
    dumped(record("0x" + "C" * 40, "2025-11-02T02:15:00.911999", POSITION)),
    dumped(documented(POSITION, POSITION | {"coin": "SOL"}, user="0x" + "d" * 40)),
]


def assert_same(found: BalancesDay, expected: BalancesDay, about: object = "") -> None:
    for field in fields(BalancesDay):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(one, pl.DataFrame):
            assert one.schema == other.schema, about
            assert one.equals(other), (about, one, other)
        else:
            assert one == other, (about, field.name)


def slowly(lines: list[bytes]) -> BalancesDay:
    """What the careful reader makes of all lines, alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(balances, "read_ordinary", lambda at, _end, _table: at)
        return read_lines(lines)


def slow_lines(lines: list[bytes]) -> list[bytes]:
    """Those that the kernel leaves to the careful reader."""
    left: list[bytes] = []

    def checked(line: bytes) -> object:
        left.append(line)
        return real_checked(line)

    real_checked = balances.checked
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(balances, "checked", checked)
        read_lines(lines)
    return left


# --- hostile lines -------------------------------------------------------------------------


def test_hostile_lines_get_the_careful_readers_verdict() -> None:
    named = hostile_lines()
    lines = [line for hostile in named.values() for line in (*GOOD, hostile)]
    found, expected = read_lines(lines), slowly(lines)
    reasons, others = ({r.raw: r.reason for r in day.rejected} for day in (found, expected))
    differing = [n for n, line in named.items() if reasons.get(line) != others.get(line)]
    assert not differing
    assert_same(found, expected)


@pytest.mark.parametrize("buffer_bytes", [64, 1_000, 100_000])
def test_verdicts_do_not_depend_on_where_the_bytes_are_cut(
    buffer_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(buffer_bytes)
    lines = [*hostile_lines().values(), *GOOD * 50]
    chance.shuffle(lines)
    # The last line has no line feed, and so must have something else.
    lines.append(GOOD[0])
    expected = slowly(lines)
    assert expected.records > 100 < len(expected.rejected)

    monkeypatch.setattr(balances, "_BUFFER_BYTES", buffer_bytes)
    content = b"\n".join(lines)
    cuts = sorted(chance.choices(range(len(content)), k=1_000))
    pieces = [content[first:last] for first, last in pairwise([0, *cuts, len(content)])]
    assert_same(read_object(pieces), expected)
    assert_same(read_lines(lines), expected)


def mutated(chance: random.Random, line: bytes) -> bytes:
    """A few bytes of it changed, left out, repeated or moved."""
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        first, last = sorted(chance.choices(range(len(line) + 1), k=2))
        last = min(last, first + chance.choice([1, 1, 4, 30]))
        part = line[first:last]
        line = line[:first] + chance.choice(_changes(chance, part)) + line[last:]
    return line.replace(b"\n", b" ")


def _changes(chance: random.Random, part: bytes) -> list[bytes]:
    marks = b'{}[]",: .-0123456789eE\\tfnu_x\r\t\x00\x7f\x80\xff'
    return [b"", part + part, bytes([chance.choice(marks)]), part + bytes([chance.choice(marks)])]


@pytest.mark.parametrize("seed", range(20))
def test_damaged_lines_get_the_careful_readers_verdict(seed: int) -> None:
    chance = random.Random(seed)
    lines = [mutated(chance, chance.choice(GOOD)) for _ in range(500)]
    lines += [line for line in GOOD for _ in range(5)]
    chance.shuffle(lines)
    assert_same(read_lines(lines), slowly(lines))


# --- ordinary lines ------------------------------------------------------------------------


def ordinary() -> Iterator[bytes]:
    """Spellings that must not fall back to the careful reader."""
    real = record(OTHER, DAY, POSITION)
    yield dumped(real)
    yield json.dumps(real).encode()
    yield dumped(real) + b"\r"
    yield dumped(record(OTHER, "2025-11-02T02:15:00.911999", POSITION))
    yield dumped(record(OTHER, None))
    yield dumped(record(OTHER.upper().replace("X", "x"), DAY, POSITION | {"liquidationPx": None}))
    yield dumped(record(OTHER, DAY, POSITION | {"szi": "0.0"}, POSITION))
    yield dumped(record(OTHER, DAY, POSITION | {"leverage": 3, "positionValue": "9" * 18}))
    yield dumped(documented(POSITION))
    yield dumped({"address": OTHER, "assetPositions": []})
    yield dumped(real | {"new": [{"deep": [[], {}, 1.5, None, True]}], "spot": {"balances": []}})
    yield dumped(record(OTHER, DAY, {**POSITION, "new": {"a": "b"}}))


def test_ordinary_lines_are_read_fast_once_their_coins_are_known() -> None:
    lines = list(ordinary())
    assert slow_lines([lines[0], *lines]) == [lines[0]]


def test_more_coins_than_the_kernel_holds_cost_time_only() -> None:
    lines = [dumped(record(f"0x{n:040x}", DAY, POSITION | {"coin": f"C{n}"})) for n in range(3_000)]
    assert len(slow_lines(lines + lines)) == 3_000 + 3_000 - 2_048
    assert_same(read_lines(lines + lines), slowly(lines + lines))


def test_kernel_reads_every_figure_to_the_last_digit() -> None:
    chance = random.Random(7)
    figures = [
        f"{chance.choice(['', '-'])}{chance.randrange(10 ** chance.randint(1, 18))}"
        + (f".{chance.randrange(10**d):0{d}}" if (d := chance.randint(0, 12)) else "")
        for _ in range(4_000)
    ]
    lines = []
    for n in range(0, len(figures), 4):
        changes = dict(zip(("szi", "positionValue", "entryPx"), figures[n : n + 3], strict=True))
        line = record(f"0x{n:040x}", DAY + n, POSITION | changes)
        line["response"]["perpetual"]["marginSummary"] = MARGIN | {"totalRawUsd": figures[n + 3]}
        lines.append(dumped(line))
    assert len(slow_lines(lines)) == 1
    assert_same(read_lines(lines), slowly(lines))


def test_objects_of_many_repeated_addresses_merge_alike() -> None:
    chance = random.Random(8)
    lines = [
        dumped(
            record(
                f"0x{chance.randrange(40):040x}",
                chance.choice([None, DAY, DAY + 1, DAY + 2]),
                *[
                    POSITION | {"coin": coin}
                    for coin in chance.sample("ABCDEF", chance.randrange(5))
                ],
            )
        )
        for _ in range(600)
    ]
    parts = [lines[:200], lines[200:210], [], lines[210:]]
    whole = read_lines(lines)
    assert_same(whole, slowly(lines))
    assert_same(merged([read_lines(part) for part in parts]), whole)
