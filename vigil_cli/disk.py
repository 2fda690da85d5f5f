"""What Vigil keeps on this disk, and how it goes."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from vigil_cli.database import NotConfirmed, ask
from vigil_core.errors import NotRemoved
from vigil_resources.settings import Settings
from vigil_resources.wiring import embedded_postgres

_LARGE = ("lake", "scratch")
"""Shown folder by folder."""


def show(settings: Settings) -> None:
    """Print the room that each part of the local state takes, as the disk counts it."""
    total = 0
    for folder in sorted(settings.data_dir.glob("*")):
        size = bytes_below(folder)
        total += size
        print(f"{size / 1e6:12,.1f} MB  {folder.name}")
        if folder.name in _LARGE:
            for part in sorted(folder.glob("*")):
                print(f"{bytes_below(part) / 1e6:12,.1f} MB    {folder.name}/{part.name}")
    print(f"{total / 1e6:12,.1f} MB  in {settings.data_dir}")
    elsewhere = _lake_elsewhere(settings)
    if elsewhere is not None:
        print(f"{bytes_below(elsewhere) / 1e6:12,.1f} MB  in the lake at {elsewhere}")
    elif settings.lake.startswith("s3://"):
        print(f"the lake lies in {settings.lake}, not on this disk")


def clean(settings: Settings, *, yes: bool) -> None:
    """Remove the local state.

    Raises:
        NotConfirmed: Whoever was asked did not say yes.
        NotRemoved: Something could not be removed.
    """
    size = bytes_below(settings.data_dir) / 1e6
    question = f"Type yes to remove {size:,.1f} MB, everything under {settings.data_dir}: "
    if not yes and ask(question) != "yes":
        raise NotConfirmed("nothing was removed")
    embedded_postgres(settings).stop()
    failed: list[str] = []
    if settings.data_dir.exists():
        shutil.rmtree(settings.data_dir, onerror=lambda _, path, __: failed.append(path))
    if failed:
        raise NotRemoved(failed)
    print(f"removed {settings.data_dir}, {size:,.1f} MB")
    elsewhere = _lake_elsewhere(settings)
    if elsewhere is not None or settings.lake.startswith("s3://"):
        print(f"the lake at {settings.lake} lies elsewhere and was left")


def bytes_below(folder: Path) -> int:
    """Bytes that the disk holds for a folder; what goes while we look counts nothing."""
    return sum(_bytes_of(folder))


def _bytes_of(folder: Path) -> Iterator[int]:
    for path in (folder, *folder.rglob("*")):
        try:
            yield path.lstat().st_blocks * 512
        except FileNotFoundError:
            continue


def _lake_elsewhere(settings: Settings) -> Path | None:
    if settings.lake.startswith("s3://"):
        return None
    lake = Path(settings.lake)
    return None if lake.is_relative_to(settings.data_dir) else lake
