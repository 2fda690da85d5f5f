"""A day ten times the usual size."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import lz4.frame

from bench.hours import DAY, write_hours
from chaos.campaigns import Campaign, Context, Outcome
from chaos.installation import Installation
from chaos.months import month_of
from tests.harness.kills import processes_in
from vigil_resources.settings import PROJECT_ROOT

USUAL = 2_000_000
"""Fills of what `bench ingest` calls a day."""
_BASE = 200_000
"""Fills that are made up; the others are copies of these in blocks of their own."""
_MOST_MB = 1536
_NUMBER = re.compile(rb'"block_number":([0-9]+)')


def ten_days_in_one(context: Context) -> Outcome:
    """Ten times the fills, in 24 objects, decoded and loaded as any other day."""
    base = context.count(_BASE, least=24_000)
    copies = max(10, round(10 * USUAL / _BASE))
    raw = context.folder / "raw"
    written = write_hours(context.folder / "base", base)
    begun = time.monotonic()
    _multiply(context.folder / "base", raw, copies)
    context.say(f"{written * copies:,} fills written, {time.monotonic() - begun:.0f} s")
    month = context.shared.get(month_of(2))
    here = month.installation(context.folder, raw)
    figures, server_mb = _loaded(here, month.folder / "server" / "postgres" / "cluster")
    ((rows, repeated, rejected),) = here.rows(
        "SELECT (SELECT count(*) FROM fills), (SELECT sum(repeated_count) FROM day_state),"
        " (SELECT count(*) FROM quarantined_lines)"
    )
    misses = []
    if (rows, repeated, rejected) != (written * copies, 0, 0):
        misses.append(f"{written * copies:,} came, {rows:,} are there; {repeated=}, {rejected=}")
    if max(figures["peak_mb"], server_mb) >= _MOST_MB:
        misses.append(f"the loader held {figures['peak_mb']} MB, one of the server {server_mb} MB")
    figure = f"{rows:,} fills in {figures['seconds']:.0f} s; the loader held"
    figure += f" {figures['peak_mb']:,} MB, the largest process of the server {server_mb:,} MB"
    return Outcome(not misses, figure, {"fills": written * copies}, tuple(misses))


def _multiply(base: Path, raw: Path, copies: int) -> None:
    """Every block so many times, each with numbers of its own, in one row of blocks."""
    number = 0
    for hour in range(24):
        key = f"node_fills_by_block/hourly/{DAY:%Y%m%d}/{hour}.lz4"
        text = lz4.frame.decompress((base / key).read_bytes())
        numbers = [int(found) for found in _NUMBER.findall(text)]
        number = number or numbers[0]
        target = raw / key
        target.parent.mkdir(parents=True, exist_ok=True)
        with lz4.frame.open(target, "wb", content_checksum=True) as out:
            for copy in range(1, copies + 1):
                shift = number - numbers[0]
                shifted = _NUMBER.sub(
                    lambda found, by=shift: b'"block_number":%d' % (int(found[1]) + by),  # type: ignore[misc]
                    text,
                )
                out.write(shifted.replace(b'"tid":', b'"tid":%d' % copy))
                number += numbers[-1] - numbers[0] + 1


def _loaded(here: Installation, cluster: Path) -> tuple[dict[str, float], int]:
    """What the loader says of itself, and MB of the server's largest process meanwhile."""
    largest = 0
    with subprocess.Popen(
        [sys.executable, "-m", "chaos.loading", str(DAY), str(DAY)],
        cwd=PROJECT_ROOT,
        env=here.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as loader:
        while loader.poll() is None:
            largest = max([largest, *(mb for _, mb in processes_in(cluster))])
            time.sleep(0.5)
        assert loader.stdout is not None
        said = loader.stdout.read()
    if loader.returncode:
        raise RuntimeError(f"the loader ended with {loader.returncode}")
    figures: dict[str, float] = json.loads(said)
    return figures, largest


CAMPAIGNS = (
    Campaign(
        15,
        "ten-days-in-one",
        "A day of any size is loaded in bounded memory",
        f"a day of {10 * USUAL / 1e6:.0f} million fills, ten times what `bench ingest` calls a day",
        "loader and each process of the server under 1.5 GB resident; every fill there",
        ten_days_in_one,
    ),
)
