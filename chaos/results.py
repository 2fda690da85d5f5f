"""What campaigns gave: a line of JSON each, and the table in docs/reliability.md made of them."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaos.campaigns import Campaign, Result

_BEGIN, _END = "<!-- chaos: begin -->\n", "<!-- chaos: end -->\n"


def results_file(data_dir: Path) -> Path:
    """Where the lines are."""
    return data_dir / "chaos" / "results.jsonl"


def keep(result: Result, file: Path) -> None:
    """Add a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "number": result.campaign.number,
        "name": result.campaign.name,
        "seed": result.seed,
        "passed": result.outcome.passed,
        "bar": result.campaign.bar,
        "figure": result.outcome.figure,
        "injected": dict(result.outcome.injected),
        "seconds": round(result.seconds, 1),
    }
    with file.open("a") as out:
        out.write(json.dumps(line) + "\n")


def newest(file: Path) -> dict[str, dict[str, Any]]:
    """The last line of each campaign, by its name."""
    lines = file.read_text().splitlines() if file.exists() else []
    return {line["name"]: line for line in map(json.loads, lines)}


def table(campaigns: Iterable[Campaign], last: dict[str, dict[str, Any]]) -> str:
    """Markdown, a row a campaign; one that was not run says so."""
    rows = ["| # | Promise | Attack | Bar | Last measured | Time |", "| --- " * 6 + "|"]
    for campaign in campaigns:
        line = last.get(campaign.name)
        figure, seconds = "not run", ""
        if line is not None:
            counts = ", ".join(f"{count:,} {kind}" for kind, count in line["injected"].items())
            missed = "" if line["passed"] else "**missed**: "
            figure = f"{missed}{line['figure']} (seed {line['seed']}; {counts})"
            seconds = f"{line['seconds']:.0f} s"
        cells = [
            f"{campaign.number} `{campaign.name}`",
            campaign.promise,
            campaign.attack,
            campaign.bar,
            figure,
            seconds,
        ]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def write_table(text: str, document: Path) -> None:
    """Put it where the document has the one before."""
    before, rest = document.read_text().split(_BEGIN)
    after = rest.split(_END)[1]
    document.write_text(before + _BEGIN + text + _END + after)
