"""How much a caller may ask for: requests a second, bytes a body, seconds to send it."""

import asyncio
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.types import Message, Receive

from vigil_api.problems import Problem

MOST_BYTES = 64 * 1024
MOST_UPLOAD_BYTES = 16 * 1024 * 1024
"""Of a file that a browser sends; recipes take larger ones."""
_KNOWN_CALLERS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one application."""

    local_rate: float = 500.0
    """Requests a second of callers on this machine, tests and scripts among them."""
    rate: float = 50.0
    """Of an address, or a key, from elsewhere."""
    burst_seconds: float = 5.0
    """As many seconds' requests may come at once."""
    body_seconds: float = 10.0
    """Within which a body has to be there."""
    upload_seconds: float = 120.0
    """The same of a file."""


class Buckets:
    """A bucket of tokens for each caller; the longest unseen ones are forgotten."""

    def __init__(self, burst_seconds: float) -> None:
        self._burst_seconds = burst_seconds
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, caller: str, rate: float) -> None:
        """Raises `Problem` where the bucket is empty, with the seconds until it is not."""
        now = time.monotonic()
        with self._lock:
            level, before = self._levels.pop(caller, (rate * self._burst_seconds, now))
            level = min(rate * self._burst_seconds, level + (now - before) * rate)
            enough = level >= 1
            self._levels[caller] = (level - enough, now)
            if len(self._levels) > _KNOWN_CALLERS:
                self._levels.popitem(last=False)
        if not enough:
            wait = max(1, round((1 - level) / rate + 0.5))
            detail = f"at most {rate:g} requests a second"
            raise Problem("too-many-requests", detail, {"Retry-After": str(wait)})


async def whole_body(receive: Receive, announced: str | None, seconds: float) -> bytes:
    """The body, read to its end.

    Raises:
        Problem: It is larger than may be, or slower.
    """
    if announced is not None and announced.isdigit() and int(announced) > MOST_BYTES:
        raise Problem("too-large", f"{announced} bytes; at most {MOST_BYTES} are read")
    try:
        return await asyncio.wait_for(_collected(receive), seconds)
    except TimeoutError:
        raise Problem("too-slow", f"the body was not there within {seconds:g} s") from None


async def _collected(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise Problem("too-large", f"at most {MOST_BYTES} bytes are read")
        if not message.get("more_body"):
            return bytes(body)


def limited(receive: Receive, announced: str | None, seconds: float) -> Receive:
    """An upload, as it comes, to be read by its route.

    Raises:
        Problem: It is announced larger than may be; while it is read, that it is, or is slower.
    """
    refusal = Problem("too-large", f"at most {MOST_UPLOAD_BYTES} bytes of a file are read")
    if announced is not None and announced.isdigit() and int(announced) > MOST_UPLOAD_BYTES:
        raise refusal
    taken = 0
    deadline = time.monotonic() + seconds
    is_read = False

    async def count() -> Message:
        nonlocal taken, is_read
        if is_read:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.001, deadline - time.monotonic()))
        except TimeoutError:
            raise Problem("too-slow", f"the file was not there within {seconds:g} s") from None
        is_read = not message.get("more_body", False)
        taken += len(message.get("body", b""))
        if taken > MOST_UPLOAD_BYTES:
            raise refusal
        return message

    return count


def replayed(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, then what else comes."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again
