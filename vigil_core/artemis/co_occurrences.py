"""Which wallets open together more often than chance, within one UTC day.

The work is bounded by the rule for crowds: an entry pairs with nobody unless at most forty entries
of others surround it, so each has at most forty neighbours, and a coin and direction at most some
ten thousand such entries a day. Candidates are laid out, sorted and matched one coin and direction
at a time, in memory that does not grow with the day.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numba import njit

from vigil_core.calendar import DAY_MS
from vigil_core.errors import VigilError
from vigil_core.fills.schema import MONEY

ENTRIES: dict[str, pl.DataType] = {
    "coin": pl.String(),
    "direction": pl.String(),
    "address": pl.String(),
    "time": pl.Int64(),
    "usd": MONEY,
}
"""One row per entry: `direction` long or short, `time` (ms UTC) of its first fill, `usd` what its
fills opened, each at its own price. Sorted by coin, direction, address, time."""

CO_OCCURRENCES: dict[str, pl.DataType] = {
    "day": pl.Int64(),
    "coin": pl.String(),
    "direction": pl.String(),
    "address_a": pl.String(),
    "address_b": pl.String(),
    "n_together": pl.Int64(),
    "n_a": pl.Int64(),
    "n_b": pl.Int64(),
    "expected": pl.Float64(),
    "lift": pl.Float64(),
    "first_at": pl.Int64(),
}
"""One row per pair with `address_a` < `address_b` as texts, sorted by its key, the first five.

`day` is its beginning and `first_at` the later time of the first match, ms UTC; `n_a` and `n_b`
count entries in that coin and direction, crowded ones too."""

Numbers = np.ndarray[Any, np.dtype[Any]]

_DIRECTIONS = pl.Enum(["long", "short"])
_START_STEP = 10**4
"""1e-8 at the twelfth decimal: a position below it is the noise of the exchange's doubles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoOccurrenceParameters:
    """What an entry is and when two are together."""

    merge_ms: int = 60_000
    """Openings so long after an entry's first fill, or sooner, belong to it."""
    min_entry_usd: int = 1_000
    together_ms: int = 300_000
    """So far apart is still together."""
    max_neighbours: int = 40
    """Entries of others around an entry; with more it is one of a crowd."""
    max_entries: int = 50
    """Of a wallet in a day, coin and direction; a busier one is left out there."""
    min_together: int = 2


DEFAULT_PARAMETERS = CoOccurrenceParameters()


@dataclass(frozen=True, slots=True)
class CoOccurrenceCounts:
    """What was left out."""

    dropped_busy: int
    """Wallets with too many entries, each counted once per coin and direction."""
    crowded_entries: int


class NotOneDay(VigilError):
    """Entries of several UTC days were given as one."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__(f"expected entries of one UTC day, found times from {first} to {last}")


# --- entries -------------------------------------------------------------------------------


def entries(
    fills: pl.DataFrame, parameters: CoOccurrenceParameters = DEFAULT_PARAMETERS
) -> pl.DataFrame:
    """Entries of one day: rows of `ENTRIES`, those under the minimum left out.

    Perp fills, in any order: `time, user_address, coin, px, sz, side, start_position,
    block_number, event_index`, money as Decimal(38, 12). A fill counts with what it opens; one
    without a start position counts nothing, for what it opens is not known.
    """
    opened = _openings(fills)
    key = ["coin", "direction", "address"]
    opened = opened.sort(*key, "time", "block_number", "event_index")
    starts = pl.any_horizontal(pl.col(*key) != pl.col(*key).shift()).fill_null(value=True)
    new_wallet = opened.select(starts.alias("new"))["new"].to_numpy()
    number = np.empty(len(opened), np.int64)
    _compiled_merge(opened["time"].to_numpy(), new_wallet, parameters.merge_ms, number)
    found = opened.group_by(pl.Series("entry", number), maintain_order=True).agg(
        pl.col(*key, "time").first(), pl.col("usd").sum()
    )
    enough = pl.col("usd") >= pl.lit(parameters.min_entry_usd).cast(MONEY)
    return found.filter(enough).select(pl.col(n).cast(t) for n, t in ENTRIES.items())


def _openings(fills: pl.DataFrame) -> pl.DataFrame:
    """Fills that open, with the value of what they open; texts as places in sorted lists."""
    step = pl.lit(_START_STEP, pl.Int128)
    exact = pl.col("start_position").to_physical()
    start = ((exact + pl.lit(_START_STEP // 2, pl.Int128)) // step * step).reinterpret(dtype=MONEY)
    size, buys = pl.col("sz"), pl.col("side") == "B"
    held = pl.when(buys).then(-start).otherwise(start)
    # Held against the fill: closed first. What was held along with it stays.
    opened = pl.when(held <= 0).then(size).otherwise(size - held)
    return (
        fills.select(
            _sorted_texts(fills["coin"]).alias("coin"),
            pl.when(buys)
            .then(pl.lit("long"))
            .otherwise(pl.lit("short"))
            .cast(_DIRECTIONS)
            .alias("direction"),
            _sorted_texts(fills["user_address"]).alias("address"),
            "time",
            "block_number",
            "event_index",
            "px",
            opened=opened,
        )
        .filter(pl.col("opened") > 0)
        .with_columns(usd=pl.col("px") * pl.col("opened"))
    )


def _sorted_texts(column: pl.Series) -> pl.Series:
    """As an enumeration in the order of texts: it sorts and compares as integers do."""
    return column.cast(pl.Enum(column.unique().cast(pl.String).sort()))


def _merge(time: Numbers, new_wallet: Numbers, merge_ms: int, number: Numbers) -> None:
    """Number the entries: openings soon after an entry's first belong to it."""
    entry = -1
    first = 0
    for row in range(len(time)):
        if new_wallet[row] or time[row] > first + merge_ms:
            entry += 1
            first = time[row]
        number[row] = entry


