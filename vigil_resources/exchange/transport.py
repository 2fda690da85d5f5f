"""One request to the exchange's API, one reply, whatever it says."""

import time
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request

from vigil_core.errors import InvalidSetting

PUBLIC_API = "https://api.hyperliquid.xyz"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whatever it says."""

    status: int
    body: bytes


class Transport(Protocol):
    """Carries one request."""

    def post(self, body: bytes, timeout_s: float) -> Reply:
        """Raises `OSError` or `HTTPException` where no whole reply came."""
        ...


class HttpTransport:
    """Over HTTP(S), a connection for each request; through the environment's proxy if it names one.

    Args:
        url: Of the API, with or without `/info` at its end.

    Raises:
        InvalidSetting: It is no HTTP address.
    """

    LARGEST = 64 << 20
    """Bytes; no answer comes near."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InvalidSetting("HYPERLIQUID_API_URL", url, "http:// or https:// and a host")
        self._address = url.rstrip("/").removesuffix("/info") + "/info"
        self._opener = OpenerDirector()
        # No proxy knows what listens on our own loopback. Redirects are not followed: a POST
        # would become a GET.
        handlers = [HTTPHandler(), HTTPSHandler()]
        for handler in handlers if is_loopback(parts.hostname) else [ProxyHandler(), *handlers]:
            self._opener.add_handler(handler)

    def post(self, body: bytes, timeout_s: float) -> Reply:
        """The reply of any status. Each wait is limited, and so is the whole reading."""
        headers = {"Content-Type": "application/json", "User-Agent": "vigil"}
        request = Request(self._address, data=body, headers=headers, method="POST")
        deadline = time.monotonic() + timeout_s
        with self._opener.open(request, timeout=timeout_s) as answer:
            expected = answer.length
            content = bytearray()
            while expected is None or len(content) < expected:
                chunk = answer.read1(1 << 16)
                if not chunk:
                    break
                content += chunk
                if len(content) > self.LARGEST:
                    raise HTTPException(f"more than {self.LARGEST} bytes")
                if time.monotonic() > deadline:
                    raise TimeoutError(f"only {len(content)} bytes in {timeout_s} s")
            if expected is not None and len(content) < expected:
                raise IncompleteRead(bytes(content), expected - len(content))
            return Reply(answer.status, bytes(content))


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
