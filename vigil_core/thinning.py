"""Fewer points of a series, without losing its ends or its extremes."""

from collections.abc import Sequence

MOST_POINTS = 2_000


def thinned(values: Sequence[float | None], most: int = MOST_POINTS) -> list[int]:
    """Places of the values to draw: of each bucket the first, last, smallest and largest.

    All places where there are no more than `most`.

    >>> thinned([0, 5, 1, 1, 1, 1, 1, -3, 1, 2], most=4)
    [0, 1, 7, 9]
    """
    count = len(values)
    if count <= most:
        return list(range(count))
    buckets = max(most // 4, 1)
    kept: set[int] = set()
    for bucket in range(buckets):
        places = range(bucket * count // buckets, (bucket + 1) * count // buckets)
        kept |= {places[0], places[-1]}
        known = [(value, place) for place in places if (value := values[place]) is not None]
        if known:
            kept |= {min(known)[1], max(known)[1]}
    return sorted(kept)