# --- pairs ---------------------------------------------------------------------------------


def co_occurrences(
    entries: pl.DataFrame,
    excluded: Iterable[str],
    parameters: CoOccurrenceParameters = DEFAULT_PARAMETERS,
) -> tuple[pl.DataFrame, CoOccurrenceCounts]:
    """Pairs of one day's entries: rows of `CO_OCCURRENCES`, and what was left out.

    `excluded`: vaults, configured addresses and wallets labelled HFT or bot at the start of the
    day; lower case.

    Raises:
        NotOneDay: the entries belong to more than one UTC day.
    """
    if entries.is_empty():
        return pl.DataFrame(schema=CO_OCCURRENCES), CoOccurrenceCounts(0, 0)
    day = _day(entries["time"])
    kept, dropped_busy = _kept(entries, excluded, parameters)
    time, wallet = kept["time"].to_numpy(), kept["address"].to_physical().to_numpy()
    wallet = wallet.astype(np.int64)
    bounds = _bounds(kept)
    crowded = np.zeros(len(kept), np.bool_)
    span, most = parameters.together_ms, parameters.max_neighbours
    _compiled_crowds(time, wallet, bounds, span, most, crowded)
    pairs = [
        _pairs_of(time[a:b], wallet[a:b], crowded[a:b], a, parameters)
        for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
    ]
    counts = CoOccurrenceCounts(dropped_busy, int(crowded.sum()))
    return _rated(pl.concat([_NO_PAIRS, *pairs]), kept, day, span), counts


_NO_PAIRS = pl.DataFrame(
    schema={
        "row": pl.Int64(),
        "a": pl.Int64(),
        "b": pl.Int64(),
        "n_together": pl.Int64(),
        "first_at": pl.Int64(),
    }
)


def _day(time: pl.Series) -> int:
    first, last = int(time.min()), int(time.max())  # type: ignore[arg-type]
    if first // DAY_MS != last // DAY_MS:
        raise NotOneDay(first, last)
    return first // DAY_MS * DAY_MS


def _kept(
    entries: pl.DataFrame, excluded: Iterable[str], parameters: CoOccurrenceParameters
) -> tuple[pl.DataFrame, int]:
    """Entries that count, each with its wallet's number of them, in order of time per group."""
    left = entries.filter(~pl.col("address").is_in(list(excluded)))
    left = left.with_columns(
        _sorted_texts(left[name]).alias(name) for name in ("coin", "direction", "address")
    )
    key = ["coin", "direction", "address"]
    sizes = left.group_by(key).agg(n=pl.len())
    busy = pl.col("n") > parameters.max_entries
    kept = left.join(sizes.filter(~busy), on=key)
    order = ("coin", "direction", "time", "address")
    return kept.sort(*order), sizes.filter(busy).height


def _bounds(kept: pl.DataFrame) -> Numbers:
    """Rows at which a coin and direction begins, and the end."""
    key = pl.col("coin", "direction")
    begins = pl.any_horizontal(key != key.shift()).fill_null(value=True)
    rows = kept.select(pl.arg_where(begins).cast(pl.Int64)).to_series()
    return np.append(rows.to_numpy(), kept.height)


def _crowds(
    time: Numbers, wallet: Numbers, bounds: Numbers, span: int, most: int, crowded: Numbers
) -> None:
    """Mark entries with more than `most` entries of others around them."""
    for group in range(len(bounds) - 1):
        low = high = bounds[group]
        end = bounds[group + 1]
        for row in range(bounds[group], end):
            while time[low] < time[row] - span:
                low += 1
            while high < end and time[high] <= time[row] + span:
                high += 1
            if high - low <= most:
                continue
            # Own entries are few: this ends soon after `most`, whatever the window holds.
            others = 0
            for near in range(low, high):
                if wallet[near] != wallet[row]:
                    others += 1
                    if others > most:
                        crowded[row] = True
                        break


