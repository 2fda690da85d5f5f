"""Some traders of another database, to work on at home."""

import argparse
from datetime import date
from pathlib import Path

from vigil_cli.ready import database_ready
from vigil_core.calendar import days_between
from vigil_core.errors import InvalidSetting
from vigil_resources.database.sample import SampledDay, take_sample
from vigil_resources.files.lake import Lake
from vigil_resources.files.store import Store
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_warehouse


def cloud_sample(settings: Settings, arguments: argparse.Namespace) -> None:
    """Write the fills of one trader in so many into a lake, and say how to load it.

    Raises:
        InvalidSetting: No database is named, or the span or the share makes no sense.
        NotLoaded: The database lacks one of the days.
    """
    first: date = arguments.start
    last: date = arguments.end
    if settings.database_url is None:
        raise InvalidSetting("DATABASE_URL", "", "the database to take the sample from")
    if last < first:
        raise InvalidSetting("START END", f"{first} {last}", "START <= END")
    if arguments.one_in < 1:
        raise InvalidSetting("--one-in", str(arguments.one_in), "1 or more")
    folder: Path = arguments.to or settings.data_dir / "sample"
    lake = Lake(Store(str(folder.resolve())), settings.data_dir / "scratch")
    with database_ready(settings, install=False):
        take_sample(
            open_warehouse(settings),
            lake,
            settings.data_dir / "scratch",
            list(days_between(first, last)),
            arguments.one_in,
            _say,
        )
    print(f"load it with: PARQUET_S3={folder} ./vigil local-load {first} {last}")


def _say(day: SampledDay) -> None:
    print(f"{day.day}: {day.rows:,} of {day.of_rows:,} fills")
