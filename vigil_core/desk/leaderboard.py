"""Exports of public leaderboards: the exchange's JSON, or any CSV with a column of addresses.

What a board claims is kept as it stands there and never mixed with our own figures.
"""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vigil_core.errors import VigilError
from vigil_core.storable import NestedTooDeeply, storable, storable_json

ADDRESS_COLUMNS = ("address", "ethaddress", "user_address", "user", "wallet", "trader", "account")
NAME_COLUMNS = ("displayname", "display_name", "name", "label")

MOST_BYTES = 64 * 1024 * 1024

_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
# Python's own `splitlines` ends lines at ten marks more, which stand in names.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


class UnreadableLeaderboard(VigilError):
    """A file that is no leaderboard."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "expected the exchange's leaderboard (JSON with leaderboardRows), or a CSV with a "
            f"header and a column of addresses: {reason}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderboardEntry:
    """A line of the board."""

    n: int
    """Its place in the file, from 1."""
    user_address: str
    """Lower case."""
    display_name: str
    figures: dict[str, Any]
    """What the board says, numbers as the text they were; U+FFFD for what no database can hold."""


@dataclass(frozen=True, slots=True)
class RejectedEntry:
    """A line that names no address, or one that was there before, or is nested too deeply."""

    n: int
    reason: str


def read_leaderboard(content: bytes) -> list[LeaderboardEntry | RejectedEntry]:
    """Each entry of an export, in its order.

    Raises:
        UnreadableLeaderboard: Neither of the two formats, or larger than 64 MiB.
    """
    if len(content) > MOST_BYTES:
        raise UnreadableLeaderboard(f"{len(content)} bytes are more than {MOST_BYTES}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableLeaderboard(f"not UTF-8: {error}") from error
    rows = _of_json(text) if text.lstrip().startswith(("{", "[")) else _of_csv(text)
    entries: list[LeaderboardEntry | RejectedEntry] = []
    seen: set[str] = set()
    for n, (address, name, figures) in enumerate(rows, start=1):
        if not isinstance(address, str) or not _ADDRESS.fullmatch(address.strip()):
            entries.append(RejectedEntry(n, "no address"))
            continue
        lower = address.strip().lower()
        if lower in seen:
            entries.append(RejectedEntry(n, "address was there before"))
            continue
        try:
            kept = storable_json(figures)
        except NestedTooDeeply as error:
            entries.append(RejectedEntry(n, str(error)))
            continue
        seen.add(lower)
        shown = storable(name[:80])
        entries.append(LeaderboardEntry(n=n, user_address=lower, display_name=shown, figures=kept))
    return entries


def _of_json(text: str) -> Iterator[tuple[Any, str, dict[str, Any]]]:
    try:
        board = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise UnreadableLeaderboard(str(error)) from error
    rows = board.get("leaderboardRows") if isinstance(board, dict) else board
    if not isinstance(rows, list):
        raise UnreadableLeaderboard("no list leaderboardRows in it")
    for row in rows:
        if not isinstance(row, dict):
            yield None, "", {}
            continue
        at = next((key for key in row if key.lower() in ADDRESS_COLUMNS), None)
        called = next((key for key in row if key.lower() in NAME_COLUMNS), None)
        name = row.get(called)
        figures = {key: value for key, value in row.items() if key not in (at, called)}
        yield row.get(at), name if isinstance(name, str) else "", figures


def _of_csv(text: str) -> Iterator[tuple[Any, str, dict[str, Any]]]:
    lines = _LINE.findall(text)
    if not lines:
        raise UnreadableLeaderboard("it is empty")
    delimiter = ";" if lines[0].count(";") > lines[0].count(",") else ","
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise UnreadableLeaderboard(str(error)) from error
    header = [name.strip() for name in rows[0]]
    lower = [name.lower().replace(" ", "_") for name in header]
    addresses = [lower.index(name) for name in ADDRESS_COLUMNS if name in lower]
    if not addresses:
        raise UnreadableLeaderboard(f"its columns are {', '.join(header)[:200]}")
    names = [lower.index(name) for name in NAME_COLUMNS if name in lower]
    for row in rows[1:]:
        if len(row) != len(header):
            yield None, "", {}
            continue
        used = {addresses[0], *names[:1]}
        figures = {header[i]: value for i, value in enumerate(row) if i not in used}
        yield row[addresses[0]], row[names[0]].strip() if names else "", figures
