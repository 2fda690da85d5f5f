"""Connections for requests: one pool that can only read, one that may write to the desk."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool

from vigil_resources.database.roles import Role, address_as

POOL_SIZE = 10
WAIT_SECONDS = 2.0
"""For a connection; then the database counts as away."""
STATEMENT_MS = 5_000

Connection = psycopg.Connection[Any]

_log = logging.getLogger("vigil.api")


class Database:
    """The pools of one application.

    Args:
        url: Asked again for every new connection: the embedded server's port may change.
        is_embedded: Whether the server is Vigil's own.
    """

    def __init__(self, url: Callable[[], str], *, is_embedded: bool) -> None:
        self._url = url
        self._is_embedded = is_embedded
        self._readers = _pool(self._reader_address, "readers")
        self._writers = _pool(self._writer_address, "writers")
        self._address_of: dict[tuple[str, Role], str] = {}

    def open(self) -> None:
        """Start connecting; whether the database is there shows when somebody asks."""
        self._readers.open()
        self._writers.open()

    def close(self) -> None:
        """Give all connections back."""
        self._readers.close()
        self._writers.close()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only transaction, as a role that has no right but SELECT where that can be had.

        Raises:
            psycopg.OperationalError: The database is away.
        """
        with self._readers.connection() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction of a role that may change what the desk is told, and nothing else.

        Committed at the end, rolled back by an error. Raises as `read`.
        """
        with self._writers.connection() as connection:
            yield connection

    def writer_address(self) -> str:
        """Where writers connect, for what opens connections of its own; holds a password."""
        options = "-c timezone=UTC -c search_path=public,compat"
        return self._address(Role.API, options)

    def _reader_address(self) -> str:
        options = "-c timezone=UTC -c search_path=public,compat -c default_transaction_read_only=on"
        return _limited(self._address(Role.READER, options))

    def _writer_address(self) -> str:
        return _limited(self.writer_address())

    def _address(self, role: Role, options: str) -> str:
        url = self._url()
        if (url, role) not in self._address_of:
            address = address_as(
                role, url, is_embedded=self._is_embedded, options=options, say=_log.warning
            )
            self._address_of = {k: v for k, v in self._address_of.items() if k[0] == url}
            self._address_of[url, role] = address
        return self._address_of[url, role]


def _limited(address: str) -> str:
    options = f"{conninfo_to_dict(address)['options']} -c statement_timeout={STATEMENT_MS}"
    return make_conninfo(address, options=options, application_name="vigil api", connect_timeout=2)


def _pool(address: Callable[[], str], name: str) -> ConnectionPool[Connection]:
    return ConnectionPool(
        address,
        # Plans kept by name would outlive the views that an upgrade rebuilds.
        kwargs={"prepare_threshold": None},
        min_size=1,
        max_size=POOL_SIZE,
        open=False,
        name=name,
        timeout=WAIT_SECONDS,
        check=ConnectionPool.check_connection,
        connection_class=psycopg.Connection[Any],
    )
