"""A proxy before an S3 that spoils answers by a seed: `with fault_proxy(…) as proxy: proxy.url`.

It leaves `Host` as it is, so that signatures hold. Whether a request is spoiled, and how, depends
on the seed, the method, the path and how often that was asked before: not on the order in which
requests come, so that a seed that found something finds it again.
"""

import asyncio
import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

GET_FAULTS: tuple[str, ...] = (
    "503",
    "500",
    "reset",
    "stall",
    "midstall",
    "trunc",
    "short",
    "flip",
    "etag",
    "slow",
)
"""Answers that never come, come cut, shortened with the header adjusted, altered, or late."""

LIST_FAULTS: tuple[str, ...] = ("503", "reset", "list_repeat", "list_drop")
PUT_FAULTS: tuple[str, ...] = ("503", "500", "reset")

_CONTENTS = re.compile(rb"<Contents>.*?</Contents>", re.S)


@dataclass
class Rules:
    """What share of which requests is spoiled, and how."""

    seed: int
    gets: float = 0.0
    """Share of GETs of objects."""
    lists: float = 0.0
    puts: float = 0.0
    get_faults: tuple[str, ...] = GET_FAULTS
    always: Mapping[str, str] = field(default_factory=dict)
    """Part of a path, and the fault of every GET of it."""
    requires_payer: bool = False
    """Refuse requests without the header of the paying reader."""
    stall_seconds: float = 3600.0
    remembers: bool = False
    """Ask for each object once: it does not change, and the S3 may be slow."""


@dataclass
class Proxy:
    """A running proxy, and how often it did what."""

    url: str
    rules: Rules
    counts: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    remembered: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)

    def fault_of(self, method: str, target: str) -> str | None:
        """The fault of this request; None: it is answered truly."""
        path, _, question = target.partition("?")
        self.asked[f"{method} {target}"] += 1
        if method == "PUT":
            share, kinds = self.rules.puts, PUT_FAULTS
        elif method == "GET" and "list-type" in question:
            share, kinds = self.rules.lists, LIST_FAULTS
        elif method == "GET":
            for part, fault in self.rules.always.items():
                if part in path:
                    return fault
            share, kinds = self.rules.gets, self.rules.get_faults
        else:
            return None
        nth = self.asked[f"{method} {target}"]
        digest = hashlib.sha256(f"{self.rules.seed} {method} {target} {nth}".encode()).digest()
        if int.from_bytes(digest[:4], "big") / 2**32 >= share:
            return None
        return kinds[digest[4] % len(kinds)]


@contextmanager
def fault_proxy(upstream: str, rules: Rules) -> Iterator[Proxy]:
    """Before `upstream`, an address like http://127.0.0.1:9000, in a thread of its own."""
    loop = asyncio.new_event_loop()
    proxy = Proxy("", rules)
    host, port = urlsplit(upstream).hostname, urlsplit(upstream).port

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await _answer(proxy, (str(host), int(port or 80)), reader, writer):
                pass
        writer.transport.abort()

    server = loop.run_until_complete(asyncio.start_server(accept, "127.0.0.1", 0))
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(_end, loop, server)
        thread.join(10)


def _end(loop: asyncio.AbstractEventLoop, server: asyncio.Server) -> None:
    server.close()
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.call_soon(loop.stop)


async def _answer(
    proxy: Proxy,
    upstream: tuple[str, int],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> bool:
    """One request; whether the connection may go on."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    headers = _headers(head)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    proxy.counts["requests"] += 1
    if proxy.rules.requires_payer and headers.get("x-amz-request-payer") != "requester":
        proxy.counts["without payer"] += 1
        writer.write(_plain(403, b"<Error><Code>AccessDenied</Code></Error>"))
        await writer.drain()
        return True
    fault = proxy.fault_of(method, target)
    if fault is not None:
        proxy.counts[fault] += 1
    if fault in {"503", "500"}:
        writer.write(_plain(int(fault), b"<Error><Code>SlowDown</Code></Error>"))
        await writer.drain()
        return True
    if fault == "reset":
        return False
    if fault == "stall":
        await asyncio.sleep(proxy.rules.stall_seconds)
        return False
    request = f"{method} {target}"
    answer_head, content = proxy.remembered.get(request, (b"", b""))
    if not answer_head:
        answer_head, content = await _forward(upstream, head, body)
        if proxy.rules.remembers:
            proxy.remembered[request] = answer_head, content
    if fault is None:
        writer.write(answer_head + content)
        await writer.drain()
        return True
    return await _spoiled(proxy, fault, answer_head, content, writer)


async def _spoiled(
    proxy: Proxy, fault: str, head: bytes, content: bytes, writer: asyncio.StreamWriter
) -> bool:
    half = len(content) // 2
    match fault:
        case "midstall" | "trunc":
            writer.write(head + content[:half])
            await writer.drain()
            if fault == "midstall":
                await asyncio.sleep(proxy.rules.stall_seconds)
            return False
        case "short":
            head, content = _with_length(head, half), content[:half]
        case "flip" if content:
            altered = bytearray(content)
            altered[half] ^= 1 << (proxy.counts["flip"] % 8)
            content = bytes(altered)
        case "etag":
            head = re.sub(rb"(?im)^etag:.*?\r\n", b'ETag: "' + b"0" * 32 + b'"\r\n', head)
        case "list_repeat" | "list_drop":
            entries = _CONTENTS.findall(content)
            if entries:
                chosen = entries[proxy.counts[fault] % len(entries)]
                other = chosen * 2 if fault == "list_repeat" else b""
                content = content.replace(chosen, other, 1)
                head = _with_length(head, len(content))
        case "slow":
            writer.write(head + content[:half])
            await writer.drain()
            await asyncio.sleep(0.2)
            head, content = b"", content[half:]
    writer.write(head + content)
    await writer.drain()
    return True


async def _forward(upstream: tuple[str, int], head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Head and body of the true answer; a body in chunks comes whole, with its length."""
    reader, writer = await asyncio.open_connection(*upstream)
    try:
        asked = re.sub(rb"(?im)^connection:.*?\r\n", b"", head)
        writer.write(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) + body)
        await writer.drain()
        answer, _, content = (await reader.read(-1)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    answer = re.sub(rb"(?im)\r\nconnection:[^\r]*", b"", answer) + b"\r\n\r\n"
    if re.search(rb"(?im)^transfer-encoding: *chunked", answer):
        answer = re.sub(rb"(?im)^transfer-encoding:.*?\r\n", b"", answer)
        content = _unchunked(content)
        answer = answer.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n")
        answer = _with_length(answer, len(content))
    return answer, content


def _unchunked(content: bytes) -> bytes:
    whole = b""
    while content:
        size, _, rest = content.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        whole += rest[:length]
        content = rest[length + 2 :] if length else b""
    return whole


def _with_length(head: bytes, length: int) -> bytes:
    return re.sub(rb"(?im)^content-length:.*?\r\n", b"Content-Length: %d\r\n" % length, head)


def _plain(status: int, content: bytes) -> bytes:
    return b"HTTP/1.1 %d Spoiled\r\nContent-Length: %d\r\n\r\n" % (status, len(content)) + content


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
