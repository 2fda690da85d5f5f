"""A real server on loopback, over a real database."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn

from tests.conftest import Installation, installed
from tests.resources.loading import load_day, take_in
from vigil_api.app import create_app
from vigil_api.limits import Limits
from vigil_cli.api import SERVER
from vigil_cli.database import refresh
from vigil_resources.database.embedded_postgres import free_port
from vigil_sandbox.world import TINY, write_world

UNLIMITED = Limits(local_rate=1e9, rate=1e9)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    """By lower-case name."""
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Api:
    """Speaks to one server."""

    url: str
    vigil: Installation
    token: str | None = None

    def __call__(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str
    ) -> Answer:
        """Ask; `if_match="…"` is the header If-Match."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            with opener.open(request, timeout=30) as answer:
                return _answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.headers, error.read())

    def get(self, path: str, **query: Any) -> Answer:
        return self("GET", f"{path}?{urlencode(query)}" if query else path)

    def add(self, address: str, key: str | None = None, **settings: Any) -> Any:
        """Follow somebody."""
        body = {"user_address": address, "name": address} | settings
        answer = self("POST", "/api/traders", body, idempotency_key=key or address)
        assert answer.status == 201, answer
        return answer.body


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _answer(status: int, headers: Any, content: bytes) -> Answer:
    return Answer(status, {name.lower(): value for name, value in headers.items()}, content)


@contextmanager
def serving(vigil: Installation, limits: Limits = UNLIMITED, **settings: Any) -> Iterator[Api]:
    """A server in a thread, until the block ends."""
    port = free_port(0)
    app = create_app(replace(vigil.settings, **settings), limits)
    config = uvicorn.Config(app, "127.0.0.1", port, **SERVER)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 120
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield Api(f"http://127.0.0.1:{port}", vigil)
    finally:
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("api")
    (folder / "raw").mkdir()
    with installed(folder, folder / "raw", module_patch) as vigil:
        yield vigil


@pytest.fixture(scope="module")
def api(installation: Installation) -> Iterator[Api]:
    """Whoever asks from this machine without a key; no token is set."""
    with serving(installation) as here:
        yield here


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A Vigil that knows the tiny simulated world, all figures of its days built."""
    folder = tmp_path_factory.mktemp("loaded")
    write_world(TINY, folder / "raw")
    with pytest.MonkeyPatch.context() as patch, installed(folder, folder / "raw", patch) as vigil:
        for n in range(TINY.day_count):
            day = TINY.first_day + timedelta(days=n)
            take_in(vigil, day)
            load_day(vigil, day)
        refresh(vigil.settings)
        yield vigil
