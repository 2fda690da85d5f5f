"""The weight that requests may have in a minute, shared by all processes of this machine."""

import fcntl
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from vigil_resources.settings import WEIGHT_PER_MINUTE


@dataclass(frozen=True, slots=True)
class Charge:
    """Weight taken out of a budget for a request that is under way."""

    number: int
    weight: int


class Budget(Protocol):
    """What requests are paid from. `WeightBudget` is this machine's; others may be shared wider."""

    def reserve(self, weight: int) -> Charge:
        """Wait until a request of this weight may be sent."""
        ...

    def settle(self, charge: Charge, weight: int) -> None:
        """Replace what was reserved by what the request really cost, once it is over."""
        ...

    def slow_down(self) -> None:
        """The exchange said that it is asked too often."""
        ...


class WeightBudget:
    """So much weight in any minute, for all processes of this machine that name the same folder.

    A request is charged with the most it may cost before it is sent, and with its real cost when
    its answer is there; the minute counts from then. So no minute of the exchange's holds more
    than the budget, however late its answers come. Nothing fails for want of weight: it waits,
    and whoever came first goes first.

    A killed process leaves nothing behind that others wait for: its locks end with it, and what
    it had reserved expires.

    Args:
        path: A folder; made if need be. One for each egress address.
        per_minute: Weight. A single request that weighs more goes when nothing else is charged.
        window_s: The minute, in seconds.
        slow_s: For how long after `slow_down` only half the weight is spent, in seconds.
        clock: Seconds that never run backwards, the same for all processes of the machine; it may
            begin anew, as the system's does when it starts.
        sleep: Seconds.
    """

    def __init__(
        self,
        path: Path,
        per_minute: int = WEIGHT_PER_MINUTE,
        *,
        window_s: float = 60.0,
        slow_s: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if per_minute < 1:
            raise ValueError(f"a budget of {per_minute} a minute lets nothing through")
        self._path = path
        self._per_minute = per_minute
        # The exchange's clock may run a little faster than ours.
        self._window = window_s * 1.01
        self._lease = 2 * window_s
        self._slow = slow_s
        self._poll = window_s / 240
        self._clock = clock
        self._sleep = sleep
        (path / "queue").mkdir(parents=True, exist_ok=True)

    def reserve(self, weight: int) -> Charge:
        """Wait behind whoever came before, then until the minute has room for `weight`."""
        with self._turn():
            while True:
                with self._state() as state:
                    now = self._clock()
                    wait = self._wait(state, weight, now)
                    if wait <= 0:
                        return state.add(weight, now, is_open=True)
                # Others settle for less meanwhile, and slow times end: look again soon.
                self._sleep(min(wait, self._poll))

    def settle(self, charge: Charge, weight: int) -> None:
        """Charge `weight` from now on instead of what was reserved. Never waits for room."""
        with self._state() as state:
            state.charges.pop(charge.number, None)
            state.add(weight, self._clock(), is_open=False, number=charge.number)

    def slow_down(self) -> None:
        """Spend half the weight for a while, in all processes."""
        with self._state() as state:
            state.halved_until = self._clock() + self._slow

    def spent(self) -> int:
        """Weight charged in the last minute, requests under way included."""
        with self._state() as state:
            return sum(entry.weight for entry in state.charges.values())

    def _wait(self, state: "_State", weight: int, now: float) -> float:
        """Seconds until there is room, if nothing is given back before; 0 if there is."""
        is_halved = now < state.halved_until
        limit = max(1, self._per_minute // 2) if is_halved else self._per_minute
        free = limit - sum(entry.weight for entry in state.charges.values())
        missing = min(weight, limit) - free
        if missing <= 0:
            return 0.0
        for end, freed in sorted((self._end(e), e.weight) for e in state.charges.values()):
            missing -= freed
            if missing <= 0:
                return end - now
        raise AssertionError("unreachable: without charges there is room")

    def _end(self, entry: "_Entry") -> float:
        # A request under way keeps its charge; one whose process was killed loses it some time.
        return entry.since + self._window + (self._lease if entry.is_open else 0.0)

    # --- below: what lies in the folder ------------------------------------------------------

    @contextmanager
    def _state(self) -> Iterator["_State"]:
        """What all processes know, for one of them at a time; kept when the block ends."""
        with _locked(self._path / "state.lock"):
            path = self._path / "state.json"
            now = self._clock()
            state = self._read(path, now)
            # A stamp of the future is from before the clock began anew. It counts from now.
            for entry in state.charges.values():
                entry.since = min(entry.since, now)
            state.halved_until = min(state.halved_until, now + self._slow)
            state.charges = {n: e for n, e in state.charges.items() if now < self._end(e)}
            yield state
            beside = path.with_suffix(".new")
            beside.write_text(state.to_json())
            beside.replace(path)

    def _read(self, path: Path, now: float) -> "_State":
        try:
            return _State.from_json(path.read_text())
        except FileNotFoundError:
            return _State()
        except (ValueError, TypeError, KeyError):
            # Cut off with the machine. What was spent is not known: it may have been all.
            state = _State()
            state.add(self._per_minute, now, is_open=False)
            return state

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Waits for everybody who came before, in that order.

        Each holds a kernel's lock on a file of its own, and waits for the file before its own: a
        killed process opens the way by the same means as one that is done.
        """
        with _locked(self._path / "state.lock"):
            number = max(self._queue(), default=-1) + 1
            place = self._place(number)
            file = place.open("x")
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            while ahead := [one for one in self._queue() if one < number]:
                self._await(max(ahead))
            yield
        finally:
            # Gone before it is unlocked: whoever waits for it must not find it again.
            place.unlink(missing_ok=True)
            fcntl.flock(file, fcntl.LOCK_UN)
            file.close()

    def _await(self, number: int) -> None:
        try:
            with self._place(number).open() as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                # Whoever still lies there was killed. No newcomer takes its number: they are
                # all higher than ours.
                self._place(number).unlink(missing_ok=True)
        except FileNotFoundError:
            return

    def _queue(self) -> list[int]:
        names = (path.name for path in (self._path / "queue").iterdir())
        return [int(name) for name in names if name.isdigit()]

    def _place(self, number: int) -> Path:
        return self._path / "queue" / f"{number:012d}"


@dataclass(slots=True)
class _Entry:
    since: float
    weight: int
    is_open: bool


class _State:
    """Charges of the last minute, by number."""

    def __init__(self) -> None:
        self.charges: dict[int, _Entry] = {}
        self.halved_until = -1.0

    def add(self, weight: int, since: float, *, is_open: bool, number: int | None = None) -> Charge:
        # By chance, so that a number is nobody else's after the state was lost, either.
        number = secrets.randbits(62) if number is None else number
        self.charges[number] = _Entry(since, weight, is_open)
        return Charge(number, weight)

    def to_json(self) -> str:
        charges = [[n, e.since, e.weight, e.is_open] for n, e in self.charges.items()]
        return json.dumps({"charges": charges, "halved_until": self.halved_until})

    @classmethod
    def from_json(cls, text: str) -> "_State":
        value = json.loads(text)
        state = cls()
        for number, since, weight, is_open in value["charges"]:
            state.charges[int(number)] = _Entry(float(since), int(weight), bool(is_open))
        state.halved_until = float(value["halved_until"])
        return state


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
