"""The same parsers under a fuzzer that looks for branches it has not seen: atheris.

It learns from what it reaches, where `odd_lines` knows what to reach for. Compiled code it cannot
see: of the kernels it is given the source, run as plain Python in a memory that is checked.
"""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from chaos.campaigns import Campaign, Context, Outcome
from vigil_core.errors import VigilError
from vigil_resources.settings import PROJECT_ROOT

RUNS = {
    "block": 150,
    "event": 150,
    "trade": 150,
    "balances": 150,
    "contexts": 500,
    "leaderboard": 4_000,
    "export": 4_000,
    "updates": 4_000,
    "chat message": 6_000,
    "signal body": 4_000,
    "answer": 2_000,
}
"""Inputs of each target, beyond the first ones. Those that interpret a kernel take 0.05 s each."""

_CORPUS_RUNS = 61


class NoAtheris(VigilError):
    """The fuzzer is not installed; there are wheels of it for Linux alone."""

    def __init__(self) -> None:
        super().__init__("atheris is not installed: it comes with the extra dev, on Linux")


def run_target(name: str, folder: Path, runs: int, seed: int) -> tuple[int, int, str]:
    """(inputs tried, branches seen, what went wrong) of one target.

    Raises:
        NoAtheris: It is not installed.
    """
    if importlib.util.find_spec("atheris") is None:
        raise NoAtheris
    words = [name, str(folder), str(runs + _CORPUS_RUNS), str(seed)]
    ran = subprocess.run(
        [sys.executable, "-m", "chaos.coverage_guided", *words],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = ran.stdout + ran.stderr
    tried = re.findall(r"stat::number_of_executed_units: (\d+)", said)
    seen = re.findall(r"cov: (\d+)", said)
    wrong = "" if ran.returncode == 0 else f"exit status {ran.returncode}: {said[-1_500:]}"
    return int(tried[-1]) if tried else 0, int(seen[-1]) if seen else 0, wrong


def fuzz_coverage(context: Context) -> Outcome:
    """Each target in a process of its own."""
    injected, misses, branches = {}, [], 0
    for name, runs in RUNS.items():
        folder = context.folder / name.replace(" ", "-")
        # libFuzzer takes 0 for any seed.
        seed = 1 + context.random.randrange(2**31 - 1)
        tried, seen, wrong = run_target(name, folder, context.count(runs), seed)
        injected[name] = tried
        branches += seen
        misses += [f"{name}, -seed={seed}: {wrong}"] if wrong else []
    figure = f"{len(misses)} crashes; {branches:,} edges of Python reached"
    return Outcome(not misses, figure, injected, tuple(misses))


CAMPAIGNS = [
    Campaign(
        35,
        "fuzz-coverage",
        "any bytes are rows, or quarantined, or refused with a clear error",
        "atheris on every parser, the kernels' source run as Python in checked memory",
        "no crash, no disagreement, no byte read out of bounds",
        fuzz_coverage,
    ),
]
