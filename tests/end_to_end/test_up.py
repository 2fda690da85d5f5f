"""What `./vigil up` keeps alive."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.backfills import Place, processes
from tests.conftest import Installation
from vigil_cli import services
from vigil_cli.services import ServiceFailed, Supervisor
from vigil_resources.settings import PROJECT_ROOT

MOMENT = 0.05
KILLED = {"daemon", "web server", "api", "code server"}


class Patient:
    """Something that dies and starts as a test wants."""

    def __init__(self) -> None:
        self.up = True
        self.starts: list[float] = []
        self.refuses = 0

    def start(self) -> None:
        if self.refuses:
            self.refuses -= 1
            raise ServiceFailed("not now")
        self.up = True


def seconds_until(condition: Callable[[], bool], supervisor: Supervisor, now: list[float]) -> float:
    begun = now[0]
    while not condition():
        supervisor.look()
        now[0] += MOMENT
        assert now[0] < begun + 1000
    return now[0] - begun


def test_what_dies_is_started_again_and_later_the_more_often_it_dies() -> None:
    now = [0.0]
    one, supervisor = Patient(), Supervisor(lambda: now[0])
    supervisor.watch("it", lambda: one.up, one.start)
    waits = []
    for _ in range(8):
        one.up = False
        waits.append(round(seconds_until(lambda: one.up, supervisor, now)))

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert supervisor.starts == {"it": 8}


def test_what_lived_for_long_is_started_soon() -> None:
    now = [0.0]
    one, supervisor = Patient(), Supervisor(lambda: now[0])
    supervisor.watch("it", lambda: one.up, one.start)
    for _ in range(4):
        one.up = False
        seconds_until(lambda: one.up, supervisor, now)
    now[0] += services.CALM_SECONDS + 1
    supervisor.look()
    one.up = False

    assert round(seconds_until(lambda: one.up, supervisor, now)) == 1


def test_what_does_not_start_is_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    one, other, supervisor = Patient(), Patient(), Supervisor(lambda: now[0])
    supervisor.watch("it", lambda: one.up, one.start)
    supervisor.watch("the other", lambda: other.up, other.start)
    one.up, one.refuses = False, 2
    waited = seconds_until(lambda: one.up, supervisor, now)

    assert round(waited) == 1 + 2 + 4
    assert supervisor.starts == {"it": 1, "the other": 0}
    said = capsys.readouterr().err
    assert "it has died" in said
    assert "it does not start: not now" in said
    assert "it was started again (1 times by now)" in said


def test_a_signal_that_another_thread_gets_stops_it_in_order() -> None:
    program = """
import os, signal, threading
from vigil_cli.services import Supervisor, _stops_wait
threading.Thread(target=threading.Event().wait, daemon=True).start()
with _stops_wait():
    os.kill(os.getpid(), signal.SIGTERM)
    print(Supervisor().until_stopped() == signal.SIGTERM)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=90,
    )

    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_services_and_a_killed_database_come_back(
    vigil: Installation, tmp_path: Path
) -> None:
    there = Place(tmp_path, dict(os.environ))
    with subprocess.Popen(
        [sys.executable, "-m", "vigil_cli", "up"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as up:
        assert up.stdout is not None
        lines = [up.stdout.readline().split() for _ in range(2)]
        page, dagster = lines[0][-1], lines[1][-1]
        cluster = vigil.settings.data_dir / "postgres" / "cluster" / "postmaster.pid"
        postmaster = int(cluster.read_text().split("\n", 1)[0])
        before = {role: pid for pid, role in processes(there)}
        for role in KILLED:
            os.kill(before[role], signal.SIGKILL)
        os.kill(postmaster, signal.SIGKILL)

        answers(f"{page}/healthz", 240)
        answers(f"{dagster}/server_info", 240)
        answers(f"{page}/api/profiles", 240)
        wait(lambda: {role for _, role in processes(there)} >= KILLED, 240)
        after = {role: pid for pid, role in processes(there)}
        up.terminate()
        said = up.communicate(timeout=90)[1]

    assert up.returncode == 0
    for name in ("code server", "daemon", "web server", "API", "embedded Postgres"):
        assert f"{name} has died" in said
        assert f"{name} was started again" in said
    for role in KILLED:
        assert after[role] != before[role]
    # The fixture still uses the database.
    assert {role for _, role in processes(there)} <= {"database", "other"}


def answers(url: str, seconds: float) -> None:
    def is_there() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                json.load(answer)
                return True
        except OSError:
            return False

    wait(is_there, seconds)


def wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)