def _pairs_of(
    time: Numbers,
    wallet: Numbers,
    crowded: Numbers,
    row: int,
    parameters: CoOccurrenceParameters,
) -> pl.DataFrame:
    """Pairs of one coin and direction, whose first entry stands in `row`."""
    time, wallet = time[~crowded], wallet[~crowded]
    span = parameters.together_ms
    count = int(_compiled_candidate_count(time, wallet, span))
    if count < parameters.min_together:
        return _NO_PAIRS
    pair, earlier, later = (np.empty(count, np.int64) for _ in range(3))
    _compiled_candidates(time, wallet, span, pair, earlier, later)
    # Stable: within a pair the candidates stay in order of time.
    order = np.argsort(pair, kind="stable")
    result = np.empty((4, count // parameters.min_together), np.int64)
    found = _compiled_matches(
        time, pair, earlier, later, order, parameters.min_together, np.full(len(time), -1), result
    )
    names = ("a", "b", "n_together", "first_at")
    columns = dict(zip(names, result[:, :found], strict=True))
    return pl.DataFrame({"row": np.full(found, row), **columns}, schema=_NO_PAIRS.schema)


def _candidate_count(time: Numbers, wallet: Numbers, span: int) -> int:
    count = low = 0
    for row in range(len(time)):
        while time[low] < time[row] - span:
            low += 1
        for near in range(low, row):
            count += wallet[near] != wallet[row]
    return count


def _candidates(
    time: Numbers, wallet: Numbers, span: int, pair: Numbers, earlier: Numbers, later: Numbers
) -> None:
    """Every two entries of two wallets close enough, in order of the later, then of the earlier."""
    count = low = 0
    for row in range(len(time)):
        while time[low] < time[row] - span:
            low += 1
        for near in range(low, row):
            if wallet[near] != wallet[row]:
                a, b = min(wallet[near], wallet[row]), max(wallet[near], wallet[row])
                pair[count] = a << 32 | b
                earlier[count] = near
                later[count] = row
                count += 1


def _matches(
    time: Numbers,
    pair: Numbers,
    earlier: Numbers,
    later: Numbers,
    order: Numbers,
    least: int,
    used: Numbers,
    result: Numbers,
) -> int:
    """Match the candidates of each pair, earliest first, no entry twice; gives the pairs kept.

    `used` holds for each entry the place where the pair began that used it last.
    """
    found = at = 0
    while at < len(order):
        begin = at
        both = pair[order[at]]
        together = first_at = 0
        while at < len(order) and pair[order[at]] == both:
            one, other = earlier[order[at]], later[order[at]]
            at += 1
            if used[one] == begin or used[other] == begin:
                continue
            used[one] = used[other] = begin
            if together == 0:
                first_at = time[other]
            together += 1
        if together >= least:
            result[0, found] = both >> 32
            result[1, found] = both & 0xFFFFFFFF
            result[2, found] = together
            result[3, found] = first_at
            found += 1
    return found


_compiled_merge: Any = njit(cache=True, nogil=True)(_merge)
_compiled_crowds: Any = njit(cache=True, nogil=True)(_crowds)
_compiled_candidate_count: Any = njit(cache=True, nogil=True)(_candidate_count)
_compiled_candidates: Any = njit(cache=True, nogil=True)(_candidates)
_compiled_matches: Any = njit(cache=True, nogil=True)(_matches)


def _rated(pairs: pl.DataFrame, kept: pl.DataFrame, day: int, span: int) -> pl.DataFrame:
    """Pairs with their names, and with what chance alone would have brought together."""
    key = ["coin", "direction", "address"]
    groups = kept.select("coin", "direction", row=pl.int_range(pl.len(), dtype=pl.Int64))
    sizes = kept.group_by(key).agg(pl.col("n").first())
    addresses = kept["address"].dtype
    named = pairs.join(groups, on="row", how="left").with_columns(
        pl.col(side).cast(pl.UInt32).cat.to(addresses).alias(f"address_{side}") for side in "ab"
    )
    for side in "ab":
        of_side = sizes.rename({"address": f"address_{side}", "n": f"n_{side}"})
        named = named.join(of_side, on=["coin", "direction", f"address_{side}"], how="left")
    return (
        named.with_columns(
            day=pl.lit(day, pl.Int64),
            expected=pl.col("n_a") * pl.col("n_b") * (2 * span) / DAY_MS,
        )
        .with_columns(lift=pl.col("n_together") / pl.col("expected"))
        .sort("coin", "direction", "address_a", "address_b")
        .select(pl.col(name).cast(type_) for name, type_ in CO_OCCURRENCES.items())
    )
