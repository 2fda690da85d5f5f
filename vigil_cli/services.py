"""Dagster's web server and daemon, the API and the pages, as children of this process."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vigil_cli.ready import dagster_ready
from vigil_core.errors import VigilError
from vigil_resources.database.embedded_postgres import free_port
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_resources.wiring import embedded_postgres

PREFERRED_PORT = 3000
API_PORT = 8000
CODE_PORT = 4266
MODULE, LOCATION = "vigil_assets.definitions", "vigil"
"""As `workspace.yaml` has them, which those read who start Dagster by themselves."""
_WORKSPACE = """\
load_from:
  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: {name}}}
"""
START_SECONDS = 300

FIRST_WAIT, MOST_WAIT = 1.0, 60.0
"""Seconds before what died is started again; twice as long each time that it dies soon."""
CALM_SECONDS = 120
"""Up for so long, it has the first wait again."""
LOOK_SECONDS = 1.0

_STOPS = {signal.SIGINT, signal.SIGTERM}
_asked: list[int] = []
"""Signals to stop that a thread got which does not block them."""


class ServiceFailed(VigilError):
    """A service ended, or did not answer in time."""


def up(settings: Settings) -> None:
    """Run until Ctrl-C; what dies meanwhile is started again."""
    supervisor = Supervisor()
    port, dagster_port = free_port(API_PORT), free_port(PREFERRED_PORT)
    # The assets link to the pages that show them; the pages, and messages about failed runs, to
    # Dagster.
    os.environ.setdefault("VIGIL_PAGES_URL", f"http://{settings.api_host}:{port}")
    os.environ.setdefault("VIGIL_DAGSTER_URL", f"http://127.0.0.1:{dagster_port}")
    with (
        dagster_ready(settings),
        services(supervisor, dagster_port) as address,
        api_service(settings, supervisor, port) as api,
        live_tail(supervisor) if settings.live else nullcontext(),
    ):
        if settings.database_url is None or settings.dagster_pg_url is None:
            server = embedded_postgres(settings)
            supervisor.watch("the embedded Postgres", server.is_running, server.start)
        print(f"Vigil        {api}\nDagster UI   {address}\nstop with Ctrl-C", flush=True)
        stopped = supervisor.until_stopped()
        print(f"stopping ({signal.Signals(stopped).name})", file=sys.stderr)


@dataclass
class _Watched:
    """Something that ought to be up, and what became of it."""

    name: str
    is_up: Callable[[], bool]
    start: Callable[[], None]
    starts: int = 0
    """Again, after the first."""
    wait: float = FIRST_WAIT
    since: float = 0.0
    due: float | None = None
    """When it is started again; None: it was up when last seen."""


class Supervisor:
    """Starts again what has died, at once the first time, and later the more often it dies."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._watched: list[_Watched] = []

    def watch(self, name: str, is_up: Callable[[], bool], start: Callable[[], None]) -> None:
        """Look after one more; it is up already."""
        self._watched.append(_Watched(name, is_up, start, since=self._clock()))

    @property
    def starts(self) -> dict[str, int]:
        """How often each had to be started again."""
        return {one.name: one.starts for one in self._watched}

    def until_stopped(self) -> int:
        """Look after all until a signal says to stop; gives the signal."""
        while not _asked:
            stopped = signal.sigtimedwait(_STOPS, LOOK_SECONDS)
            if stopped is not None:
                return stopped.si_signo
            self.look()
        return _asked.pop()

    def look(self) -> None:
        """Start what has died and is due."""
        for one in self._watched:
            self._look_at(one, self._clock())

    def _look_at(self, one: _Watched, now: float) -> None:
        if one.due is None:
            if one.is_up():
                if now - one.since > CALM_SECONDS:
                    one.wait = FIRST_WAIT
                return
            one.due = now + one.wait
            _say(f"{one.name} has died; it is started again in {one.wait:.0f} s")
            one.wait = min(2 * one.wait, MOST_WAIT)
        elif now >= one.due:
            try:
                one.start()
            except (VigilError, OSError) as error:
                one.due = now + one.wait
                _say(f"{one.name} does not start: {error}; again in {one.wait:.0f} s")
                one.wait = min(2 * one.wait, MOST_WAIT)
                return
            one.due, one.since = None, now
            one.starts += 1
            _say(f"{one.name} was started again ({one.starts} times by now)")


