"""Whose first fill anywhere is recent, of smart money."""

import argparse
import sys
import time
from collections import Counter

from vigil_cli.ready import database_ready
from vigil_cli.tables import show
from vigil_core.calendar import day_of
from vigil_core.new_smart_money import DEFAULT_CUTOFF
from vigil_resources.metrics.new_smart_money import WORKERS, Progress
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_new_smart_money

_PAUSE_S = 1.0
"""Between lines of progress."""


def find_new_smart_money(settings: Settings, arguments: argparse.Namespace) -> None:
    """Write today's file, and show who is new.

    Raises:
        AddressesFailed: With the list of them; all others are in the file.
    """
    cutoff = arguments.cutoff or DEFAULT_CUTOFF
    with database_ready(settings):
        newcomers = open_new_smart_money(settings, by_lambda=arguments.by_lambda)
        result = newcomers.find(
            everyone=arguments.all,
            cutoff=cutoff,
            workers=arguments.w or WORKERS,
            report=_Shown(),
        )
    new = [one for one in result.findings if one.is_new]
    rows = [
        (
            one.user_address,
            day_of(one.first_fill),
            day_of(one.last_fill),
            one.fills_seen,
            one.db_net_pnl,
            one.sharpe_ratio,
        )
        for one in sorted(new, key=lambda one: (-one.first_fill, one.user_address))
    ]
    headers = ["trader", "first fill", "last fill", "fills seen", "net PnL USD", "Sharpe ratio"]
    show(f"New since {cutoff}", headers, rows)
    counts = Counter(one.is_new for one in result.findings)
    print(
        f"{len(result.findings)} traders: {counts[True]} new, {counts[False]} not, "
        f"{counts[None]} unknown, as their history is cut off; {result.asked} asked for now"
    )
    print(result.path)


class _Shown:
    """A line on stderr, not oftener than each second; always one for a failure and at the end."""

    def __init__(self) -> None:
        self._next = 0.0
        self._failed = 0

    def __call__(self, progress: Progress) -> None:
        is_plain = progress.done < progress.total and progress.failed == self._failed
        if is_plain and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PAUSE_S
        self._failed = progress.failed
        seconds = max(progress.seconds, 1e-9)
        filled = round(24 * progress.done / progress.total)
        print(
            f"[{'#' * filled}{'.' * (24 - filled)}] {progress.done}/{progress.total} addresses  "
            f"{progress.fills / seconds:,.0f} fills/s  {progress.seconds_left:,.0f} s left"
            f"{f'  {progress.failed} failed' if progress.failed else ''}",
            file=sys.stderr,
            flush=True,
        )
