"""The report over all that is loaded: tables, charts, and the profiles as Parquet.

Four tiers: the market by day, coin and builder; how long positions are held; who the traders
are; liquidations and smart money.
"""

import base64
import html
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from vigil_cli.ready import database_ready
from vigil_core.errors import NothingToAnalyze
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_warehouse

Draw = Callable[[Axes, pl.DataFrame], None]


@dataclass(frozen=True, slots=True)
class Section:
    """One query of `sql/queries/analysis`, its heading, and how it is drawn."""

    statement: str
    heading: str
    draw: Draw | None = None


def _bars(label: str, value: str, unit: str) -> Draw:
    def draw(axes: Axes, rows: pl.DataFrame) -> None:
        labels = [_short(text) for text in rows[label]]
        axes.barh(labels, [float(v or 0) for v in rows[value]], color="#2b6cb0")
        axes.invert_yaxis()
        axes.set_xlabel(unit)
        axes.xaxis.set_major_formatter(EngFormatter())

    return draw


def _daily(axes: Axes, rows: pl.DataFrame) -> None:
    days = range(rows.height)
    axes.bar(days, [float(v) for v in rows["volume_usd"]], color="#2b6cb0")
    axes.set_ylabel("volume, USD")
    axes.yaxis.set_major_formatter(EngFormatter())
    step = max(1, rows.height // 12)
    axes.set_xticks(days[::step], rows["day"].to_list()[::step], rotation=30, ha="right")


TIERS: list[tuple[str, list[Section]]] = [
    (
        "1 · The market",
        [
            Section("analysis/days", "By UTC day, each trade once", _daily),
            Section("analysis/coins", "Coins", _bars("coin", "volume_usd", "volume, USD")),
            Section("analysis/builders", "Builders", _bars("builder", "volume_usd", "volume, USD")),
        ],
    ),
    (
        "2 · How long positions are held",
        [Section("analysis/holding_times", "Perp positions", _bars("held", "traders", "traders"))],
    ),
    (
        "3 · Who the traders are",
        [
            Section("profiles/classes", "Classes", _bars("trader_type", "traders", "traders")),
            Section(
                "profiles/classes", "Volume by class", _bars("trader_type", "volume", "volume, USD")
            ),
            Section("analysis/top_traders", "The best of each class by net PnL"),
        ],
    ),
    (
        "4 · Liquidations and smart money",
        [
            Section(
                "analysis/liquidated_coins",
                "Coins with the most liquidated",
                _bars("coin", "liquidated_usd", "liquidated, USD"),
            ),
            Section("analysis/liquidators", "Who took the other side of liquidations"),
            Section("analysis/smart_money", "What smart money holds"),
        ],
    ),
]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a202c; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem }
table { border-collapse: collapse; font-size: 13px; margin: .5rem 0 1.5rem }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #e2e8f0; text-align: left }
td.number { text-align: right; font-variant-numeric: tabular-nums }
img { max-width: 100% }
.simulated { background: #fffaf0; border: 1px solid #dd6b20; padding: .6rem 1rem }
"""


def analyze(settings: Settings) -> Path:
    """Write the report below `VIGIL_DATA_DIR/analysis`, and give the path of its page.

    Raises:
        NothingToAnalyze: No day is loaded.
    """
    folder = settings.data_dir / "analysis"
    with database_ready(settings):
        warehouse = open_warehouse(settings)
        days = warehouse.table("analysis/days")
        if days.is_empty():
            raise NothingToAnalyze
        folder.mkdir(parents=True, exist_ok=True)
        parts = [_head(days, simulated=warehouse.rows("health/simulated")[0][0])]
        for tier, sections in TIERS:
            parts.append(f"<h2>{html.escape(tier)}</h2>")
            parts += [_section(s, warehouse.table(s.statement)) for s in sections]
        profiles = warehouse.table("analysis/profiles")
    profiles.write_parquet(folder / "trader_profiles.parquet")
    parts.append(
        f"<p>All {profiles.height:,} profiles: trader_profiles.parquet, beside this page.</p>"
    )
    page = folder / "report.html"
    page.write_text("\n".join([*parts, "</body></html>"]), encoding="utf-8")
    return page


def _head(days: pl.DataFrame, *, simulated: int) -> str:
    span = f"{days['day'][0]} … {days['day'][-1]}"
    notice = ""
    if simulated:
        notice = (
            f'<p class="simulated">SIMULATED: {simulated} of {days.height} days come from '
            "vigil_sandbox; nobody on the exchange is meant.</p>"
        )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Vigil: analysis</title>'
        f"<style>{_STYLE}</style></head><body><h1>Vigil: {span}</h1>{notice}"
        "<p>Times are UTC. PnL is realized, before funding; fees in other tokens than dollars are "
        "priced where that is possible and left out where not.</p>"
    )


def _section(section: Section, rows: pl.DataFrame) -> str:
    heading = f"<h3>{html.escape(section.heading)}</h3>"
    if rows.is_empty():
        return f"{heading}<p>None.</p>"
    picture = _picture(section, rows) if section.draw is not None else ""
    return heading + picture + _html_table(rows)


def _picture(section: Section, rows: pl.DataFrame) -> str:
    figure = Figure(figsize=(8, 0.9 + 0.28 * min(rows.height, 15)), dpi=90, layout="tight")
    if section.draw is _daily:
        figure.set_size_inches(8, 3)
    assert section.draw is not None
    section.draw(figure.subplots(), rows)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    encoded = base64.b64encode(content.getvalue()).decode()
    return (
        f'<p><img alt="{html.escape(section.heading)}" src="data:image/png;base64,{encoded}"></p>'
    )


def _html_table(rows: pl.DataFrame) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows.columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows.iter_rows())
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None:
        return "<td>–</td>"
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    if isinstance(value, Decimal | float):
        digits = 2 if abs(float(value)) >= 100 else 4
        return f'<td class="number">{value:,.{digits}f}</td>'
    return f"<td>{html.escape(str(value))}</td>"


def _short(text: Sequence[str] | str) -> str:
    name = str(text)
    return f"{name[:8]}…{name[-4:]}" if name.startswith("0x") else name
