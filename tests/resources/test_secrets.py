"""Secrets that are written wrongly are not quoted in what is said about it."""

import http.server
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from vigil_core.errors import InvalidSetting
from vigil_resources.desk.chats import Chats
from vigil_resources.desk.telegram import TelegramBot, TelegramFailed
from vigil_resources.settings import Settings

WORD = "hush7f3a"


@pytest.mark.parametrize("name", ["DATABASE_URL", "DAGSTER_PG_URL"])
@pytest.mark.parametrize(
    "value",
    [
        f"host=db user=vigil password={WORD}",
        f"mysql://vigil:{WORD}@db/vigil",
        f"vigil:{WORD}",
        f"{WORD}@",
        f"postgresql://vigil:{WORD}/x@db/vigil",
        f"postgresql://vigil:{WORD}#x@db/vigil",
        f"postgresql://vigil:7#{WORD}@db/vigil",
        f"postgresql://vigil:7?{WORD}@db:x/vigil",
        f"postgresql://vigil:7/{WORD}@db/vigil",
        f"postgresql://vigil:[{WORD}@db/vigil",
        f"postgresql://vigil@db:{WORD}/vigil",
    ],
)
def test_a_database_that_is_named_wrongly(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting) as raised:
        Settings.from_environment({name: value})
    assert name in str(raised.value)
    assert WORD not in str(raised.value)


@pytest.mark.parametrize(
    "value",
    [
        f"postgresql://vigil:{WORD}%2Fx@db/vigil",
        f"postgres://vigil:{WORD}@db:5432/vigil?sslmode=require",
        f"postgresql+psycopg2://vigil:{WORD}@[::1]:5432/vigil",
        f"postgresql://vigil:{WORD}@one:5432,two:5433/vigil",
        "postgresql:///vigil?host=/run/postgresql",
        "postgresql://db/vigil",
    ],
)
def test_a_database_that_is_named_well(value: str) -> None:
    settings = Settings.from_environment({"DATABASE_URL": value})
    assert settings.database_url == value
    assert WORD not in repr(settings)


@pytest.fixture
def garbler() -> Iterator[str]:
    """A server that speaks no HTTP."""

    class Garble(http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(b"garbage without end")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Garble) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_bot_that_cannot_be_reached(garbler: str) -> None:
    chats = cast("Chats", None)
    for url in (garbler, "no-scheme", "gopher://x", "http://127.0.0.1:1", "http://[", "http://a:b"):
        for token in (f"1:{WORD}", f"1: {WORD}", f"1:{WORD}\n", f"1:{WORD}é"):
            with pytest.raises(TelegramFailed) as raised:
                TelegramBot(url, token).poll(chats, wait_seconds=0)
            assert WORD not in str(raised.value)
