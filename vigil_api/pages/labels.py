"""Small markup that stands in every row of a list.

Functions, not macros of templates: a list has hundreds of them, and a call of a macro costs five
times as much.
"""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

from vigil_api.pages.numbers import short_address, words


def address(value: str) -> Markup:
    """A link to a trader."""
    whole = escape(value)
    short = escape(short_address(value))
    return Markup(  # nosec B704 # escaped
        f'<a class="addr" href="/traders/{whole}" title="{whole}">{short}</a>'
    )


def chip(trader_type: str) -> Markup:
    """A trader's class."""
    name = escape(trader_type.lower())
    return Markup(f'<span class="chip t-{name}">{words(name)}</span>')  # nosec B704 # escaped


def follow(row: dict[str, Any]) -> Markup:
    """What a trader is to us, if he is followed; leads to his account."""
    if not row["trader_id"]:
        return Markup()
    said = escape(words(row["state"]))
    paused = "" if row["active"] else ", paused"
    return Markup(  # nosec B704 # escaped
        f'<a class="chip follow" href="/manage#trader-{int(row["trader_id"])}">{said}{paused}</a>'
    )


def coins(names: Sequence[str], most: int) -> Markup:
    """The first of a list, how many there are, and all of them in the title."""
    shown = "".join(f"<span>{escape(name)}</span>" for name in names[:most])
    number = f"<small>{len(names)}</small> " if len(names) > most else ""
    title = escape(", ".join(names))
    return Markup(  # nosec B704 # escaped
        f'<span class="coins" title="{title}">{number}{shown}</span>'
    )
