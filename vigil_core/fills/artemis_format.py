"""Artemis' hourly Parquet of the exchange's fills → rows that can be held against Vigil's own.

Artemis names the columns as the exchange's JSON does. Which of them a file has changes with its
date, so a file is read for what it holds; only who, when, what and how much are obligatory.
"""

import polars as pl

from vigil_core.calendar import EARLIEST_MS, LATEST_MS
from vigil_core.errors import UnexpectedColumns
from vigil_core.fills.schema import KEY, MONEY

_NAMES = {
    "user": "user_address",
    "closedPnl": "closed_pnl",
    "close_pnl": "closed_pnl",
    "startPosition": "start_position",
    "feeToken": "fee_token",
}
_TYPES: dict[str, pl.DataType] = {
    "time": pl.Int64(),
    "user_address": pl.String(),
    "coin": pl.String(),
    "px": MONEY,
    "sz": MONEY,
    "side": pl.String(),
    "dir": pl.String(),
    "start_position": MONEY,
    "closed_pnl": MONEY,
    "fee": MONEY,
    "fee_token": pl.String(),
    "crossed": pl.Boolean(),
    "hash": pl.String(),
    "oid": pl.Int64(),
    "tid": pl.Int64(),
}
_OBLIGATORY = ("time", "user_address", "coin", "px", "sz", "side")
_MS_AS_NS_BEFORE = 1_577_836_800_000_000_000
"""2020 in ns: a smaller number of ns is one of ms that was typed as ns."""


def artemis_rows(table: pl.DataFrame) -> pl.DataFrame:
    """The columns of a file that Vigil knows, under Vigil's names and types; `time` in ms.

    Files of August 2025 hold milliseconds in a column typed as nanoseconds, so that they read as
    1970; this is told row by row. A row whose `time` is out of range either way has NULL there.

    Raises:
        UnexpectedColumns: An obligatory column is missing.
    """
    known = table.rename({old: new for old, new in _NAMES.items() if old in table.columns})
    missing = [name for name in _OBLIGATORY if name not in known.columns]
    if missing:
        raise UnexpectedColumns("Artemis' fills", missing, table.columns)
    columns = [_typed(known, name) for name in _TYPES if name in known.columns]
    return pl.DataFrame(columns)


def _typed(table: pl.DataFrame, name: str) -> pl.Series:
    column = table[name]
    if name == "time":
        return _milliseconds(column)
    if name == "user_address":
        return column.cast(pl.String()).str.to_lowercase()
    if _TYPES[name] == MONEY:
        # Of a float the shortest text that means it: what the exchange wrote.
        return column.cast(pl.String()).cast(MONEY)
    return column.cast(_TYPES[name])


def _milliseconds(column: pl.Series) -> pl.Series:
    if column.dtype.is_temporal():
        ns = column.cast(pl.Datetime("ns")).cast(pl.Int64())
        mistyped = ns < _MS_AS_NS_BEFORE
        ms = pl.select(pl.when(mistyped).then(ns).otherwise(ns // 1_000_000)).to_series()
    else:
        ms = column.cast(pl.Int64())
    in_range = ms.is_between(EARLIEST_MS, LATEST_MS, closed="left")
    return pl.select(pl.when(in_range).then(ms)).to_series().alias("time")


def compare(ours: pl.DataFrame, theirs: pl.DataFrame) -> dict[str, int]:
    """How two readings of the same hours differ, as counts of rows.

    Rows are matched by as much of the fill's key as both have; where one key stands for several
    rows, in their order.
    """
    keys = [name for name in KEY if name in ours.columns and name in theirs.columns]
    shared = [n for n in theirs.columns if n in ours.columns and n not in keys]
    nth = pl.int_range(pl.len()).over(keys).alias("nth")
    left = ours.select(*keys, *shared).with_columns(nth)
    right = theirs.select(*keys, *shared).with_columns(nth)
    both = left.join(right, on=[*keys, "nth"], how="inner", suffix="_theirs")
    differs = pl.any_horizontal(
        pl.col(name).ne_missing(pl.col(f"{name}_theirs")) for name in shared
    )
    return {
        "rows_in_both": both.height,
        "rows_only_ours": left.height - both.height,
        "rows_only_theirs": right.height - both.height,
        "rows_that_differ": both.filter(differs).height if shared else 0,
    }
