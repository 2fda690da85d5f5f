"""SIGKILL for processes of ours: at a moment, or at a step of what they write.

A step is one effect on disk or in the database: a file written, moved or removed, a statement
that is no question, a commit. A process that is to end at its n-th step kills itself just before
or just after it, so that a failing seed repeats at the very same place.
"""

import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import psycopg

from vigil_resources.files import store as store_module
from vigil_resources.files.store import Store


def forks(*preload: str) -> ForkServerContext:
    """Starts processes in which these modules are imported already: in milliseconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def killed_after(process: ForkServerProcess, seconds: float) -> bool:
    """Whether a started process was still at work then, and so was killed."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


@dataclass
class Steps:
    """Counts steps, and ends the process at one of them."""

    last: int | None = None
    """None: count only."""
    before: bool = False
    """Whether the last step is not taken any more."""
    taken: int = 0

    def watch(self) -> None:
        """From here on, in this process."""
        for name in ("write", "take_file", "delete"):
            self._wrap(Store, name)
        # In the middle of `take_file`: moved here, not yet under its name; and under its name.
        self._wrap(store_module, "_sync")
        self._wrap(psycopg.Transaction, "__exit__")
        self._wrap(psycopg.Connection, "execute", _changes)

    def _wrap(
        self, owner: Any, name: str, counts: Callable[..., bool] = lambda *_, **__: True
    ) -> None:
        real = getattr(owner, name)

        @wraps(real)
        def stepped(*args: Any, **named: Any) -> Any:
            if not counts(*args, **named):
                return real(*args, **named)
            self.taken += 1
            is_last = self.taken == self.last
            if is_last and self.before:
                os.kill(os.getpid(), signal.SIGKILL)
            given = real(*args, **named)
            if is_last:
                os.kill(os.getpid(), signal.SIGKILL)
            return given

        setattr(owner, name, stepped)


def _changes(connection: psycopg.Connection, statement: Any, *_: Any, **__: Any) -> bool:
    text = statement if isinstance(statement, str) else statement.as_string(connection)
    code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return not code.lstrip().upper().startswith(("SELECT", "WITH", "SHOW", "SET"))


def processes_in(folder: Path) -> list[tuple[int, int]]:
    """Processes whose working folder it is, as a Postgres' is its cluster; MB each has resident."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if (path / "cwd").resolve() == folder.resolve():
                lines = (path / "status").read_text()
                if resident := re.search(r"VmRSS:\s+([0-9]+) kB", lines):
                    found.append((int(path.name), int(resident[1]) // 1024))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
