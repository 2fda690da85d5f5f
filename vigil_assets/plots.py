"""Small pictures for the metadata of a materialization.

They are kept in the event log for ever, so each stays under some twenty kilobytes.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from vigil_core.artemis.parameters import FEATURES
from vigil_core.calendar import HOUR_MS, HOURS_PER_DAY, day_start_ms

_LINES = 5
_BINS = 30


def hourly_plot(counts: Sequence[int | None], title: str) -> dg.MarkdownMetadataValue:
    """Bars of 24 UTC hours; an hour without data (None) is marked, not drawn as zero."""
    figure = _figure(figsize=(6, 2), dpi=80, layout="tight")
    axes = figure.subplots()
    axes.bar(range(HOURS_PER_DAY), [count or 0 for count in counts], color="#2b6cb0")
    for hour in (hour for hour, count in enumerate(counts) if count is None):
        axes.axvspan(hour - 0.5, hour + 0.5, color="#e53e3e", alpha=0.25, linewidth=0)
    axes.set_xlim(-0.5, HOURS_PER_DAY - 0.5)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("UTC hour (red: no object)", fontsize=8)
    axes.tick_params(labelsize=7)
    return _embedded(figure, title)


def rank_ic_plot(summary: pl.DataFrame, day: date) -> dg.MarkdownMetadataValue:
    """Mean rank IC of each variant with its interval; what has none is left blank.

    Args:
        summary: `variant, statistic, value, low, high`, with rows of `rank_ic`.
        day: In the title.
    """
    title = f"Rank IC out of sample, mean and 95 %, as of the end of {day}"
    figure = _figure(figsize=(6, 2), dpi=80, layout="tight")
    axes = figure.subplots()
    rows = summary.filter(pl.col("statistic") == "rank_ic")
    blank = rows.select(pl.col("value", "low", "high").fill_null(math.nan))
    value, low, high = (blank[name].to_numpy() for name in ("value", "low", "high"))
    places = range(rows.height)
    axes.errorbar(value, places, xerr=(value - low, high - value), fmt="o", color="#2b6cb0")
    axes.axvline(0, color="#718096", linewidth=0.8)
    axes.set_yticks(places, rows["variant"].to_list())
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=7)
    return _embedded(figure, title)


def open_interest_plot(rows: pl.DataFrame, day: date) -> dg.MarkdownMetadataValue:
    """Open interest of the largest coins over a day.

    Args:
        rows: `coin, recorded_at` (ms), `oi_usd`.
        day: In the title.
    """
    title = f"Open interest, one side, {day}"
    figure = _figure(figsize=(6, 2.4), dpi=80, layout="tight")
    axes = figure.subplots()
    largest = rows.group_by("coin").agg(pl.col("oi_usd").max()).sort("oi_usd", descending=True)
    for coin in largest["coin"].head(_LINES):
        line = rows.filter(pl.col("coin") == coin)
        hours = (line["recorded_at"] - day_start_ms(day)) / HOUR_MS
        axes.plot(hours, line["oi_usd"].cast(pl.Float64) / 1e6, linewidth=1, label=coin)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("UTC hour", fontsize=8)
    axes.set_ylabel("million USD", fontsize=8)
    axes.tick_params(labelsize=7)
    if largest.height:
        axes.legend(fontsize=7)
    return _embedded(figure, title)


def feature_plot(rows: pl.DataFrame, day: date) -> dg.MarkdownMetadataValue:
    """How the twelve features of a day are distributed over all its snapshots; NULLs in words."""
    title = f"Features, {day}"
    figure = _figure(figsize=(9, 5), dpi=85)
    # Fixed margins: fitting them to twelve panels' labels takes longer than drawing.
    figure.subplots_adjust(0.05, 0.08, 0.98, 0.93, wspace=0.25, hspace=0.5)
    for axes, feature in zip(figure.subplots(3, 4).flat, FEATURES, strict=True):
        values = rows[feature].drop_nulls()
        axes.hist(values, bins=_BINS, histtype="stepfilled", color="#2b6cb0")
        axes.locator_params(nbins=4)
        axes.xaxis.get_offset_text().set_fontsize(6)
        missing = rows.height - values.len()
        axes.set_title(feature if not missing else f"{feature}\n{missing} NULL", fontsize=7)
        axes.tick_params(labelsize=6)
    return _embedded(figure, title)


def label_plot(balance: Mapping[str, float | None], day: date) -> dg.MarkdownMetadataValue:
    """The share of ones of each binary label (`label_long_net0`, …) in the known ones."""
    title = f"Share of labels that are 1, {day}"
    known = {name.removeprefix("label_"): x for name, x in balance.items() if x is not None}
    figure = _figure(figsize=(6, 2.2), dpi=80, layout="tight")
    axes = figure.subplots()
    axes.barh(list(known), list(known.values()), color="#2b6cb0")
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=7)
    return _embedded(figure, title)


def class_changes_plot(changes: Sequence[tuple[str, str, int]]) -> dg.MarkdownMetadataValue:
    """A bar for each class of the seeds, cut by the classes that its traders have by our rules.

    Args:
        changes: Class of the seeds, ours, traders.
    """
    title = "The seeds' classes, by ours"
    figure = _figure(figsize=(6, 2.4), dpi=80, layout="tight")
    axes = figure.subplots()
    totals: dict[str, int] = {}
    for seed, _, count in changes:
        totals[seed] = totals.get(seed, 0) + count
    left = dict.fromkeys(totals, 0.0)
    for ours in sorted({ours for _, ours, _ in changes}):
        shares = {seed: n / totals[seed] for seed, to, n in changes if to == ours}
        names = [f"{seed}: {totals[seed]:,}" for seed in shares]
        axes.barh(names, list(shares.values()), left=[left[s] for s in shares], label=ours)
        left |= {seed: left[seed] + share for seed, share in shares.items()}
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the traders of a class", fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=7)
    if changes:
        axes.legend(fontsize=6, bbox_to_anchor=(1, 1))
    return _embedded(figure, title)


def _figure(**options: Any) -> Any:
    # A second to import: every process loads the definitions, and few of them draw.
    from matplotlib.figure import Figure

    return Figure(**options)


def _embedded(figure: Any, title: str) -> dg.MarkdownMetadataValue:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    encoded = base64.b64encode(picture.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")
