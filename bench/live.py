"""How many messages a second the live tail keeps up with, and how late a row is visible.

A small world's blocks, over and over with new numbers, from a server in a process of its own, into
a fresh embedded Postgres; less than a minute in all.
"""

import asyncio
import importlib
import json
import statistics
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from vigil_cli.ready import database_ready
from vigil_core.live.messages import Kind, Stream
from vigil_resources.live.store import Batch, LiveStore
from vigil_resources.live.tail import LiveTail
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_warehouse
from vigil_sandbox.info_server import WireRow, world_blocks
from vigil_sandbox.stream_server import StreamServer
from vigil_sandbox.world import TINY, write_world

COPIES = 14
"""Of the world's blocks."""
SLOW_COPIES = 2
BLOCKS_PER_S = 100
"""While delays are measured: eight times what the exchange has."""
COINS = ("SOL", "HYPE", "OP", "ETH", "BTC", "kBONK", "AVAX")


def main() -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder, "world")
        write_world(TINY, world)
        once = [block for block in world_blocks(world) if block["events"]]
        settings = Settings.from_environment({"VIGIL_DATA_DIR": f"{folder}/data"})
        with database_ready(settings):
            asyncio.run(_measure(settings, once))


async def _measure(settings: Settings, once: list[WireRow]) -> None:
    ours, theirs = get_context("spawn").Pipe()
    # By its name: run by `bench`, this module is another one's __main__.
    serve = importlib.import_module("bench.live")._serve
    server = get_context("spawn").Process(target=serve, args=(theirs, once))
    server.start()
    url, accounts = await asyncio.to_thread(ours.recv)
    users = {Stream(kind, one) for one in accounts for kind in (Kind.FILLS, Kind.TWAP_FILLS)}
    streams = users | {Stream(Kind.TRADES, coin) for coin in COINS}
    stop = asyncio.Event()
    with _Watched(open_warehouse(settings)) as store:
        tail = LiveTail(url, store, lambda: streams, None)
        listening = asyncio.create_task(tail.run(stop))
        await asyncio.to_thread(ours.send, len(streams))
        began, messages, sent_s = await asyncio.to_thread(ours.recv)
        # Beside them came the greeting, confirmations and snapshots.
        while store.messages < messages + 1 + len(streams) + len(users):
            await asyncio.sleep(0.02)
        seconds = store.last_commit - began
        print(
            f"{messages} messages ({store.rows} rows) in {seconds:.1f} s: "
            f"{messages / seconds:,.0f} messages/s, {store.rows / seconds:,.0f} rows/s "
            f"(all handed over after {sent_s:.1f} s)"
        )
        store.delays_wanted = True
        await asyncio.to_thread(ours.send, BLOCKS_PER_S)
        sent: dict[Any, float] = await asyncio.to_thread(ours.recv)
        while store.seen.keys() < sent.keys():
            await asyncio.sleep(0.05)
        delays = sorted(1_000 * (store.seen[key] - at) for key, at in sent.items())
        print(
            f"from message to committed row, {BLOCKS_PER_S} blocks/s, {len(delays)} trades: "
            f"median {statistics.median(delays):.0f} ms, "
            f"p99 {delays[len(delays) * 99 // 100]:.0f} ms, most {delays[-1]:.0f} ms"
        )
        stop.set()
        await listening
    server.join()


class _Watched(LiveStore):
    """Notes when what was committed."""

    rows = 0
    messages = 0
    last_commit = 0.0
    delays_wanted = False

    def __init__(self, warehouse: Any) -> None:
        super().__init__(warehouse)
        self.seen: dict[tuple[str, int], float] = {}

    def write(self, batch: Batch, connected_at: int | None, heard_at: int) -> None:
        super().write(batch, connected_at, heard_at)
        self.last_commit = time.time()
        self.rows += len(batch.fills) + len(batch.trades)
        self.messages += batch.messages
        if self.delays_wanted:
            # Columns begin with received_at, time, tid.
            for row in batch.trades:
                self.seen.setdefault((Kind.TRADES.value, row[2]), self.last_commit)


def _serve(pipe: Connection, once: list[WireRow]) -> None:
    blocks = [_renumbered(block, copy) for copy in range(COPIES) for block in once]
    users: dict[str, int] = {}
    for block in once:
        for address, _ in block["events"]:
            users[address] = users.get(address, 0) + 1
    accounts = sorted(users, key=lambda one: -users[one])[:10]
    with StreamServer(blocks) as server:
        pipe.send((server.url, accounts))
        server.wait_for(pipe.recv())
        slow_from = blocks[-len(once) * SLOW_COPIES]["events"][0][1]["time"]
        began = time.time()
        server.play(slow_from)
        pipe.send((began, server.messages, time.time() - began))
        server.sent_at = {}
        pause = 1 / pipe.recv()
        while (next_ms := server.next_ms) is not None:
            server.play(next_ms + 1)
            time.sleep(pause)
        trades = {key: at for key, at in server.sent_at.items() if key[0] == Kind.TRADES}
        pipe.send({(str(kind), tid): at for (kind, tid), at in trades.items()})
        # The other side ends the connection.
        while server._clients:
            time.sleep(0.05)


def _renumbered(block: WireRow, copy: int) -> WireRow:
    """The same block two days later, with trades of its own."""
    text = json.dumps(block)
    made: WireRow = json.loads(text)
    made["block_number"] += copy * 10_000_000
    for _, fill in made["events"]:
        fill["time"] += copy * 2 * 86_400_000
        if fill["tid"]:
            fill["tid"] += copy
        fill["oid"] += copy
    return made


if __name__ == "__main__":
    main()
