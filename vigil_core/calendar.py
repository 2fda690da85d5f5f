"""UTC days and hours. Every window is half-open: start <= t < end."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
HOURS_PER_DAY = 24

FIRST_DAY = date(2025, 3, 22)
"""First UTC day of the exchange's files of trades."""

EARLIEST_MS = 1_577_836_800_000
LATEST_MS = 4_102_444_800_000
"""2020-01-01 and 2100-01-01: a `time` outside is another unit, not another century."""

_NAIVE_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?")


def day_start_ms(day: date) -> int:
    """Milliseconds since the epoch at which this UTC day begins.

    >>> day_start_ms(date(2026, 3, 15))
    1773532800000
    """
    return (day - date(1970, 1, 1)).days * DAY_MS


def day_of(time_ms: int) -> date:
    """The UTC day an instant belongs to; its last millisecond included, its end not.

    >>> day_of(1773532799999), day_of(1773532800000)
    (datetime.date(2026, 3, 14), datetime.date(2026, 3, 15))
    """
    return date(1970, 1, 1) + timedelta(days=time_ms // DAY_MS)


def days_between(first: date, last: date) -> Iterator[date]:
    """The days from `first` to `last`, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def iso_ns(text: str) -> int:
    """Nanoseconds since the epoch of the node's naive ISO time, which means UTC.

    >>> iso_ns("2025-10-27T16:59:59.797563798")
    1761584399797563798
    >>> iso_ns("2025-10-27T17:00:00")
    1761584400000000000

    Raises:
        ValueError: The text is not `YYYY-MM-DDTHH:MM:SS` with up to nine decimals.
    """
    if not _NAIVE_ISO.fullmatch(text):
        raise ValueError(f"not a naive ISO time: {text!a:.60}")
    seconds, _, fraction = text.partition(".")
    whole = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    return int(whole.timestamp()) * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))
