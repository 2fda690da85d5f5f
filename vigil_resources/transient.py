"""Which errors pass by themselves: another attempt, a little later, may succeed."""

import psycopg
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError

from vigil_core.errors import ServerNotRunning, StoreFailed
from vigil_resources.exchange.errors import ExchangeSilent

_PERMANENT_OF_STORES = (
    NotFoundError,
    FileNotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)


def is_transient(error: BaseException) -> bool:
    """Whether a store, the database or the exchange did not answer, or not in time.

    What the data or the settings are wrong in stays wrong, and is none.
    """
    if isinstance(error, StoreFailed):
        return not error.is_denied
    if isinstance(error, BaseError):
        return not isinstance(error, _PERMANENT_OF_STORES)
    if isinstance(error, psycopg.OperationalError):
        # A full disk, or too many rows for it, does not empty itself.
        return not (error.sqlstate or "").startswith(("53100", "54"))
    return isinstance(
        error,
        ServerNotRunning | ExchangeSilent | psycopg.InterfaceError | ConnectionError | TimeoutError,
    )
