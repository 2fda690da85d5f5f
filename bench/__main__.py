"""Runs what is measured: `python -m bench [NAME] [ARGUMENTS]`, the names being those below.

Without one, all.
"""

import runpy
import sys

NAMES = (
    "ingest",
    "stages",
    "warehouse",
    "fifo",
    "artemis",
    "sizes",
    "metrics",
    "persistence",
    "backtests",
    "backfills",
    "pages",
    "arrivals",
    "live",
    "spark",
    "fan_out",
)

if __name__ == "__main__":
    asked = sys.argv[1:2]
    if asked and asked[0] not in NAMES:
        sys.exit(f"bench: expected one of {', '.join(NAMES)}, found {asked[0]!r}")
    rest = sys.argv[2:]
    for name in asked or NAMES:
        print(f"=== {name}", flush=True)
        sys.argv = [name, *rest]
        runpy.run_module(f"bench.{name}", run_name="__main__")
