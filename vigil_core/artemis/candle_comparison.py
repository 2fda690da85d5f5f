"""How two makers of candles differ over the same time."""

from typing import Any

import polars as pl

FIGURES = ("open", "high", "low", "close", "volume", "trades")


def compare_candles(ours: pl.DataFrame, theirs: pl.DataFrame) -> dict[str, Any]:
    """Counts of candles that both have, and of those that differ, by figure.

    Args:
        ours: `open_time` and `FIGURES`, one row per candle.
        theirs: Likewise.

    Returns:
        `compared`, `only_ours`, `only_theirs`, `different` (figure → candles) and
        `largest_close_difference`, a fraction of their close, None if nothing was compared.
    """
    both = ours.join(theirs, on="open_time", how="inner", suffix="_theirs")
    differs = {name: both.filter(pl.col(name) != pl.col(f"{name}_theirs")) for name in FIGURES}
    close = pl.col("close_theirs").cast(pl.Float64)
    apart = ((pl.col("close").cast(pl.Float64) - close) / close).abs()
    return {
        "compared": both.height,
        "only_ours": ours.height - both.height,
        "only_theirs": theirs.height - both.height,
        "different": {name: rows.height for name, rows in differs.items() if rows.height},
        "largest_close_difference": both.select(apart.max()).item(),
    }
