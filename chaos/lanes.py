"""Campaigns beside each other: most of them wait for much of their time."""

import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from chaos.campaigns import Campaign
from chaos.results import newest

_CALLERS = ("api-", "fuzz-")
"""Names of what attacks the API and the readers of texts begin so."""


def lanes(asked: Iterable[Campaign]) -> list[list[Campaign]]:
    """At most two: what callers say, and what is loaded. Each makes for itself what it shares."""
    asked = list(asked)
    callers = [campaign for campaign in asked if campaign.name.startswith(_CALLERS)]
    loads = [campaign for campaign in asked if campaign not in callers]
    return [lane for lane in (loads, callers) if lane]


def in_lanes(paths: Sequence[Sequence[Campaign]], seed: int, scale: float, file: Path) -> list[str]:
    """A process for each, its lines printed as they come; names of those that missed."""
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    readers, processes = [], []
    try:
        for path in paths:
            names = [campaign.name for campaign in path]
            words = [*names, "--seed", str(seed), "--scale", str(scale), "--lanes", "1"]
            process = subprocess.Popen(
                [sys.executable, "-m", "chaos", *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            processes.append(process)
            readers.append(threading.Thread(target=_tell, args=(process,)))
            readers[-1].start()
        for process in processes:
            process.wait()
    except KeyboardInterrupt:
        # They heard it too, and have servers to end.
        for process in processes:
            process.wait()
        raise
    finally:
        for process in processes:
            process.terminate()
        for reader in readers:
            reader.join()
    last = newest(file)
    return [
        campaign.name
        for path in paths
        for campaign in path
        if not _is_met(last.get(campaign.name), begun)
    ]


def _tell(process: "subprocess.Popen[str]") -> None:
    """Each line behind the name of its campaign."""
    assert process.stdout is not None
    name = ""
    for line in process.stdout:
        if line.startswith("=== "):
            name = line.split()[2]
        if line.strip():
            print(f"{name:24} | {line.rstrip()}", flush=True)


def _is_met(line: dict[str, object] | None, begun: str) -> bool:
    return line is not None and str(line["at"]) >= begun and line["passed"] is True
