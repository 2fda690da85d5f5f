"""The daily aggregates and the profiles on Spark, over the lake's own files.

Spark runs in an environment of its own (`deploy/spark/requirements.lock`), as a program that is
given its job as JSON: the files, and the statements of `sql/` in Spark's spelling. It knows
nothing of Vigil.

Exact, or an error. Columns keep the lake's DECIMAL(38, 12). A product of two is DECIMAL(38, 24)
in Spark as it is run here, and a sum keeps that: whatever would not fit, from 1e14 on, is raised.
Spark's own defaults would make it DECIMAL(38, 6), and round without a word.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from vigil_core.calendar import day_start_ms
from vigil_core.errors import LakeIncomplete, NotLoaded, SparkFailed
from vigil_core.fills.schema import MONEY_SCALE
from vigil_resources.database import round_trips
from vigil_resources.database.warehouse import CLASSIFIED_BY, FOREVER, Warehouse
from vigil_resources.files.lake import Lake
from vigil_resources.settings import PROJECT_ROOT
from vigil_resources.statements import SchemaObject, manifest, models, query

SPARK = PROJECT_ROOT / "deploy" / "spark"
PROFILES = "trader_profiles"
POSITIONS = "trader_coin_daily"

FUNCTIONS = ("is_usd_stablecoin", "is_spot", "fee_usd")
"""What the models call, in an order in which each comes after those it calls."""

_TYPES = {"bigint": "BIGINT", "text": "STRING", "boolean": "BOOLEAN"}
_MONEY = f"DECIMAL(38, {MONEY_SCALE})"
_EXACT = f"DECIMAL(38, {2 * MONEY_SCALE})"
"""Holds a product of two of the lake's columns to the last digit, up to 1e14."""

_DEFINITION = re.compile(
    r"FUNCTION (\w+)\((?P<arguments>[^)]*)\)\s*"
    r"RETURNS (?:TABLE \((?P<columns>[^)]*)\)|(?P<type>\w+)).*?AS \$\$(?P<body>.*)\$\$",
    re.S,
)

_POSITION_TYPES = {
    "user_address": pl.String(),
    "coin": pl.String(),
    "day": pl.Int64(),
    "first_time": pl.Int64(),
    "last_time": pl.Int64(),
    "closed_trades": pl.Int64(),
    # Spark gives a quotient decimals by those of what is divided.
    "hold_ms": pl.Decimal(38, 18),
}
"""A day without any position has no types of its own."""


def in_spark(text: str) -> str:
    """A statement of `sql/` as Spark has to be told it; nothing but names changes.

    `time_bucket` is another function there; there is no schema `public`; and `numeric` without
    digits means whole numbers there, while a literal is exact without being told so.

    >>> in_spark("SELECT time_bucket(86400000::bigint, time), public.f(x) >= 0.20::numeric")
    'SELECT bucket_ms(86400000::bigint, time), f(x) >= 0.20'
    """
    text = text.replace("time_bucket(", "bucket_ms(")
    return text.replace("public.", "").replace("::numeric", "")


def in_spark_function(definition: SchemaObject) -> str:
    """A function of `sql/functions` as a temporary one of Spark's; its body is as it was."""
    found = _DEFINITION.search(definition.text)
    assert found is not None, definition.name
    arguments = _typed(found["arguments"], _MONEY)
    if found["columns"] is not None:
        returned = f"TABLE ({_typed(found['columns'], _EXACT)})"
        body = f"RETURN {in_spark(found['body'])}"
    else:
        returned = _typed(f"_ {found['type']}", _EXACT).removeprefix("_ ")
        body = f"RETURN ({in_spark(found['body'])})"
    return (
        f"CREATE TEMPORARY FUNCTION {definition.relation}({arguments}) RETURNS {returned}\n{body}"
    )


def _typed(names: str, numeric: str) -> str:
    """`name type, …` with Spark's types."""
    pairs = [pair.split() for pair in names.split(",")]
    types = _TYPES | {"numeric": numeric}
    return ", ".join(f"{name} {types[kind]}" for name, kind in pairs)


