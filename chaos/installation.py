"""An installation of Vigil for an attack, and its processes; nothing of the user's own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from vigil_cli.ready import database_ready
from vigil_resources.api_keys import ApiKeys
from vigil_resources.database.embedded_postgres import free_port
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.settings import PROJECT_ROOT, Settings
from vigil_resources.wiring import (
    open_lake,
    open_published_traders,
    open_raw_fills,
    open_warehouse,
)
from vigil_sandbox.world import TINY, WorldSpec, write_world

START_SECONDS = 180


def vigil_variables() -> list[str]:
    """Every variable that Vigil reads: what an attack sets empty, so that none is the user's."""
    text = (PROJECT_ROOT / ".env.example").read_text()
    return sorted({*re.findall(r"(?m)^# ([A-Z0-9_]+)=", text), "AWS_SESSION_TOKEN"})


@dataclass(frozen=True)
class Installation:
    """A data folder of its own; commands find it by `environment`."""

    folder: Path
    given: Mapping[str, str] = field(default_factory=dict)
    """Further variables of Vigil."""

    @cached_property
    def environment(self) -> dict[str, str]:
        """Of its processes: nothing of Vigil's is inherited, and `.env` counts for nothing."""
        own = {
            "VIGIL_DATA_DIR": str(self.folder / "data"),
            "VIGIL_NODE_DATA": str(self.folder / "raw"),
            "DAGSTER_HOME": str(self.folder / "dagster_home"),
        }
        return {**os.environ, **dict.fromkeys(vigil_variables(), ""), **own, **self.given}

    @cached_property
    def settings(self) -> Settings:
        """The same for this process."""
        return Settings.from_environment(self.environment)

    @property
    def warehouse(self) -> Warehouse:
        """Its database, as the owner."""
        return open_warehouse(self.settings)

    def rows(self, statement: str, values: Any = None) -> list[tuple[Any, ...]]:
        """What a statement gives, as the owner of the database."""
        with self.warehouse.connect(autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def run(self, *recipe: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a recipe to its end. Raises `CalledProcessError` where it failed."""
        command = [sys.executable, "-m", "vigil_cli", *recipe]
        ended = subprocess.run(
            command,
            cwd=PROJECT_ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and ended.returncode:
            raise subprocess.CalledProcessError(ended.returncode, command, ended.stdout)
        return ended


@contextmanager
def installed(folder: Path, **given: str) -> Iterator[Installation]:
    """An installation without data; its server runs until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "raw").mkdir(exist_ok=True)
    here = Installation(folder, given)
    with database_ready(here.settings):
        yield here


@contextmanager
def small_world(folder: Path) -> Iterator[Installation]:
    """The tiny simulated world, its days loaded and all figures of them built."""
    with installed(folder) as here:
        build_world(here, TINY)
        yield here


def build_world(here: Installation, spec: WorldSpec) -> None:
    """Simulate a world and load it, the way every day goes."""
    # Seconds to import, and not every attack needs a world.
    from vigil_cli.database import refresh

    write_world(spec, here.folder / "raw")
    raw, lake = open_raw_fills(here.settings), open_lake(here.settings)
    for n in range(spec.day_count):
        day = spec.first_day + timedelta(days=n)
        manifest = raw.manifest(day)
        lake.write_manifest(manifest)
        lake.take_in_stale(raw.store, manifest, lambda _: None)
        found = lake.manifest(day)
        here.warehouse.load_day(
            lake, lake.day(day), source=found.source, missing_hours=found.missing_hours
        )
    refresh(here.settings)
    publish(here)


def publish(here: Installation) -> None:
    """Let lists and pages show the last day built, unless they do."""
    published = open_published_traders(here.settings)
    if not published.is_current():
        published.build()


@dataclass(frozen=True)
class Server:
    """A process of `./vigil api`."""

    port: int
    process: subprocess.Popen[bytes]
    output: Path
    """Its stdout and stderr."""

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def served(here: Installation, output: Path, **given: str) -> Iterator[Server]:
    """The API and the pages in a process of their own, once they answer."""
    port = free_port(0)
    command = [sys.executable, "-m", "vigil_cli", "api", "--port", str(port)]
    with output.open("ab") as out:
        process = _begun(command, {**here.environment, **given}, out)
        try:
            _wait(f"http://127.0.0.1:{port}/readyz", process, output)
            yield Server(port, process, output)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _begun(
    command: list[str], environment: dict[str, str], out: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
    )


def _wait(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}: {output.read_text()[-2000:]}")
        try:
            # On this machine: the port is ours.
            with urllib.request.urlopen(url, timeout=5) as answer:  # nosec B310
                json.load(answer)
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError(f"{url} did not answer within {START_SECONDS} s")


def key_of(here: Installation, label: str, scope: str, *, valid_ms: int | None = None) -> str:
    """Make a key of the API."""
    with here.warehouse.connect() as connection:
        return ApiKeys(connection).create(label, [scope], valid_ms=valid_ms)


def revoke(here: Installation, key: str) -> None:
    """Let it open nothing any more."""
    with here.warehouse.connect() as connection:
        ApiKeys(connection).revoke(key.split("_")[1])
