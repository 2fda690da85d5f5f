"""Reads lines of `asset_ctxs` one by one, with the standard library alone."""

import csv
import datetime
from decimal import Decimal
from typing import Any

from .slow_reader import DIGITS, RejectedLineError

TEXTS = ("time", "coin")
FIGURES = {
    "funding": 12,
    "open_interest": 12,
    "prev_day_px": 12,
    "day_ntl_vlm": 18,
    "premium": 12,
    "oracle_px": 12,
    "mark_px": 12,
    "mid_px": 12,
    "impact_bid_px": 12,
    "impact_ask_px": 12,
}
"""Columns and the decimals they may have."""

MAY_BE_EMPTY = {"premium", "mid_px", "impact_bid_px", "impact_ask_px"}
_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001


def fields_of(line: bytes) -> list[str]:
    """The fields of one line. Raises `RejectedLineError`."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RejectedLineError("not UTF-8") from error
    if "\0" in text:
        raise RejectedLineError("NUL")
    text = text.removesuffix("\r")
    if '"' not in text:
        return text.split(",")
    try:
        [fields] = csv.reader([text], strict=True)
    except (csv.Error, ValueError) as error:
        raise RejectedLineError(str(error)) from error
    return fields


def read_context_line(line: bytes, header: list[str], day: datetime.date) -> dict[str, Any]:
    """The row of one line that is not blank. Raises `RejectedLineError`."""
    fields = fields_of(line)
    if len(fields) != len(header):
        raise RejectedLineError("fields")
    given = dict(zip(header, fields, strict=True))
    row: dict[str, Any] = {"time": _time(given["time"], day), "coin": given["coin"]}
    coin = given["coin"]
    if not 1 <= len(coin) <= 64 or any(c <= " " or c == "\x7f" for c in coin):
        raise RejectedLineError("coin")
    for name, scale in FIGURES.items():
        if name in MAY_BE_EMPTY and given[name] in ("", "null"):
            row[name] = None
        else:
            row[name] = _decimal(given[name], 38 - scale, scale)
    row["extra"] = {name: given[name] for name in header if name not in (*TEXTS, *FIGURES)} or None
    return row


def _time(text: str, day: datetime.date) -> int:
    shape = "".join("9" if c in DIGITS else c for c in text)
    if shape != "9999-99-99T99:99:99Z":
        raise RejectedLineError("time")
    try:
        moment = datetime.datetime.fromisoformat(text[:-1])
    except ValueError as error:
        raise RejectedLineError("time") from error
    if moment.date() != day:
        raise RejectedLineError("another day")
    return (moment - _EPOCH) // datetime.timedelta(milliseconds=1)


def _decimal(text: str, whole_digits: int, scale: int) -> Decimal:
    whole, point, part = text.removeprefix("-").partition(".")
    good = 1 <= len(whole) <= whole_digits and all(c in DIGITS for c in whole)
    if point:
        good = good and 1 <= len(part) <= scale and all(c in DIGITS for c in part)
    if not good:
        raise RejectedLineError("figure")
    return Decimal(text)