@contextmanager
def services(supervisor: Supervisor | None = None, port: int | None = None) -> Iterator[str]:
    """Web server and daemon on this machine only; gives the UI's address once it answers."""
    port, code_port = port or free_port(PREFERRED_PORT), free_port(CODE_PORT)
    address = f"http://127.0.0.1:{port}"
    # One for both. Given a module, each would start one of its own, and the daemon's is ended and
    # started again every minute: an import each time, and a backfill that comes upon it fails.
    code = ["dagster", "api", "grpc", "-m", MODULE, "-h", "127.0.0.1", "-p", str(code_port)]
    code += ["--location-name", LOCATION, "--log-level", "warning"]
    with ExitStack() as stack:
        stack.enter_context(_stops_wait())
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="vigil-")))
        workspace = folder / "workspace.yaml"
        workspace.write_text(_WORKSPACE.format(port=code_port, name=LOCATION))
        web = ["dagster-webserver", "-w", str(workspace), "-h", "127.0.0.1", "-p", str(port)]
        children = {"Dagster's code server": stack.enter_context(_child(code))}
        _wait_until_connects(code_port, [*children.values()])
        for name, command in {
            "Dagster's web server": [*web, "--log-level", "warning"],
            "Dagster's daemon": ["dagster-daemon", "run", "-w", str(workspace)],
        }.items():
            children[name] = stack.enter_context(_child(command))
        _wait_until_answers(f"{address}/server_info", [*children.values()])
        _watch(supervisor, children)
        yield address


@contextmanager
def api_service(
    settings: Settings, supervisor: Supervisor | None = None, port: int | None = None
) -> Iterator[str]:
    """The API and the pages; gives their address once they answer."""
    port = port or free_port(API_PORT)
    address = f"http://{settings.api_host}:{port}"
    command = ["python", "-m", "vigil_cli", "api", "--port", str(port)]
    with _stops_wait(), _child(command) as child:
        _wait_until_answers(f"{address}/healthz", [child])
        _watch(supervisor, {"the API": child})
        yield address


@contextmanager
def live_tail(supervisor: Supervisor) -> Iterator[None]:
    """Listens to the exchange's stream. It may be away for long, and is not waited for."""
    with _stops_wait(), _child(["python", "-m", "vigil_cli", "live"]) as child:
        _watch(supervisor, {"the live tail": child})
        yield


def _watch(supervisor: Supervisor | None, children: Mapping[str, "_Child"]) -> None:
    if supervisor is not None:
        for name, child in children.items():
            supervisor.watch(name, child.is_up, child.start)


@contextmanager
def _stops_wait() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait for `up` to ask for them, and we end the children in order.

    Whatever a process starts inherits what is blocked in it: nothing is afterwards. Threads that
    libraries started before do not block them: what reaches one of those is noted.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    handlers = {stop: signal.signal(stop, _note) for stop in _STOPS}
    try:
        yield
    finally:
        for stop, handler in handlers.items():
            signal.signal(stop, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _note(number: int, _: object) -> None:
    _asked.append(number)


class _Child:
    """A program in a process of ours, started again where it is asked to."""

    def __init__(self, command: list[str]) -> None:
        program = Path(sys.executable).with_name(command[0])
        self.command = [str(program), *command[1:]]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        # Workers of a code server that was killed: nobody knows of them any more.
        self._end_group()
        self.process = subprocess.Popen(
            self.command,
            cwd=PROJECT_ROOT,
            # Dagster's own programs find our run launcher by it; ./vigil sets it as well.
            env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_default_signals,
        )

    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=15)
        # A code server waits for its runs, for hours perhaps: they end with it, and are found
        # dead by the next `up`.
        self._end_group()

    def _end_group(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextmanager
def _child(command: list[str]) -> Iterator[_Child]:
    child = _Child(command)
    try:
        yield child
    finally:
        child.stop()


def _default_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


def _wait_until_connects(port: int, children: list[_Child]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        _expect_up(children)
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise ServiceFailed(f"port {port} did not answer within {START_SECONDS} s")


def _expect_up(children: list[_Child]) -> None:
    for child in children:
        if not child.is_up():
            status = None if child.process is None else child.process.returncode
            raise ServiceFailed(f"{child.command!r} ended with {status}")


def _wait_until_answers(url: str, children: list[_Child]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        _expect_up(children)
        try:
            # On this machine: the port is ours.
            with urllib.request.urlopen(url, timeout=5) as answer:  # nosec B310
                json.load(answer)
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.5)
    raise ServiceFailed(f"{url} did not answer within {START_SECONDS} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
