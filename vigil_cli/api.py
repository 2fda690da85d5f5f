"""The API's own recipes: serve it, describe it, make and revoke keys."""

import json
import signal
import sys
import time
from contextlib import suppress
from typing import Any

import uvicorn

from vigil_api.app import create_app, create_routes
from vigil_api.security import is_loopback
from vigil_cli.connections import BoundedConnection
from vigil_cli.ready import database_ready
from vigil_cli.tables import show
from vigil_core.errors import VigilError
from vigil_resources.api_keys import ApiKeys
from vigil_resources.database.embedded_postgres import free_port
from vigil_resources.logs import to_file
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_resources.wiring import open_warehouse

PREFERRED_PORT = 8000
DAY_MS = 86_400_000

SERVER: dict[str, Any] = {
    "http": BoundedConnection,
    # There is no websocket, and one would pass beside the gate.
    "ws": "none",
    "log_config": None,
    # It would log queries; ours does not.
    "access_log": False,
    # What a proxy says of its clients is anybody's word: see security.is_local.
    "proxy_headers": False,
    "server_header": False,
    "timeout_graceful_shutdown": 10,
}
"""How uvicorn is run."""


class OpenToAll(VigilError):
    """The API was to listen on a network while nobody needs a key."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"VIGIL_API_HOST={host} is reached from elsewhere and no key exists: "
            "make one first (./vigil api-key-create LABEL), or set VIGIL_API_TOKEN"
        )


def serve(settings: Settings, port: int | None) -> None:
    """Run the API and the pages until Ctrl-C.

    Raises:
        OpenToAll: The address is not this machine's alone, and neither key nor token exists.
    """
    with database_ready(settings):
        refuse_open_door(settings)
        port = port or free_port(PREFERRED_PORT)
        to_file(settings, "api")
        print(f"API and pages   http://{settings.api_host}:{port}", flush=True)
        config = uvicorn.Config(create_app(settings), settings.api_host, port, **SERVER)
        # uvicorn sends itself the signal that ended it; whoever holds the database ends in order.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run()


def refuse_open_door(settings: Settings) -> None:
    """Raises `OpenToAll` where others could come in without a key."""
    if is_loopback(settings.api_host) or settings.api_token is not None:
        return
    now = time.time() * 1000
    with open_warehouse(settings).connect(read_only=True) as connection:
        keys = ApiKeys(connection).all()
    if not any(key.revoked_at is None and (key.expires_at or now + 1) > now for key in keys):
        raise OpenToAll(settings.api_host)


def describe(settings: Settings) -> None:
    """Write `openapi.json` as the application describes itself."""
    (PROJECT_ROOT / "openapi.json").write_text(description(settings))


def description(settings: Settings) -> str:
    """The description as text."""
    return json.dumps(create_routes(settings).openapi(), indent=1, ensure_ascii=False) + "\n"


def create_key(settings: Settings, label: str, scopes: list[str], days: int | None) -> None:
    """Make a key, and print it this one time."""
    with database_ready(settings), open_warehouse(settings).connect() as connection:
        valid_ms = None if days is None else days * DAY_MS
        print(ApiKeys(connection).create(label, scopes, valid_ms=valid_ms))
    print("shown this one time: keep it where secrets are kept", file=sys.stderr)


def list_keys(settings: Settings) -> None:
    """Print what is known of every key."""
    with database_ready(settings), open_warehouse(settings).connect(read_only=True) as connection:
        keys = ApiKeys(connection).all()
    names = ["key", "label", "scopes", "created", "expires", "revoked", "last used"]
    rows = [
        (
            key.key_id,
            key.label,
            " ".join(key.scopes),
            *map(_moment, (key.created_at, key.expires_at, key.revoked_at, key.last_used_at)),
        )
        for key in keys
    ]
    show("Keys of the API", names, rows)


def revoke_key(settings: Settings, key_id: str) -> None:
    """Let a key, and the sessions made with it, open nothing any more."""
    with database_ready(settings), open_warehouse(settings).connect() as connection:
        ApiKeys(connection).revoke(key_id)
    print(f"{key_id} is revoked")


def _moment(ms: int | None) -> str:
    return "" if ms is None else time.strftime("%Y-%m-%d %H:%M", time.gmtime(ms / 1000))
