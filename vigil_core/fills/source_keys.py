"""Where the exchange's node puts its hourly objects, and what Vigil calls them."""

from dataclasses import dataclass
from datetime import date, timedelta

from vigil_core.calendar import HOURS_PER_DAY

PREFIX = "node_fills_by_block"


@dataclass(frozen=True, slots=True, order=True)
class SourceHour:
    """One hourly object: the hour of the writing node's clock, not of the fills inside."""

    day: date
    hour: int

    @property
    def key(self) -> str:
        """Key in the bucket; the hour is not padded there."""
        return f"{day_prefix(self.day)}{self.hour}.lz4"

    @property
    def file_id(self) -> str:
        """Vigil's name for the object, `YYYYMMDD/HH`; sorts in time order."""
        return f"{self.day:%Y%m%d}/{self.hour:02d}"


def day_prefix(day: date) -> str:
    """Where the objects of one directory day lie."""
    return f"{PREFIX}/hourly/{day:%Y%m%d}/"


def hours_of_day(day: date) -> list[SourceHour]:
    """The 24 objects of a day, and hour 0 of the next.

    Objects are cut by the node's clock, which trails the blocks: the first blocks of the
    next day's hour 0 still belong to this day.
    """
    own = [SourceHour(day, hour) for hour in range(HOURS_PER_DAY)]
    return [*own, SourceHour(day + timedelta(days=1), 0)]
