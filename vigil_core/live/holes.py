"""Whether what a stream says follows on what was known of it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hole:
    """Rows of start <= time < end, ms, may be missing."""

    start: int
    end: int


def hole_before(known_until: int | None, times: Sequence[int]) -> Hole | None:
    """What may be missing between the newest row known and the first rows after a new start.

    The exchange begins with the latest rows, so many of them, in no promised order. They follow on
    what was known if one of them is older than the newest row known. One of the same millisecond
    proves nothing: others of it may have been cut off.

    Args:
        known_until: Time of the newest row known, ms; None if nothing was: then nothing is missing.
        times: Of the rows that came, ms.

    >>> hole_before(10, [9, 10, 12])
    >>> hole_before(10, [12, 15])
    Hole(start=10, end=13)
    >>> hole_before(10, [])
    Hole(start=10, end=11)
    """
    if known_until is None:
        return None
    first = min(times, default=known_until)
    return None if first < known_until else Hole(known_until, first + 1)
