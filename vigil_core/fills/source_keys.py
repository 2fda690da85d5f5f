"""Where the exchange's node put its hourly objects, in three generations of them."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from functools import total_ordering
from typing import Self

from vigil_core.calendar import HOURS_PER_DAY
from vigil_core.fills.reading import LineFormat


@total_ordering
class Generation(Enum):
    """What the node wrote, oldest first. Its value is the prefix in the bucket.

    Where two generations hold the same fill, the newer one says more about it.
    """

    TRADES = "node_trades"
    FILLS = "node_fills"
    BLOCKS = "node_fills_by_block"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Generation):
            return NotImplemented
        order = list(Generation)
        return order.index(self) < order.index(other)

    @property
    def line_format(self) -> LineFormat:
        """What a line of its objects is."""
        return _FORMATS[self]

    def may_hold(self, day: date) -> bool:
        """Whether objects of this generation can lie in a directory day."""
        first, last = _DAYS[self]
        return first <= day <= last


_FORMATS = {
    Generation.TRADES: LineFormat.TRADE,
    Generation.FILLS: LineFormat.EVENT,
    Generation.BLOCKS: LineFormat.BLOCK,
}
_DAYS = {
    Generation.TRADES: (date(2025, 3, 22), date(2025, 6, 21)),
    Generation.FILLS: (date(2025, 5, 25), date(2025, 7, 27)),
    Generation.BLOCKS: (date(2025, 7, 27), date.max),
}


@dataclass(frozen=True, slots=True, order=True)
class SourceHour:
    """One hourly object: the hour of the writing node's clock, not of the fills inside."""

    day: date
    hour: int
    generation: Generation = Generation.BLOCKS

    @property
    def key(self) -> str:
        """Key in the bucket; the hour is not padded there."""
        return f"{day_prefix(self.day, self.generation)}{self.hour}.lz4"

    @property
    def file_id(self) -> str:
        """Vigil's name for the hour, `YYYYMMDD/HH`; sorts in time order."""
        return f"{self.day:%Y%m%d}/{self.hour:02d}"

    @property
    def name(self) -> str:
        """Its name in the lake, `YYYYMMDD-HH.generation`."""
        return f"{self.day:%Y%m%d}-{self.hour:02d}.{self.generation.value}"

    @classmethod
    def of_name(cls, name: str) -> Self:
        """The inverse of `name`; without a generation, as older lakes have it, the newest.

        >>> SourceHour.of_name("20250727-08.node_fills").file_id
        '20250727/08'
        """
        hour, _, generation = name.partition(".")
        day, _, number = hour.partition("-")
        return cls(
            date.fromisoformat(day), int(number), Generation(generation or Generation.BLOCKS.value)
        )

    def later(self, hours: int) -> "SourceHour":
        """The object of the same generation so many hours later, or earlier."""
        place = self.hour + hours
        day = self.day + timedelta(days=place // HOURS_PER_DAY)
        return SourceHour(day, place % HOURS_PER_DAY, self.generation)

    def of(self, generation: Generation) -> "SourceHour":
        """The same hour in another generation."""
        return SourceHour(self.day, self.hour, generation)


def day_prefix(day: date, generation: Generation = Generation.BLOCKS) -> str:
    """Where the objects of one directory day lie."""
    return f"{generation.value}/hourly/{day:%Y%m%d}/"


def hours_of_day(day: date) -> list[SourceHour]:
    """The 24 hours of a day, and hour 0 of the next.

    Objects are cut by the node's clock, which trails the blocks: the first blocks of the
    next day's hour 0 still belong to this day.
    """
    own = [SourceHour(day, hour) for hour in range(HOURS_PER_DAY)]
    return [*own, SourceHour(day + timedelta(days=1), 0)]


def newer_neighbours(hour: SourceHour, present: set[SourceHour]) -> list[SourceHour]:
    """Objects of newer generations that may hold fills of this one too.

    Each generation was cut by the clock of its own writer: a fill may stand in the hour before
    or after in the other.
    """
    newer = [generation for generation in Generation if generation > hour.generation]
    around = [hour.later(step).of(generation) for generation in newer for step in (-1, 0, 1)]
    return sorted(neighbour for neighbour in around if neighbour in present)


def is_superseded(hour: SourceHour, present: set[SourceHour]) -> bool:
    """Whether newer generations hold all of this object: its hour, and those beside it."""
    newer = [generation for generation in Generation if generation > hour.generation]
    return all(
        any(hour.later(step).of(generation) in present for generation in newer)
        for step in (-1, 0, 1)
    )