def aggregates(lake: Lake, days: Sequence[date]) -> dict[str, Any]:
    """A job: all models over the fills of these days.

    Raises:
        LakeIncomplete: The lake has nothing of a day, or files that nobody vouches for.
    """
    contents = [lake.day(day) for day in days]
    for content in contents:
        if not content.entries:
            raise LakeIncomplete(
                f"the lake holds nothing of {content.day}",
                f"run `./vigil fetch-data {content.day} {content.day}`",
            )
    parts = [part for content in contents for part in content.parts]
    fills = {
        "files": [_address(lake, part.path) for part in parts],
        "repeated": query("spark/repeated_fills"),
        "contradicting": query("fills/contradicting_fills").format(new_day="lake_fills"),
        "first_deliveries": query("spark/first_deliveries"),
    }
    ours = [query("spark/bucket_ms"), query("spark/trim_scale")]
    stage = {
        "views": {},
        "functions": [*ours, *map(_function, FUNCTIONS)],
        "relations": {name: in_spark(model.text) for name, model in models().items()},
    }
    return {"fills": fills, "stages": [stage]}


def profiles(warehouse: Warehouse, days: Sequence[date], to: Path) -> dict[str, Any]:
    """A further stage: profiles of these days alone; writes the positions that they read.

    Raises:
        NotLoaded: The warehouse lacks the round trips of one of the days.
    """
    built = warehouse.current_days(round_trips.RELATION)
    for day in days:
        if day not in built:
            raise NotLoaded(PROFILES, str(day))
    folder = to / POSITIONS
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for day in days:
        rows = warehouse.table("spark/trader_coin_daily", {"day": day_start_ms(day)})
        rows.cast(pl.Schema(_POSITION_TYPES)).write_parquet(folder / f"{day}.parquet")
    ((trader_type, rule),) = warehouse.rows("spark/rules", {"rule_set": CLASSIFIED_BY})
    statement = query("spark/profiles").format(
        trader_type=in_spark(trader_type), rule=in_spark(rule), before=FOREVER
    )
    return {
        "views": {POSITIONS: str(folder)},
        "functions": [_function("trader_metrics_before")],
        "relations": {PROFILES: statement},
    }


def run(job: Mapping[str, Any], to: Path, *, master: str, settings: Mapping[str, str]) -> None:
    """Have Spark do a job and write its relations as Parquet, a folder each, replacing them.

    Args:
        job: Of `aggregates`, its stages perhaps more.
        to: Where every process of the cluster can write.
        master: `local[*]`, or `spark://host:port`.
        settings: Further ones of Spark's.

    Raises:
        SparkFailed: What it said, with nothing of an unfinished relation to be read.
    """
    to.mkdir(parents=True, exist_ok=True)
    told = {**job, "to": str(to), "master": master, "settings": dict(settings)}
    with tempfile.TemporaryFile("w+") as said:
        ended = subprocess.run(
            [environment() / "bin" / "python", SPARK / "run_job.py"],
            input=json.dumps(told).encode(),
            stderr=said,
            check=False,
        )
        if ended.returncode:
            said.seek(0)
            raise SparkFailed([line for line in said.read().splitlines() if line.strip()])


def environment() -> Path:
    """Spark's own Python environment, made from its lock file where it is not there."""
    lock, folder = SPARK / "requirements.lock", PROJECT_ROOT / ".vigil" / "spark"
    stamp, made = folder / "lock.sha256", hashlib.sha256(lock.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == made):
        print("vigil: setting up Spark's environment, once …", file=sys.stderr, flush=True)
        uv = str(Path(sys.executable).with_name("uv"))
        python = str(folder / "bin" / "python")
        commands = (
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
            [uv, "pip", "sync", "--quiet", "--require-hashes", "--python", python, str(lock)],
        )
        for command in commands:
            ended = subprocess.run(command, check=False, capture_output=True, text=True)
            if ended.returncode:
                raise SparkFailed(ended.stderr.splitlines())
        stamp.write_text(made)
    return folder


def _function(name: str) -> str:
    path = f"functions/{name}"
    (definition,) = (o for o in manifest() if o.name == path)
    return in_spark_function(definition)


def _address(lake: Lake, key: str) -> str:
    """Where Spark finds a file of the lake; in a bucket by Hadoop's name for S3."""
    local = lake.store.local_path(key)
    return str(local) if local else f"{lake.store.root.replace('s3://', 's3a://')}/{key}"
