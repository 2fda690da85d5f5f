"""Aggregates and profiles of days on Spark, beside the database."""

import argparse
import sys
from datetime import date
from pathlib import Path

from vigil_cli.ready import database_ready
from vigil_core.calendar import days_between
from vigil_core.errors import InvalidSetting
from vigil_resources import spark_lake
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_lake, open_warehouse


def spark_aggregates(settings: Settings, arguments: argparse.Namespace) -> None:
    """Write what the models give over the lake's days as Parquet, and profiles where asked for.

    Raises:
        InvalidSetting: The span, or one of Spark's settings, makes no sense.
        LakeIncomplete: The lake does not hold the days whole.
        NotLoaded: Profiles are asked for, and the database lacks a day's round trips.
        SparkFailed: What Spark said.
    """
    first: date = arguments.start
    last: date = arguments.end
    if last < first:
        raise InvalidSetting("START END", f"{first} {last}", "START <= END")
    pairs = [pair.partition("=") for pair in arguments.conf]
    if not all(middle for _, middle, _ in pairs):
        raise InvalidSetting("--conf", " ".join(arguments.conf), "NAME=VALUE")
    to: Path = (arguments.to or settings.data_dir / "spark").resolve()
    days = list(days_between(first, last))
    job = spark_lake.aggregates(open_lake(settings), days)
    if arguments.profiles:
        with database_ready(settings):
            job["stages"].append(spark_lake.profiles(open_warehouse(settings), days, to))
    print(f"{len(job['fills']['files'])} files to {arguments.master}", file=sys.stderr)
    conf = {name: value for name, _, value in pairs}
    spark_lake.run(job, to, master=arguments.master, settings=conf)
    for stage in job["stages"]:
        for name in stage["relations"]:
            print(to / name)
