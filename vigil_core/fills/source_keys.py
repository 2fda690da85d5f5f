"""Where the exchange's node puts its hourly objects, and what Vigil calls them."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from vigil_core.calendar import HOURS_PER_DAY

PREFIX = "node_fills_by_block"
_KEY = re.compile(rf"{PREFIX}/hourly/(\d{{8}})/(\d{{1,2}})\.lz4")


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

    @classmethod
    def of_key(cls, key: str) -> Self | None:
        """The hour a key names, or None for anything else that lies in the bucket.

        >>> SourceHour.of_key("node_fills_by_block/hourly/20260315/7.lz4").file_id
        '20260315/07'
        """
        match = _KEY.fullmatch(key)
        if match is None or int(match[2]) >= HOURS_PER_DAY:
            return None
        return cls(date.fromisoformat(match[1]), int(match[2]))


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
