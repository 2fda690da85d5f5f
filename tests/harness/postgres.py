"""Crashes of a Postgres of ours, and a proxy that loses the server's answer to a COMMIT."""

import os
import select
import signal
import socket
import struct
import threading
import time
from contextlib import suppress
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from vigil_resources.database.embedded_postgres import EmbeddedPostgres


class Crash(Enum):
    """How a server ends without having been asked kindly."""

    IMMEDIATE_STOP = "immediate stop"
    BACKEND = "SIGKILL of a backend"
    POSTMASTER = "SIGKILL of the postmaster"


def postmaster_pid(cluster: Path) -> int:
    """The server's first process."""
    return int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])


def crash(cluster: Path, kind: Crash, backend: int) -> None:
    """End the server now; `backend` is the process that serves the one who is attacked."""
    match kind:
        case Crash.IMMEDIATE_STOP:
            # What `pg_ctl stop -m immediate` sends.
            os.kill(postmaster_pid(cluster), signal.SIGQUIT)
        case Crash.BACKEND:
            os.kill(backend, signal.SIGKILL)
        case Crash.POSTMASTER:
            os.kill(postmaster_pid(cluster), signal.SIGKILL)


def seconds_until_back(server: EmbeddedPostgres) -> float:
    """How long `start` takes to bring it back, or to wait until it is by itself."""
    begun = time.monotonic()
    server.start()
    return time.monotonic() - begun


def backends_of(server: EmbeddedPostgres, database: str, statement: str) -> list[int]:
    """Processes that work on a statement that begins so."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND state = 'active'"
            " AND ltrim(regexp_replace(query, '--[^\n]*\n', '', 'g')) LIKE %s",
            [database, statement + "%"],
        ).fetchall()
    return [int(pid) for (pid,) in found]


class Cut(Enum):
    """Where a connection ends."""

    BEFORE = "before the server has the COMMIT"
    AT_ONCE = "when the server has it"
    ANSWERED = "when the server has answered"


class CommitCutter:
    """A proxy that forwards bytes as they are, and cuts at the n-th COMMIT it sees.

    Args:
        url: Of the database behind it.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = parts.hostname or "127.0.0.1", parts.port or 5432
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        login = parts.netloc.rsplit("@", 1)[0]
        self.url = parts._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()
        self._lock = threading.Lock()
        self._countdown, self._cut = 0, Cut.ANSWERED
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, commits: int, cut: Cut) -> None:
        """Cut at so manyth COMMIT from now on, once."""
        with self._lock:
            self._countdown, self._cut = commits, cut

    def disarm(self) -> None:
        """Let all pass."""
        self.arm(0, Cut.ANSWERED)

    def close(self) -> None:
        """Take no further connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), socket.create_connection(self._target) as server:
            self._forward(client, server)
            _reset(server)
        _reset(client)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        """Until one of them ends, or a COMMIT is due."""
        asked = bytearray()
        is_greeted = False
        while True:
            for ready in select.select([client, server], [], [])[0]:
                piece = ready.recv(1 << 16)
                if not piece:
                    return
                if ready is server:
                    client.sendall(piece)
                    continue
                asked += piece
                while (size := _message_size(asked, is_greeted)) is not None:
                    message = bytes(asked[:size])
                    del asked[:size]
                    cut = self._due(message) if is_greeted else None
                    is_greeted = True
                    if cut is not Cut.BEFORE:
                        server.sendall(message)
                    if cut is None:
                        continue
                    if cut is Cut.ANSWERED:
                        server.recv(1 << 16)
                    with self._lock:
                        self.cuts += 1
                    return

    def _due(self, message: bytes) -> Cut | None:
        if message[:1] != b"Q" or not message[5:].upper().startswith(b"COMMIT"):
            return None
        with self._lock:
            if self._countdown == 0:
                return None
            self._countdown -= 1
            return self._cut if self._countdown == 0 else None


def _message_size(asked: bytearray, is_greeted: bool) -> int | None:
    """Bytes of the first message, if all of it came. The very first one has no type."""
    type_bytes = int(is_greeted)
    if len(asked) < type_bytes + 4:
        return None
    size = type_bytes + int(struct.unpack_from("!I", asked, type_bytes)[0])
    return size if len(asked) >= size else None


def _reset(one: socket.socket) -> None:
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
