"""Spark's own cluster on loopback: a master and workers, each a process, for bench and tests."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from vigil_resources.database.embedded_postgres import free_port
from vigil_resources.spark_lake import environment

LOOPBACK = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "768m",
}
"""What a job is told that runs on one."""

_MASTER = "org.apache.spark.deploy.master.Master"
_WORKER = "org.apache.spark.deploy.worker.Worker"


@dataclass
class Cluster:
    """A master and its workers; their logs and executors' folders lie in `folder`."""

    folder: Path
    port: int
    page: int
    """Port of the master's page."""
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def master(self) -> str:
        """What a job is told to run on."""
        return f"spark://127.0.0.1:{self.port}"

    def start(self, name: str, program: Sequence[str], before: Sequence[str] = ()) -> None:
        """One of Spark's processes, behind a command that sets it up, in a group of its own."""
        spark_class = environment() / "lib"
        (found,) = spark_class.glob("python*/site-packages/pyspark/bin/spark-class")
        quiet = {"SPARK_DAEMON_MEMORY": "256m", "SPARK_LOCAL_IP": "127.0.0.1"}
        local = {"SPARK_LOCAL_DIRS": str(self.folder / f"{name}.local")}
        with (self.folder / f"{name}.log").open("ab") as log:
            self.children[name] = subprocess.Popen(
                [*before, str(found), *program],
                env=dict(os.environ) | quiet | local,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_worker(
        self, name: str, *, cores: int = 1, memory: str = "1g", before: Sequence[str] = ()
    ) -> None:
        """A worker with so many cores; its executor inherits what it was put behind."""
        place = ["--host", "127.0.0.1", "--webui-port", "0", "-d", str(self.folder / name)]
        size = ["--cores", str(cores), "--memory", memory]
        self.start(name, [_WORKER, *place, *size, self.master], before)

    def wait_for_workers(self, count: int, seconds: float = 120) -> None:
        """Until the master knows of so many that live."""
        deadline = time.monotonic() + seconds
        while self._alive() != count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self._alive()} of {count} workers after {seconds} s")
            time.sleep(0.2)

    def _alive(self) -> int:
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self.page}/json/", timeout=5) as answer,
        ):
            return answer.read().count(b'"ALIVE"') - 1  # the master itself
        return -1

    def executor_of(self, name: str) -> bool:
        """Whether a worker has started an executor."""
        return any((self.folder / name).glob("app-*/*/stderr"))

    def kill(self, name: str) -> None:
        """SIGKILL to a worker and its executor."""
        child = self.children.pop(name)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A master without workers; all processes end with it."""
    folder.mkdir(parents=True)
    found = Cluster(folder, free_port(0), free_port(0))
    place = ["--host", "127.0.0.1", "--port", str(found.port), "--webui-port", str(found.page)]
    try:
        found.start("master", [_MASTER, *place])
        yield found
    finally:
        for name in list(found.children):
            with suppress(ProcessLookupError):
                found.kill(name)
