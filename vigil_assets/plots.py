"""Small pictures for the metadata of a materialization."""

import base64
import io
from collections.abc import Sequence

import dagster as dg
from matplotlib.figure import Figure

from vigil_core.calendar import HOURS_PER_DAY


def hourly_plot(counts: Sequence[int | None], title: str) -> dg.MarkdownMetadataValue:
    """Bars of 24 UTC hours; an hour without data (None) is marked, not drawn as zero.

    The picture is kept in the event log for ever, so it stays under some ten kilobytes.
    """
    figure = Figure(figsize=(6, 2), dpi=80, layout="tight")
    axes = figure.subplots()
    axes.bar(range(HOURS_PER_DAY), [count or 0 for count in counts], color="#2b6cb0")
    for hour in (hour for hour, count in enumerate(counts) if count is None):
        axes.axvspan(hour - 0.5, hour + 0.5, color="#e53e3e", alpha=0.25, linewidth=0)
    axes.set_xlim(-0.5, HOURS_PER_DAY - 0.5)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("UTC hour (red: no object)", fontsize=8)
    axes.tick_params(labelsize=7)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    encoded = base64.b64encode(picture.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")
