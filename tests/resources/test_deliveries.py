"""The outbox against a web server and a mail server of our own, both on loopback."""

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from psycopg.types.json import Jsonb

from tests.conftest import Installation, installed
from tests.resources.desk import insert
from vigil_core.errors import InvalidSetting
from vigil_resources.database.embedded_postgres import free_port
from vigil_resources.desk import deliveries
from vigil_resources.desk.deliveries import Deliveries, Targets, wait_ms
from vigil_resources.settings import Settings

PAYLOAD = {"kind": "alert", "rule": "drawdown_exceeded", "name": "A\nB", "value": -0.2}
SECRET = "not for logs"


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("deliveries")
    with installed(folder, folder / "raw", module_patch) as vigil:
        yield vigil


@pytest.fixture
def vigil(installation: Installation) -> Installation:
    with installation.warehouse.connect() as connection:
        connection.execute("TRUNCATE deliveries RESTART IDENTITY")
    return installation


class Hook:
    """A web server that answers with these statuses, then 200."""

    def __init__(self, answers: list[int], pause: float = 0) -> None:
        self.seen: list[dict[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.seen.append({"path": self.path, "body": body, **dict(self.headers)})
                time.sleep(pause)
                status = answers.pop(0) if answers else 200
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", f"{hook.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?a=1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02])
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook([])
    yield made
    made.close()


def put(vigil: Installation, channel: str = "webhook", count: int = 1) -> None:
    with vigil.warehouse.connect() as connection:
        for number in range(count):
            insert(
                connection, "deliveries", kind="alert", subject_id=number, channel=channel,
                payload=Jsonb(PAYLOAD), created_at=1000 + number, next_attempt=0,
            )  # fmt: skip


def make_due(vigil: Installation) -> None:
    with vigil.warehouse.connect() as connection:
        connection.execute("UPDATE deliveries SET next_attempt = 0")


def state(vigil: Installation) -> dict[str, Any]:
    [row] = vigil.records("SELECT attempts, delivered_at, last_error FROM deliveries")
    return row


def test_webhook_is_tried_until_it_takes_the_message(vigil: Installation) -> None:
    hook = Hook([500, 302, 429])
    put(vigil)
    sender = Deliveries(vigil.warehouse, Targets(webhook_url=hook.url, webhook_secret=SECRET))
    errors = []
    for _ in range(3):
        make_due(vigil)
        assert sender.send_due() == (0, 1)
        assert sender.send_due() == (0, 0)  # not before its time
        errors.append(state(vigil)["last_error"])
    make_due(vigil)
    assert sender.send_due() == (1, 0)
    make_due(vigil)
    assert sender.send_due() == (0, 0)
    hook.close()

    assert errors == ["HTTP 500", "HTTP 302", "HTTP 429"]
    assert state(vigil)["attempts"] == 4
    assert state(vigil)["delivered_at"] is not None
    assert state(vigil)["last_error"] is None
    assert {one["path"] for one in hook.seen} == {"/hook?a=1"}  # no redirect was followed
    assert {one["Idempotency-Key"] for one in hook.seen} == {"vigil-alert-0-1000"}
    digest = hmac.new(SECRET.encode(), hook.seen[0]["body"], hashlib.sha256).hexdigest()
    assert {one["X-Vigil-Signature"] for one in hook.seen} == {f"sha256={digest}"}
    assert json.loads(hook.seen[0]["body"]) == PAYLOAD


def test_nobody_there_or_no_answer_is_a_failure(
    vigil: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "TIMEOUT_SECONDS", 0.2)
    hook = Hook([], pause=1)
    put(vigil)
    slow = Deliveries(vigil.warehouse, Targets(webhook_url=hook.url))
    assert slow.send_due() == (0, 1)
    assert state(vigil)["last_error"] == "TimeoutError"
    hook.close()
    make_due(vigil)
    url = hook.url.replace("://", f"://user:{SECRET.replace(' ', '')}@")
    assert Deliveries(vigil.warehouse, Targets(webhook_url=url)).send_due() == (0, 1)
    assert str(state(vigil)["last_error"]).startswith("ConnectionRefusedError")
    make_due(vigil)
    assert Deliveries(vigil.warehouse, Targets()).send_due() == (0, 1)
    assert state(vigil)["last_error"] == "VIGIL_WEBHOOK_URL is not set"
    assert state(vigil)["delivered_at"] is None


def test_one_bad_message_does_not_hold_up_the_others(vigil: Installation) -> None:
    hook = Hook([500])
    put(vigil, count=3)
    assert Deliveries(vigil.warehouse, Targets(webhook_url=hook.url)).send_due() == (2, 1)
    hook.close()


def test_two_workers_never_send_the_same_message(vigil: Installation) -> None:
    hook = Hook([], pause=0.02)
    put(vigil, count=12)
    sender = Deliveries(vigil.warehouse, Targets(webhook_url=hook.url))
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda _: sender.send_due(), range(4)))
    hook.close()
    assert sum(delivered for delivered, _ in sent) == 12
    assert sorted(one["Idempotency-Key"] for one in hook.seen) == sorted(
        f"vigil-alert-{n}-{1000 + n}" for n in range(12)
    )


