"""Co-occurrences against the vectors and a slow walk over all pairs."""

import json
import random
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import combinations
from typing import Any

import polars as pl
import pytest

from tests.core.artemis.test_fifo import ANN, BOB, DAY, buy, frame, sell
from tests.reference.shared_files import shared_file
from vigil_core.artemis import co_occurrences as co
from vigil_core.calendar import DAY_MS


def test_vectors() -> None:
    path = shared_file("data/vectors/artemis/co_occurrences.json")
    cases = json.loads(path.read_text("utf-8"))["cases"]
    for case in cases:
        given, expected = case["inputs"], case["expected"]
        fills = frame({**row, "user_address": row["user"]} for row in given["fills"])
        pairs, counts = co.co_occurrences(co.entries(fills), given["excluded"])
        rows = pairs.to_dicts()
        assert len(rows) == len(expected["rows"])
        for row, other in zip(rows, expected["rows"], strict=True):
            for name in ("expected", "lift"):
                assert row.pop(name) == pytest.approx(other.pop(name), rel=1e-9)
            assert row == other
        assert counts.dropped_busy == expected["dropped_busy"]
        assert counts.crowded_entries == expected["crowded_entries"]
    assert len(cases) >= 2


# --- entries -------------------------------------------------------------------------------


def entries_of(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return co.entries(frame(rows)).to_dicts()


@pytest.mark.parametrize(
    ("row", "direction", "usd"),
    [
        (buy("20", "0"), "long", 2_000),
        (buy("20", "3"), "long", 2_000),
        (buy("20", "-3"), "long", 1_700),
        (sell("20", "0"), "short", 2_000),
        (sell("20", "-3"), "short", 2_000),
        (sell("20", "3"), "short", 1_700),
        (buy("10", "0"), "long", 1_000),
        (buy("20", "-0.0000000004"), "long", 2_000),
    ],
)
def test_what_a_fill_opens(row: dict[str, Any], direction: str, usd: int) -> None:
    (entry,) = entries_of(row)
    assert (entry["direction"], entry["usd"]) == (direction, usd)


@pytest.mark.parametrize(
    "row",
    [
        buy("20", "-20"),
        buy("20", "-30"),
        sell("20", "20"),
        sell("20", "30"),
        buy("9.99", "0"),
        buy("20", None),
        buy("20", "-19.9999999996"),
    ],
)
def test_what_is_no_entry(row: dict[str, Any]) -> None:
    assert entries_of(row) == []


def test_openings_soon_after_the_first_are_one_entry() -> None:
    times = [0, 60_000, 60_001, 120_001, 120_002]
    found = entries_of(
        *[buy("20", str(20 * n), time=DAY + at) for n, at in enumerate(times)],
        buy("30", "0", time=DAY + 1, user_address=BOB),
    )
    own = [entry for entry in found if entry["address"] == ANN]
    assert [entry["time"] - DAY for entry in own] == [0, 60_001, 120_002]
    assert [entry["usd"] for entry in own] == [4_000, 4_000, 2_000]


def test_small_openings_add_up() -> None:
    (entry,) = entries_of(buy("6", "0"), buy("6", "6", px="110"))
    assert entry["usd"] == 1_260


# --- pairs ---------------------------------------------------------------------------------


def entry_frame(rows: Iterable[tuple[str, str, str, int]]) -> pl.DataFrame:
    full = [(*row[:3], DAY + row[3], Decimal(5_000)) for row in rows]
    found = pl.DataFrame(full, schema=co.ENTRIES, orient="row")
    return found.sort("coin", "direction", "address", "time")


def together(one: list[int], other: list[int]) -> tuple[int, int | None]:
    """One-to-one matches, earliest first, and the later time of the first."""
    a = b = count = 0
    first = None
    while a < len(one) and b < len(other):
        if abs(one[a] - other[b]) <= 300_000:
            first = max(one[a], other[b]) if first is None else first
            count, a, b = count + 1, a + 1, b + 1
        elif one[a] < other[b]:
            a += 1
        else:
            b += 1
    return count, first


def slow(
    rows: Iterable[tuple[str, str, str, int]], excluded: set[str]
) -> tuple[list[tuple[Any, ...]], int, int]:
    groups: dict[Any, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for coin, direction, address, at in sorted(rows):
        if address not in excluded:
            groups[coin, direction][address].append(DAY + at)
    pairs, busy, crowded = [], 0, 0
    for key, wallets in sorted(groups.items()):
        busy += sum(len(times) > 50 for times in wallets.values())
        kept = {a: times for a, times in wallets.items() if len(times) <= 50}
        quiet = {}
        for address, times in kept.items():
            others = [t for a, more in kept.items() if a != address for t in more]
            quiet[address] = [t for t in times if sum(abs(t - u) <= 300_000 for u in others) <= 40]
            crowded += len(times) - len(quiet[address])
        for a, b in combinations(sorted(kept), 2):
            count, first = together(quiet[a], quiet[b])
            if count >= 2:
                pairs.append((*key, a, b, count, len(kept[a]), len(kept[b]), first))
    return pairs, busy, crowded


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_a_slow_walk(seed: int) -> None:
    chance = random.Random(seed)
    wallets = [f"0x{chance.getrandbits(160):040x}" for _ in range(60)]
    rows = []
    for _ in range(1_500):
        wallet = wallets[int(60 * chance.random() ** 2)]
        at = chance.choice([chance.randrange(DAY_MS), int(chance.gauss(40_000_000, 400_000))])
        coin, direction = chance.choice(["BTC", "ETH"]), chance.choice(["long", "short"])
        rows.append((coin, direction, wallet, at // 50_000 * 50_000))
    excluded = set(wallets[5:8])
    pairs, counts = co.co_occurrences(entry_frame(rows), excluded)
    expected, busy, crowded = slow(rows, excluded)
    columns = ["coin", "direction", "address_a", "address_b", "n_together", "n_a", "n_b"]
    assert pairs.select(*columns, "first_at").rows() == expected
    assert (counts.dropped_busy, counts.crowded_entries) == (busy, crowded)
    assert len(expected) > 20
    assert busy
    assert crowded
    chances = (pairs["n_a"] * pairs["n_b"] * 600 / 86_400).to_list()
    assert pairs["expected"].to_list() == pytest.approx(chances)
    assert pairs["day"].unique().to_list() == [DAY]


def test_the_limit_of_a_crowd_counts_others_only() -> None:
    others = [("BTC", "long", f"0x{number:040x}", 1_000) for number in range(40)]
    own = [("BTC", "long", ANN, at) for at in (1_000, 61_001, 121_002)]
    _, counts = co.co_occurrences(entry_frame([*others, *own]), [])
    # Around each of the forty are 39 others and three of Ann: 42. Around hers are forty.
    assert counts.crowded_entries == 40
    _, counts = co.co_occurrences(entry_frame([*others[1:], *own[:1]]), [])
    assert counts.crowded_entries == 0


def test_no_entries_give_no_pairs() -> None:
    pairs, counts = co.co_occurrences(co.entries(frame([])), [])
    assert pairs.is_empty()
    assert pairs.schema == co.CO_OCCURRENCES
    assert counts == co.CoOccurrenceCounts(0, 0)
    only = entry_frame([("BTC", "long", ANN, 0)])
    assert co.co_occurrences(only, [ANN])[0].is_empty()


def test_two_days_are_refused() -> None:
    with pytest.raises(co.NotOneDay):
        co.co_occurrences(entry_frame([("BTC", "long", ANN, 0), ("BTC", "long", BOB, DAY_MS)]), [])
