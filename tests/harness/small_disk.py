"""A small disk of its own for a folder, that can be filled to the last page and relieved again."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FILLER = ".filler"
_STEPS = (1 << 20, 1 << 16, 1 << 12)


class SmallDisk:
    """A tmpfs that stands where a folder stood, with what was in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, leave: int = 0) -> int:
        """Take all room but so many bytes; gives the bytes taken. Not counted as the folder's."""
        taken = 0
        with (self.folder / _FILLER).open("ab") as file:
            for step in _STEPS:
                try:
                    while True:
                        taken += os.write(file.fileno(), bytes(step))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
            if leave:
                file.truncate(max(0, file.seek(0, os.SEEK_END) - leave))
        return taken - leave

    def relieve(self) -> None:
        """Give the room back."""
        (self.folder / _FILLER).unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount it over the folder, whose content and owner it takes over. Needs the right to mount.

    What is on it goes back to the folder at the end, when nobody may use it any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f"{folder.name}.aside")
    subprocess.run(["cp", "-a", folder, aside], check=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        _take_over(aside, folder)
        shutil.rmtree(aside)
        disk = SmallDisk(folder)
        yield disk
        disk.relieve()
    finally:
        subprocess.run(["cp", "-a", folder, aside], check=True)
        # Whoever was killed a moment ago may still hold a file.
        subprocess.run(["umount", "--lazy", folder], check=True)
        _take_over(aside, folder)
        shutil.rmtree(aside)


def _take_over(source: Path, target: Path) -> None:
    status = source.stat()
    for entry in target.iterdir():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    subprocess.run(["cp", "-a", f"{source}/.", target], check=True)
    os.chown(target, status.st_uid, status.st_gid)
    target.chmod(status.st_mode & 0o7777)
