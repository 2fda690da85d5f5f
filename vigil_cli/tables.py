"""Tables on the terminal."""

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console
from rich.table import Table


def show(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their headers; numbers to the right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for position, header in enumerate(headers):
        numeric = rows and isinstance(rows[0][position], int | float | Decimal)
        table.add_column(header, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_text, row))
    # Where nobody sizes the window (a pipe, CI), lines may be as long as they are.
    console = Console()
    Console(width=console.width if console.is_terminal else 160).print(table)


def _text(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
