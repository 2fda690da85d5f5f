"""Speaks HTTP to a server under attack: well-formed by `Client`, any bytes by `spoken`."""

import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What came back; status 0: nothing did."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    content: bytes
    seconds: float = 0.0

    @property
    def body(self) -> Any:
        """Read as JSON."""
        return json.loads(self.content)

    @property
    def text(self) -> str:
        """Read as text."""
        return self.content.decode("utf-8", "replace")


class Client:
    """One caller of one server: a connection for each thread, kept open.

    Too many requests are sent again after a pause: an attack is about what it is about.
    """

    def __init__(self, port: int, token: str | None = None, *, timeout: float = 30) -> None:
        self.port = port
        self._token = token
        self._timeout = timeout
        self._local = threading.local()

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask. Raises `OSError` where no answer comes."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        sent = {} if data is None else {"Content-Type": "application/json"}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        sent |= headers or {}
        while True:
            answer = self._once(method, path, data, sent)
            if answer.status != 429:
                return answer
            time.sleep(0.2)

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for something."""
        return self("GET", path, headers=headers)

    def _once(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        begun = time.monotonic()
        for is_last in (False, True):
            line = self._line()
            try:
                line.request(method, path, data, dict(headers))
                found = line.getresponse()
                content = found.read()
                named = {name.lower(): value for name, value in found.getheaders()}
                return Answer(found.status, named, content, time.monotonic() - begun)
            except (HTTPException, ConnectionError) as error:
                # One that the server closed meanwhile, for being idle.
                line.close()
                self._local.line = None
                if is_last:
                    raise ConnectionError(str(error)) from error
        raise AssertionError

    def _line(self) -> HTTPConnection:
        line: HTTPConnection | None = getattr(self._local, "line", None)
        if line is None:
            line = self._local.line = HTTPConnection("127.0.0.1", self.port, timeout=self._timeout)
        return line


def spoken(port: int, text: bytes, *, seconds: float = 15, close: bool = False) -> bytes:
    """What is answered to these bytes, to the end of the connection or of the time.

    `close` says that nothing more is sent.
    """
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as line:
        try:
            line.sendall(text)
            if close:
                line.shutdown(socket.SHUT_WR)
            while part := line.recv(65536):
                heard += part
        except (TimeoutError, ConnectionError):
            pass
    return heard


def status_of(heard: bytes) -> int:
    """The status of an answer's first line; 0: there is none."""
    words = heard.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def an_address(n: int) -> str:
    """An address that no world has."""
    return f"0xc4a05{n:035x}"


@contextmanager
def answering(handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    """A server of another's on loopback; gives its port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