KILLED = """
import os, signal
from vigil_resources.desk import deliveries
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_deliveries
send = deliveries.post
def post(targets, delivery):
    send(targets, delivery)
    os.kill(os.getpid(), signal.SIGKILL)
deliveries.post = post
open_deliveries(Settings.from_environment()).send_due()
"""


def test_killed_between_sending_and_recording_it_is_sent_again_under_its_key(
    vigil: Installation, hook: Hook
) -> None:
    put(vigil)
    environment = os.environ | {"VIGIL_WEBHOOK_URL": hook.url}
    killed = subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert state(vigil)["delivered_at"] is None
    sender = Deliveries(vigil.warehouse, Targets(webhook_url=hook.url))
    deadline = time.monotonic() + 20  # until the server has noticed
    while sender.send_due() == (0, 0):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [one["Idempotency-Key"] for one in hook.seen] == ["vigil-alert-0-1000"] * 2
    assert state(vigil)["delivered_at"] is not None


class Mailbox:
    """Takes mail after refusing some."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.messages: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802
        if self.refusals:
            self.refusals -= 1
            return f"451 try later, {SECRET}"
        self.messages.append(envelope.original_content)
        return "250 OK"


def test_mail_is_tried_until_the_server_takes_it(vigil: Installation) -> None:
    box = Mailbox(refusals=2)
    port = free_port(8025)
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        put(vigil, "email")
        where = Targets(smtp_url=f"smtp://127.0.0.1:{port}", email="desk@example.org")
        sender = Deliveries(vigil.warehouse, where)
        for _ in range(2):
            make_due(vigil)
            assert sender.send_due() == (0, 1)
            assert state(vigil)["last_error"] == "SMTPDataError 451"
        make_due(vigil)
        assert sender.send_due() == (1, 0)
    finally:
        server.stop()
    [raw] = box.messages
    message = message_from_bytes(raw)
    assert message["To"] == "desk@example.org"
    assert message["Subject"] == "Vigil: drawdown_exceeded for A B"
    assert message["Message-ID"] == "<vigil-alert-0-1000@vigil.invalid>"
    assert "value: -0.2" in str(message.get_payload())


def test_waits_double_up_to_an_hour_and_differ() -> None:
    for attempts in range(30):
        longest = min(5_000 * 2**attempts, 3_600_000)
        waits = [wait_ms(attempts) for _ in range(50)]
        assert all(longest // 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 10


def test_settings_name_where_messages_go() -> None:
    settings = Settings.from_environment(
        {"VIGIL_SMTP_URL": "smtps://u:p@mail.example.org", "VIGIL_ALERT_EMAIL": "a@b.org"}
    )
    assert (settings.webhook_url, settings.alert_email) == (None, "a@b.org")
    assert "u:p" not in repr(settings)
    for name, value in {
        "VIGIL_WEBHOOK_URL": "ftp://example.org",
        "VIGIL_SMTP_URL": f"http://{SECRET.replace(' ', '')}@x",
        "VIGIL_ALERT_EMAIL": "a@b.org, c@d.org",
    }.items():
        with pytest.raises(InvalidSetting) as raised:
            Settings.from_environment({name: value})
        assert SECRET.replace(" ", "") not in str(raised.value)
    assert Targets(webhook_url="x").alert_channels == ("webhook",)
    assert Targets(webhook_url="x", smtp_url="y", email="z").alert_channels == ("webhook", "email")
    assert Targets(smtp_url="y", email="z").intent_channels == ()
