"""What a campaign is, what it gets, and what it gives."""

import importlib
import os
import pkgutil
import random
import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import chaos
from vigil_core.errors import VigilError

Made = TypeVar("Made")


class NoSuchCampaign(VigilError):
    """A campaign was asked for that there is not."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no campaign is called {name}; without a name, all are listed")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attack."""

    passed: bool
    figure: str
    """What was reached, in the words of the bar."""
    injected: Mapping[str, int]
    """How often each fault was produced: an attack that lacks one of them fails."""
    misses: tuple[str, ...] = ()
    """What was seen that must not be, for whoever looks for the cause."""


class Shared:
    """What several campaigns use and is dear to make: made by the first, ended with the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._made: dict[Callable[..., Any], Any] = {}

    def get(self, make: Callable[[Path], AbstractContextManager[Made]]) -> Made:
        """What `make` gives for a new folder; entered once."""
        if make not in self._made:
            place = self.folder / f"shared-{len(self._made)}"
            place.mkdir(parents=True)
            self._made[make] = self._stack.enter_context(make(place))
        made: Made = self._made[make]
        return made

    def put(self, make: Callable[[Path], AbstractContextManager[Made]], made: Made) -> None:
        """Have `get` give this one, which somebody else made and ends."""
        self._made[make] = made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


@dataclass(frozen=True)
class Context:
    """What a campaign may use.

    `random` is of the seed and the campaign's name: the same whatever ran before.
    """

    seed: int
    folder: Path
    """Its own, empty; removed afterwards."""
    random: random.Random
    shared: Shared
    scale: float = 1.0
    """Of its full size; tests run small ones."""

    def count(self, full: int, least: int = 1) -> int:
        """How many, where the whole campaign has `full`."""
        return max(least, round(full * self.scale))

    def say(self, text: str) -> None:
        """Tell whoever watches how far it is."""
        print(f"    {text}", flush=True)


@dataclass(frozen=True)
class Campaign:
    """An attack on one promise."""

    number: int
    """Its line in docs/reliability.md."""
    name: str
    promise: str
    attack: str
    bar: str
    run: Callable[[Context], Outcome] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What is kept of a run."""

    campaign: Campaign
    seed: int
    outcome: Outcome
    seconds: float


def campaigns() -> list[Campaign]:
    """All there are, by number."""
    found: list[Campaign] = []
    for module in pkgutil.iter_modules(chaos.__path__, "chaos."):
        if not module.name.endswith("__main__"):
            found += getattr(importlib.import_module(module.name), "CAMPAIGNS", ())
    for key in ("number", "name"):
        values = [getattr(campaign, key) for campaign in found]
        assert len(set(values)) == len(values), f"two campaigns have one {key}: {values}"
    return sorted(found, key=lambda campaign: campaign.number)


def chosen(names: Iterable[str]) -> list[Campaign]:
    """Those with these names or numbers; `api-*` are all whose name begins so.

    Raises:
        NoSuchCampaign: There is none.
    """
    found: list[Campaign] = []
    for name in names:
        meant = [c for c in campaigns() if fnmatch(c.name, name) or str(c.number) == name]
        if not meant:
            raise NoSuchCampaign(name)
        found += [campaign for campaign in meant if campaign not in found]
    return sorted(found, key=lambda campaign: campaign.number)


def run(campaign: Campaign, shared: Shared, seed: int, scale: float = 1.0) -> Result:
    """Run one in a folder of its own; whatever breaks it is a failure of it.

    What it left in the environment goes: the next one would read it as settings.
    """
    environment = dict(os.environ)
    folder = shared.folder / campaign.name
    folder.mkdir(parents=True)
    # A seed repeats what it drew: that is what it is for.
    drawn = random.Random(f"{seed} {campaign.name}")  # nosec B311
    context = Context(seed, folder, drawn, shared, scale)
    begun = time.monotonic()
    try:
        outcome = _judged(campaign.run(context))
    except Exception as error:  # What an attack did not expect is what it was made to find.
        said = str(error).strip().splitlines() or [""]
        figure = f"broke: {type(error).__name__}: {said[-1]}"[:200]
        outcome = Outcome(False, figure, {}, (traceback.format_exc(),))
    finally:
        os.environ.clear()
        os.environ.update(environment)
        shutil.rmtree(folder, ignore_errors=True)
    return Result(campaign, seed, outcome, time.monotonic() - begun)


def _judged(outcome: Outcome) -> Outcome:
    missing = [kind for kind, count in outcome.injected.items() if count <= 0]
    if outcome.injected and not missing:
        return outcome
    what = f"nothing of {', '.join(missing)}" if missing else "nothing"
    return Outcome(False, f"injected {what}", outcome.injected, outcome.misses)
