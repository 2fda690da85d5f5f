"""The node's hourly objects, as its bucket or a directory of the same layout lists them."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from vigil_core.calendar import days_between
from vigil_core.errors import ObjectMissing
from vigil_core.fills.source_keys import (
    Generation,
    SourceHour,
    day_prefix,
    hours_of_day,
    is_superseded,
    newer_neighbours,
)
from vigil_resources.files.store import Listed, Store

SANDBOX_MARKER = "sandbox.json"
"""An object of this name at a raw root says that everything there is simulated."""


class OlderLayout(Exception):
    """A manifest of a Vigil that knew one format only: the day is to be listed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The source objects that a day is built from, as the listing showed them."""

    day: date
    source: str
    """Which root they came from: `hyperliquid`, or `sandbox` where all is simulated."""
    objects: dict[SourceHour, Listed]
    """Those of the day's hours, of hour 0 of the next day, which holds the day's last blocks,
    and, where an older generation is among them, what newer ones hold around its hours. An
    object of which newer ones hold everything is not among them."""

    @property
    def own(self) -> dict[SourceHour, Listed]:
        """The objects of the day's own 24 hours."""
        return {hour: listed for hour, listed in self.objects.items() if hour.day == self.day}

    @property
    def missing_hours(self) -> list[int]:
        """Hours of the day without an object of any generation."""
        there = {hour.hour for hour in self.own}
        return [hour.hour for hour in hours_of_day(self.day)[:-1] if hour.hour not in there]

    @property
    def version(self) -> str:
        """Changes when an object appears or its content does."""
        return hashlib.sha256(self.to_json()).hexdigest()[:16]

    def to_json(self) -> bytes:
        """The manifest as the lake holds it."""
        content = {
            "day": self.day.isoformat(),
            "source": self.source,
            "objects": [[h.name, o.key, o.size, o.etag] for h, o in self.objects.items()],
            "missing_hours": self.missing_hours,
        }
        return (json.dumps(content, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """The manifest that `to_json` wrote. Raises `OlderLayout`."""
        kept = json.loads(text)
        if any("." not in name for name, *_ in kept["objects"]):
            raise OlderLayout
        objects = {
            SourceHour.of_name(name): Listed(key, size, etag)
            for name, key, size, etag in kept["objects"]
        }
        day = date.fromisoformat(kept["day"])
        return cls(day=day, source=kept["source"], objects=objects)


class RawFills:
    """The node's hourly objects of all generations."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @property
    def source(self) -> str:
        """`sandbox` where the root says that it is simulated, else `hyperliquid`."""
        try:
            self.store.read(SANDBOX_MARKER)
        except ObjectMissing:
            return "hyperliquid"
        return "sandbox"

    def manifest(self, day: date) -> Manifest:
        """List what there is for a day; a missing hour is simply not among it."""
        around = [day + timedelta(days=step) for step in (-1, 0, 1)]
        generations = [g for g in Generation if any(map(g.may_hold, around[1:]))]
        # The day before matters only to what an older generation repeats.
        days = around if len(generations) > 1 else around[1:]
        present: dict[SourceHour, Listed] = {}
        for generation in generations:
            for directory in filter(generation.may_hold, days):
                listed = self.store.list(day_prefix(directory, generation))
                present |= _hours(listed, directory, generation)
        return _manifest(day, self.source, present)

    def manifests(self, first: date, last: date) -> dict[date, Manifest]:
        """The same of the days `first` … `last`, of those that have any object.

        One listing for each generation that may lie there, from the day before `first` on.
        """
        around = list(days_between(first - timedelta(days=1), last + timedelta(days=1)))
        present: dict[SourceHour, Listed] = {}
        for generation in Generation:
            directories = list(filter(generation.may_hold, around))
            if not directories:
                continue
            prefix, name = f"{generation.value}/hourly/", f"{directories[0]:%Y%m%d}"
            by_folder: dict[str, list[Listed]] = {}
            for item in self.store.list_from(prefix, name):
                by_folder.setdefault(item.key.rpartition("/")[0] + "/", []).append(item)
            for directory in directories:
                listed = by_folder.get(day_prefix(directory, generation), [])
                present |= _hours(listed, directory, generation)
        source = self.source
        found = {day: _manifest(day, source, present) for day in days_between(first, last)}
        return {day: manifest for day, manifest in found.items() if manifest.own}


def _hours(
    listed: Iterable[Listed], directory: date, generation: Generation
) -> dict[SourceHour, Listed]:
    hours = {hour.key: hour for hour in (SourceHour(directory, h, generation) for h in range(24))}
    return {hours[item.key]: item for item in listed if item.key in hours}


def _manifest(day: date, source: str, present: dict[SourceHour, Listed]) -> Manifest:
    """Of a day, what is there around it."""
    generations = [g for g in Generation if g.may_hold(day) or g.may_hold(day + timedelta(days=1))]
    around = [day + timedelta(days=step) for step in (-1, 0, 1)]
    names = {
        hour
        for hour in (
            SourceHour(directory, number, generation)
            for generation in generations
            for directory in around
            for number in range(24)
        )
        if hour in present
    }
    built_from = {(hour.day, hour.hour) for hour in hours_of_day(day)}
    chosen = {
        hour
        for hour in names
        if (hour.day, hour.hour) in built_from and not is_superseded(hour, names)
    }
    chosen |= {one for hour in chosen for one in newer_neighbours(hour, names)}
    objects = {hour: present[hour] for hour in sorted(chosen)}
    return Manifest(day=day, source=source, objects=objects)
