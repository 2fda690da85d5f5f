"""The recipes about the API, as processes of their own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from tests.conftest import Installation
from vigil_cli import api
from vigil_cli.services import api_service
from vigil_core.errors import NotFound
from vigil_resources.api_keys import ApiKeys, UnknownScope
from vigil_resources.settings import PROJECT_ROOT, Settings


@contextmanager
def served(**environment: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "vigil_cli", "api"],
        cwd=PROJECT_ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, (line, process.stderr and process.stderr.read())
        _wait_for(f"{found[0]}/readyz")
        yield found[0], process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_keys_are_made_listed_and_revoked(
    vigil: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    api.create_key(vigil.settings, "dashboard", ["read"], days=30)
    key = capsys.readouterr().out.strip()
    assert re.fullmatch(r"vgl_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", key)
    key_id = key.split("_")[1]
    api.list_keys(vigil.settings)
    listed = capsys.readouterr().out
    assert key_id in listed
    assert key.split("_", 2)[2] not in listed
    api.revoke_key(vigil.settings, key_id)
    with pytest.raises(NotFound, match=f"there is no key {key_id}"):
        api.revoke_key(vigil.settings, key_id)
    with pytest.raises(UnknownScope):
        api.create_key(vigil.settings, "x", ["root"], days=None)


def test_the_door_stays_shut_to_others_while_nobody_has_a_key(vigil: Installation) -> None:
    api.refuse_open_door(vigil.settings)
    outside = replace(vigil.settings, api_host="0.0.0.0")
    with pytest.raises(api.OpenToAll):
        api.serve(outside, None)
    api.refuse_open_door(replace(outside, api_token="x"))
    with vigil.warehouse.connect() as connection:
        ApiKeys(connection).create("expired", ["read"], valid_ms=-1)
    with pytest.raises(api.OpenToAll):
        api.refuse_open_door(outside)
    with vigil.warehouse.connect() as connection:
        ApiKeys(connection).create("good", ["read"])
    api.refuse_open_door(outside)


def test_the_server_logs_every_request_and_no_secret(vigil: Installation) -> None:
    token = "planted-7f1c9e"
    with vigil.warehouse.connect() as connection:
        key = ApiKeys(connection).create("logged", ["read"])
    with served(VIGIL_API_TOKEN=token) as (url, process):
        for word in (token, key):
            headers = {"Authorization": f"Bearer {word}"}
            request = urllib.request.Request(f"{url}/api/traders?q={word}", headers=headers)
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.status == 200
    log = (vigil.settings.data_dir / "logs" / "api.log").read_text()
    lines = [json.loads(line[line.index("{") :]) for line in log.splitlines() if "{" in line]
    callers = [line["caller"] for line in lines if line["path"] == "/api/traders"]
    assert callers == ["token", f"key {key.split('_')[1]} (logged)"]
    assert process.stdout is not None
    assert process.stderr is not None
    said = log + process.stdout.read() + process.stderr.read()
    assert token not in said
    assert key.split("_", 2)[2] not in said
    assert process.returncode == 0


def test_the_committed_description_is_the_present_one() -> None:
    present = api.description(Settings.from_environment({}))
    assert (PROJECT_ROOT / "openapi.json").read_text() == present, "run ./vigil openapi"


def test_up_has_the_api_as_a_child_that_ends_with_it(vigil: Installation) -> None:
    with api_service(vigil.settings) as url, urllib.request.urlopen(f"{url}/readyz") as answer:
        assert json.load(answer) == {"status": "ok"}
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/readyz", timeout=5)
