"""Too much at once, too large, too slow: whoever does it is told so, and nobody else waits."""

import json
import re
import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaos.api_writes import followed
from chaos.campaigns import Campaign, Context, Outcome
from chaos.client import Client, an_address, spoken, status_of
from chaos.installation import Server, served, small_world
from vigil_cli.connections import HEAD_SECONDS, MOST_CONNECTIONS

MOST_SECONDS = 1.0
"""For 99 of 100 answers to others, whatever is going on."""
MOST_RESIDENT_MB = 150
"""That the server may grow by."""
_HOST = b"Host: 127.0.0.1\r\n"
_POST = b"POST /api/traders HTTP/1.1\r\n" + _HOST + b"Content-Type: application/json\r\n"


@dataclass
class _Others:
    """Callers with ordinary wishes, meanwhile."""

    client: Client
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Until told to stop."""
        paths = ("/api/traders", "/healthz", "/api/coins", "/traders")
        n = 0
        while not self.stop.is_set():
            n += 1
            begun = time.monotonic()
            try:
                answer = self.client.get(paths[n % len(paths)])
                self.seconds.append(time.monotonic() - begun)
                if answer.status != 200:
                    self.failures.append(f"{answer.status} for {paths[n % len(paths)]}")
            except OSError as error:
                self.failures.append(f"{paths[n % len(paths)]}: {error}")
            time.sleep(0.02)


@contextmanager
def _others(client: Client) -> Iterator[_Others]:
    meanwhile = _Others(client)
    threads = [threading.Thread(target=meanwhile.ask, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield meanwhile
    finally:
        meanwhile.stop.set()
        for thread in threads:
            thread.join(30)


def _large_bodies(port: int, many: int) -> list[int]:
    """Of 10 MB: announced, in chunks, and as a file."""
    ten = b"x" * 10_000_000
    announced = _POST + b"Content-Length: 10000000\r\n\r\n" + ten
    chunked = _POST + b"Transfer-Encoding: chunked\r\n\r\n989680\r\n" + ten + b"\r\n0\r\n\r\n"
    texts = [announced, chunked]
    return _at_once(many, lambda n: status_of(spoken(port, texts[n % 2], seconds=20)))


def _long_lists(client: Client, many: int, address: str) -> list[int]:
    """Of 100,000 elements, and as long as a body may be."""
    long = json.dumps({"token_whitelist": ["A"] * 100_000}).encode()
    full = b'{"token_whitelist":[' + b"1," * 32_000 + b"1]}"
    deep = b'{"token_whitelist":' + b"[" * 32_000 + b"]" * 32_000 + b"}"
    wide = b"{" + b",".join(b'"%d":1' % n for n in range(6_000)) + b"}"
    texts = [long, full, deep, wide]
    path, tag = f"/api/traders/{address}/tokens", {"If-Match": "*"}
    return _at_once(
        many, lambda n: client("PUT", path, raw=texts[n % 4], headers=tag).status, lanes=4
    )


def _slow_heads(port: int, many: int) -> list[int]:
    """Slowloris: a header a second, without end."""
    return _trickled(port, many, b"GET / HTTP/1.1\r\n" + _HOST, b"X-%d: y\r\n")


def _silent(port: int, many: int) -> list[int]:
    """Connections on which nothing is said."""
    return _trickled(port, many, b"", b"")


def _slow_bodies(port: int, many: int) -> list[int]:
    """A body of a byte a second."""
    return _trickled(port, many, _POST + b"Content-Length: 60000\r\n\r\n", b"x")


def _endless_heads(port: int, many: int) -> list[int]:
    """Headers, and addresses, of megabytes."""
    headers = b"GET / HTTP/1.1\r\n" + _HOST + (b"X-Long: " + b"y" * 8000 + b"\r\n") * 1000
    one = b"GET / HTTP/1.1\r\n" + _HOST + b"X-Long: " + b"y" * 8_000_000
    address = b"GET /?q=" + b"y" * 8_000_000
    names = b"GET / HTTP/1.1\r\n" + _HOST + b"".join(b"X-%d: y\r\n" % n for n in range(2_000))
    texts = [headers, one, address, names]
    return _at_once(many, lambda n: status_of(spoken(port, texts[n % 4], seconds=20)))


def _trickled(port: int, many: int, begin: bytes, more: bytes) -> list[int]:
    """Hold many connections, and say a little more on each every second, until each is answered."""
    heard = [b""] * many
    with ExitStack() as stack:
        lines = []
        for _ in range(many):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            line.sendall(begin)
            line.setblocking(False)
            lines.append(line)
        waiting = set(range(many))
        deadline = time.monotonic() + HEAD_SECONDS + 8
        tick = 0
        while waiting and time.monotonic() < deadline:
            time.sleep(1)
            tick += 1
            for n in list(waiting):
                try:
                    if more:
                        lines[n].send(more.replace(b"%d", str(tick).encode()))
                except OSError:
                    waiting.discard(n)
                try:
                    part = lines[n].recv(65536)
                    heard[n] += part
                    if not part or status_of(heard[n]):
                        waiting.discard(n)
                except BlockingIOError:
                    continue
                except OSError:
                    waiting.discard(n)
    return [status_of(text) for text in heard]


def _too_many(port: int, many: int) -> list[int]:
    """More connections than are kept."""
    with ExitStack() as stack:
        lines = []
        for _ in range(many):
            lines.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)))
        refused = []
        for line in lines[-20:]:
            line.settimeout(0.5)
            try:
                refused.append(status_of(line.recv(65536)))
            except OSError:
                refused.append(0)
    return refused


def _hurried(port: int, many: int) -> list[int]:
    """Requests as fast as they can be written, without waiting for answers, by way of a proxy."""
    one = b"GET /healthz HTTP/1.1\r\n" + _HOST + b"Via: 1.1 proxy\r\n"
    text = (one + b"\r\n") * 400 + one + b"Connection: close\r\n\r\n"
    statuses: list[int] = []

    def send(_: int) -> None:
        heard = spoken(port, text, seconds=60)
        statuses.extend(int(part[:3]) for part in heard.split(b"HTTP/1.1 ")[1:])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(many)))
    return statuses


def _at_once(many: int, do: Callable[[int], int], lanes: int = 8) -> list[int]:
    with ThreadPoolExecutor(lanes) as pool:
        return list(pool.map(do, range(many)))


def flood(context: Context) -> Outcome:
    """One flood after the other, while others ask for ordinary things."""
    lines = context.count(200, 20)
    few = context.count(40, 4)
    misses: list[str] = []
    counts: dict[str, int] = {}
    seen: Counter[int] = Counter()
    slowest: dict[str, float] = {}
    here = context.shared.get(small_world)
    with served(here, context.folder / "api.out") as server:
        port, client = server.port, Client(server.port)
        address = an_address(context.random.getrandbits(64))
        followed(client, address, f"Flooded {address[-6:]}")
        before = _resident_mb(server)
        floods: list[tuple[str, Callable[[], list[int]], set[int]]] = [
            ("bodies of 10 MB", lambda: _large_bodies(port, few), {413}),
            ("long lists", lambda: _long_lists(client, few, address), {413, 422, 400}),
            ("endless heads", lambda: _endless_heads(port, few), {431}),
            ("slow heads", lambda: _slow_heads(port, lines), {408}),
            ("silent connections", lambda: _silent(port, lines), {408}),
            ("slow bodies", lambda: _slow_bodies(port, lines), {408}),
            ("hurried requests", lambda: _hurried(port, context.count(20, 8)), {200, 429}),
        ]
        for name, run, allowed in floods:
            with _others(client) as others:
                statuses = run()
            counts[name] = len(statuses)
            seen.update(statuses)
            bad = Counter(status for status in statuses if status not in allowed)
            misses += [f"{name}: {many} × {status}" for status, many in bad.items()]
            misses += [f"{name}: others got {one}" for one in others.failures[:3]]
            slowest[name] = _p99(others.seconds)
        # Beyond what is kept, nobody else comes in either until some are gone: no p99 there.
        refused = _too_many(port, MOST_CONNECTIONS + 40)
        counts["connections too many"] = len(refused)
        seen.update(refused)
        if set(refused) != {503}:
            misses.append(f"beyond {MOST_CONNECTIONS} connections: {Counter(refused)}")
        if client.get("/healthz").status != 200:
            misses.append("not well afterwards")
        grown = _resident_mb(server) - before
    worst = max(slowest, key=lambda name: slowest[name])
    misses += [f"p99 {s:.2f} s under {n}" for n, s in slowest.items() if s >= MOST_SECONDS]
    if grown > MOST_RESIDENT_MB:
        misses.append(f"grew by {grown:.0f} MB")
    if not seen[429]:
        misses.append("nobody was told to wait")
    figure = (
        f"{' '.join(f'{many} × {status}' for status, many in sorted(seen.items()))}; p99 of others "
        f"{slowest[worst]:.2f} s at most ({worst}); {grown:+.0f} MB"
    )
    return Outcome(not misses, figure, counts, tuple(misses))


def _p99(seconds: list[float]) -> float:
    if len(seconds) < 2:
        return float("inf")
    return statistics.quantiles(seconds, n=100, method="inclusive")[98]


def _resident_mb(server: Server) -> float:
    """Of its process."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return float(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1000


CAMPAIGNS = (
    Campaign(
        23,
        "api-floods",
        "One caller does not keep others waiting",
        "bodies of 10 MB, 100,000-element and nested lists, endless heads, 200 slow heads, 200 slow"
        " bodies, 200 silent connections, pipelined requests, 552 connections",
        "413, 408, 422, 429, 431 or 503; p99 of others < 1 s; < 150 MB more",
        flood,
    ),
)
