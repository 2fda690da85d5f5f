"""Dagster's web server and daemon, the API and the pages, as children of this process."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vigil_cli.ready import dagster_ready
from vigil_core.errors import VigilError
from vigil_resources.embedded_postgres import free_port
from vigil_resources.settings import PROJECT_ROOT, Settings

PREFERRED_PORT = 3000
API_PORT = 8000
START_SECONDS = 120

_STOPS = {signal.SIGINT, signal.SIGTERM}


class ServiceFailed(VigilError):
    """A service ended, or did not answer in time."""


def up(settings: Settings) -> None:
    """Run until Ctrl-C."""
    with dagster_ready(settings), services() as address:
        # The pages link to the assets behind them.
        os.environ.setdefault("VIGIL_DAGSTER_URL", address)
        with api_service(settings) as api:
            print(f"Vigil        {api}\nDagster UI   {address}\nstop with Ctrl-C", flush=True)
            stopped = signal.sigwait(_STOPS)
            print(f"stopping ({signal.Signals(stopped).name})", file=sys.stderr)


@contextmanager
def services() -> Iterator[str]:
    """Web server and daemon on this machine only; gives the UI's address once it answers."""
    port = free_port(PREFERRED_PORT)
    address = f"http://127.0.0.1:{port}"
    web = [
        "dagster-webserver",
        "-w",
        "workspace.yaml",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    with ExitStack() as stack:
        stack.enter_context(_stops_wait())
        children = [
            stack.enter_context(_child([*web, "--log-level", "warning"])),
            stack.enter_context(_child(["dagster-daemon", "run", "-w", "workspace.yaml"])),
        ]
        _wait_until_answers(f"{address}/server_info", children)
        yield address


@contextmanager
def api_service(settings: Settings) -> Iterator[str]:
    """The API and the pages; gives their address once they answer."""
    port = free_port(API_PORT)
    address = f"http://{settings.api_host}:{port}"
    command = ["python", "-m", "vigil_cli", "api", "--port", str(port)]
    with _stops_wait(), _child(command) as child:
        _wait_until_answers(f"{address}/healthz", [child])
        yield address


@contextmanager
def _stops_wait() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait for `up` to ask for them, and we end the children in order.

    Whatever a process starts inherits what is blocked in it: nothing is afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _child(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    program = Path(sys.executable).with_name(command[0])
    process = subprocess.Popen(
        [program, *command[1:]],
        cwd=PROJECT_ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_default_signals,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _default_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def _wait_until_answers(url: str, children: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for child in children:
            if child.poll() is not None:
                raise ServiceFailed(f"{child.args!r} ended with {child.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                json.load(answer)
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.5)
    raise ServiceFailed(f"{url} did not answer within {START_SECONDS} s")
