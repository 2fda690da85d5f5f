"""The live tail, in the foreground."""

import asyncio
import signal
import sys
import time

from vigil_cli.ready import database_ready
from vigil_resources.live.store import LiveStore
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_live_store, open_live_tail

ONCE_SECONDS = 60.0


def live(settings: Settings, *, once: bool, seconds: float | None) -> None:
    """Listen until Ctrl-C or SIGTERM, for so many seconds, or to what a start brings."""
    with database_ready(settings), open_live_store(settings) as store:
        asyncio.run(_listen(settings, store, once=once, seconds=seconds))


async def _listen(
    settings: Settings, store: LiveStore, *, once: bool, seconds: float | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)
    tail = open_live_tail(settings, store, _report)
    await tail.run(stop, once_s=ONCE_SECONDS if once else None)


def _report(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())}  {text}", file=sys.stderr, flush=True)
