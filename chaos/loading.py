"""The load as an attack runs it: in a process of its own, days in order, what is current skipped.

The same calls as the assets `raw_fills`, `fills_parquet` and `fills` make, without Dagster's
seconds for a start: what is attacked here is the load. Dagster itself is attacked in
`chaos.orchestration`.
"""

import io
import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from datetime import date
from pathlib import Path

from vigil_core.errors import LakeIncomplete, UnreadableObject
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_lake, open_raw_fills, open_warehouse


def load(settings: Settings, days: Iterable[date], *, force: bool = False) -> int:
    """List, decode and load what is missing or stale; gives the days that were loaded."""
    raw, lake, warehouse = open_raw_fills(settings), open_lake(settings), open_warehouse(settings)
    loaded = 0
    for day in days:
        manifest = raw.manifest(day)
        try:
            kept = lake.manifest(day).version
        except LakeIncomplete:
            kept = ""
        if force or kept != manifest.version:
            lake.write_manifest(manifest)
        lake.take_in_stale(raw.store, manifest, lambda _: None)
        content = lake.day(day)
        if force or warehouse.loaded_version(day) != content.version:
            warehouse.load_day(
                lake, content, source=manifest.source, missing_hours=manifest.missing_hours
            )
            loaded += 1
    return loaded


def load_and_build(settings: Settings, days: Sequence[date], *, force: bool = False) -> None:
    """`load`, and all that the warehouse makes of it, as `db-refresh` does."""
    # Seconds to import, and the load alone does not need it.
    from vigil_cli.database import refresh

    load(settings, days, force=force)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        refresh(settings)


def in_child(environment: Mapping[str, str], days: Sequence[date], force: bool, said: str) -> None:
    """`load` for a process that was forked; what goes wrong is written to the file `said`."""
    # What it says of a connection that is gone is in the error too.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    try:
        load(Settings.from_environment(environment), days, force=force)
    except Exception:  # Whatever it is: the attack judges it.
        Path(said).write_text(traceback.format_exc())
        sys.exit(1)


def follow(environment: Mapping[str, str], days: Sequence[date], said: str) -> None:
    """Load whatever has come by now, again and again, until this process is killed."""
    while True:
        settings = Settings.from_environment(environment)
        raw = Path(settings.node_data)
        there = {path.name for path in (raw / "node_fills_by_block" / "hourly").glob("*")}
        try:
            load(settings, [day for day in days if f"{day:%Y%m%d}" in there])
        except UnreadableObject:
            # Listed, and replaced before it was read: the next round lists it anew.
            continue
        except Exception:
            Path(said).write_text(traceback.format_exc())
            raise
        time.sleep(0.2)


def main() -> int:
    """`python -m chaos.loading FIRST LAST`: prints days, seconds and the most memory held."""
    from vigil_core.calendar import days_between

    first, last = map(date.fromisoformat, sys.argv[1:3])
    begun = time.monotonic()
    loaded = load(Settings.from_environment(), list(days_between(first, last)))
    (peak,) = re.findall(r"VmHWM:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    took = round(time.monotonic() - begun, 2)
    print(json.dumps({"days": loaded, "seconds": took, "peak_mb": int(peak) // 1024}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
