"""Connections of the API: how long a request's head may take, how large it may be, and how many.

uvicorn by itself waits for ever for the first line of a request, and keeps headers without end.
Whoever is past these limits is answered as RFC 9457 has it, and the connection is closed.
"""

import asyncio
import json
import logging
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vigil_api.gate import HEADERS
from vigil_api.problems import KINDS, MEDIA_TYPE

HEAD_SECONDS = 10.0
"""From the first byte, or from the connection where none comes, to the end of the headers."""
MOST_HEAD_BYTES = 32 * 1024
MOST_HEADERS = 100
DRAIN_SECONDS = 5.0
"""For which the rest of a body is read whose request was answered already."""
WRITE_SECONDS = 30.0
"""For which a caller may take nothing of an answer that waits for it."""
MOST_CONNECTIONS = 512
"""Less than the files a process may usually open."""

_log = logging.getLogger("vigil.api")


class BoundedConnection(HttpToolsProtocol):
    """One connection within these limits."""

    _timer: asyncio.TimerHandle | None = None
    """Runs while a head is awaited, or the rest of a body that was answered already."""
    _write_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    """As they come, of the head that is being read."""
    _head_size = 0
    """What is kept of it: it may come together with its body."""
    _in_head = True
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._refuse("too-many-connections")
        else:
            self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; what comes of a head is counted."""
        if self._is_over():
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._timer is None:
                self._wait(HEAD_SECONDS)
        super().data_received(data)
        if self._in_head and self._head_bytes > MOST_HEAD_BYTES:
            self._refuse("head-too-large")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        """Keep the address, or a part of it."""
        super().on_url(url)
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        if self._grow(len(name) + len(value)):
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request may be carried out."""
        self._stop_waiting()
        self._in_head = False
        if not self._is_over():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand on what came of a body."""
        if not self._is_over():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """What comes next is another head."""
        self._stop_waiting()
        self._in_head, self._head_bytes = True, 0
        if not self._is_over():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Let a caller who was answered early send the rest, which nobody reads, for a while."""
        super().on_response_complete()
        if not self._in_head:
            self._wait(DRAIN_SECONDS)

    def pause_writing(self) -> None:
        """The caller takes nothing: wait for it, but not for ever."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It took something."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def _is_over(self) -> bool:
        return self._is_refused or self.transport.is_closing()

    def _grow(self, size: int) -> bool:
        """Count what is kept of a head; False where it is too much."""
        self._head_size += size
        if self._head_size > MOST_HEAD_BYTES or len(self.headers) >= MOST_HEADERS:
            self._refuse("head-too-large")
        return not self._is_over()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self._is_late)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _is_late(self) -> None:
        self._timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            # The head of a request that is sent on before the one before it was answered.
            self._wait(HEAD_SECONDS)
        elif self._in_head:
            self._refuse("too-slow")
        else:
            self.transport.close()

    def _refuse(self, slug: str) -> None:
        self._stop_waiting()
        if self._is_over():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            # Nothing may be written into the answer that is on its way.
            self.transport.close()
            return
        _log.info("connection from %s: %s", self.client, slug)
        kind = KINDS[slug]
        body = json.dumps(
            {
                "type": f"/problems/{slug}",
                "title": kind.title,
                "status": kind.status,
                "detail": kind.help,
                "instance": "",
                "request_id": "",
            }
        )
        said = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            "Cache-Control": "no-store",
            **({"Retry-After": "5"} if kind.status in {429, 503} else {}),
            **HEADERS,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        line = f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}\r\n"
        self.transport.write(f"{line}{head}\r\n{body}".encode())
        # Closed while something comes in, the answer would be lost on its way.
        self._is_refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(DRAIN_SECONDS, self.transport.abort)
