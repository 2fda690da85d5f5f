"""Room for what is on disk only while it is worked on."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OURS = re.compile(r"vigil-work-([0-9]+)-.*")


@contextmanager
def scratch_folder(scratch: Path) -> Iterator[Path]:
    """A folder below `scratch`, gone afterwards; those of processes that were killed go first."""
    scratch.mkdir(parents=True, exist_ok=True)
    for left in scratch.iterdir():
        owner = _OURS.fullmatch(left.name)
        if owner is not None and not is_alive(int(owner[1])):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=f"vigil-work-{os.getpid()}-") as folder:
        yield Path(folder)


def is_alive(pid: int) -> bool:
    """Whether a process of that number exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
