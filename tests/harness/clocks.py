"""Other clocks for processes of ours, by Debian's `faketime`."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_LIBRARY = "faketime/libfaketimeMT.so.1"


class NoFaketime(Exception):
    """The library is not installed: `apt-get install faketime`."""


def library() -> str:
    """Where it is. Raises `NoFaketime`."""
    for folder in (*Path("/usr/lib").glob("*-linux-gnu"), Path("/usr/lib")):
        if (folder / _LIBRARY).exists():
            return str(folder / _LIBRARY)
    raise NoFaketime("apt-get install faketime")


def clock(setting: str) -> Mapping[str, str]:
    """Environment of a process whose clock is set so: `@2025-09-01 23:59:58`, `+1d`, `+0 x60`."""
    return {
        "LD_PRELOAD": library(),
        "FAKETIME": setting,
        # Waits are measured by a clock that nobody sets.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@contextmanager
def jumping(file: Path, settings: list[str], every: float) -> Iterator[Mapping[str, str]]:
    """A clock that is set anew every so many seconds, from one of these settings to the next."""
    file.write_text(settings[0] + "\n")
    over = threading.Event()

    def jump() -> None:
        turn = 0
        while not over.wait(every):
            turn += 1
            beside = file.with_suffix(".new")
            beside.write_text(settings[turn % len(settings)] + "\n")
            beside.replace(file)

    thread = threading.Thread(target=jump, daemon=True)
    thread.start()
    try:
        yield {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    finally:
        over.set()
        thread.join()
