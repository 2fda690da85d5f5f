"""A world played to a listener, and what should be known of it by then."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import Installation
from vigil_core.live.messages import Kind, Stream
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.budget import WeightBudget
from vigil_resources.live.store import LiveStore
from vigil_resources.live.tail import LiveTail, Pace
from vigil_sandbox.info_server import world_blocks

FAST = Pace(
    ping_s=0.2,
    silence_s=2.0,
    flush_s=0.02,
    first_pause_s=0.02,
    longest_pause_s=0.1,
    keep_s=0.2,
    audit_s=0.4,
)
"""For a server on loopback, whose world goes by in seconds."""

FillKey = tuple[int, str, str, int, int]
TradeKey = tuple[str, int, int]


class Truth:
    """What really happened in a world."""

    def __init__(self, root: Path) -> None:
        self.blocks = list(world_blocks(root))
        self.legs = [(address, fill) for block in self.blocks for address, fill in block["events"]]

    def busiest(self, count: int, *, start: int = 0, end: int = 1 << 62) -> list[str]:
        """Accounts with most fills; slices of TWAP orders count ten times, to have some."""
        seen: Counter[str] = Counter()
        for address, fill in self.legs:
            if start <= fill["time"] < end:
                seen[address] += 1 if fill.get("twapId") is None else 10
        return [address for address, _ in seen.most_common(count)]

    def fills(self, accounts: Sequence[str], start: int, end: int) -> set[FillKey]:
        """Keys of fills with start <= time < end."""
        return {
            fill_key(address, fill)
            for address, fill in self.legs
            if address in accounts and start <= fill["time"] < end
        }

    def trades(self, coins: Sequence[str], start: int, end: int) -> set[TradeKey]:
        """Keys of trades, likewise; a dust conversion is none."""
        return {
            (fill["coin"], fill["time"], fill["tid"])
            for _, fill in self.legs
            if fill["coin"] in coins and fill["tid"] and start <= fill["time"] < end
        }


def fill_key(address: str, fill: dict[str, Any]) -> FillKey:
    return (fill["time"], address, fill["coin"], fill["oid"], fill["tid"])


def keys_of(vigil: Installation, relation: str, where: str = "true") -> list[FillKey]:
    """Keys in a relation with the columns of fills."""
    rows = vigil.records(f"SELECT time, user_address, coin, oid, tid FROM {relation} WHERE {where}")
    return [tuple(row.values()) for row in rows]  # type: ignore[misc]


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never did"
        time.sleep(0.02)


def streams_of(accounts: Sequence[str], coins: Sequence[str]) -> set[Stream]:
    """All that is subscribed to for them."""
    users = {Stream(kind, one) for one in accounts for kind in (Kind.FILLS, Kind.TWAP_FILLS)}
    return users | {Stream(Kind.TRADES, coin) for coin in coins}


@contextmanager
def listening(
    warehouse: Warehouse,
    url: str,
    streams: Callable[[], set[Stream]],
    api_url: str | None,
    folder: Path,
    pace: Pace = FAST,
    made: Callable[[LiveTail], object] = lambda _: None,
) -> Iterator[list[str]]:
    """A live tail in a thread, ended in order; gives what it reported."""
    api = None
    if api_url is not None:
        budget = WeightBudget(folder / "budget", 1_000_000)
        api = ExchangeApi(api_url, budget, timeout_s=2, patience_s=2)
    reported: list[str] = []
    started = threading.Event()
    failed: list[BaseException] = []
    ended: Callable[[], object] = lambda: None  # noqa: E731

    async def listen() -> None:
        nonlocal ended
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        ended = lambda: loop.call_soon_threadsafe(stop.set)  # noqa: E731
        started.set()
        await tail.run(stop)

    def run() -> None:
        try:
            asyncio.run(listen())
        except BaseException as error:
            failed.append(error)

    with LiveStore(warehouse) as store:
        tail = LiveTail(url, store, streams, api, pace=pace, report=reported.append)
        made(tail)
        thread = threading.Thread(target=run)
        thread.start()
        started.wait()
        try:
            yield reported
        finally:
            ended()
            thread.join()
    if failed:
        raise failed[0]
