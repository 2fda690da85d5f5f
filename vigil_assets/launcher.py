"""Runs on this machine, and whether those who work on them still live.

Dagster's own launcher cannot tell: the runs of a killed code server, or of a machine that went
down, stay "started" with their slots until they have lasted for the longest time allowed.
"""

import socket
from pathlib import Path

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

PROCESS_TAG = "vigil/process"
"""Of a run without a launcher: the process that works on it."""

_ANSWER_SECONDS = 15


def this_process(pid: int | str = "self") -> str:
    """Host, number and start of a process: together they name no other one, ever.

    Raises:
        FileNotFoundError: There is no such process.
    """
    words = Path(f"/proc/{pid}/stat").read_text()
    number, fields = words.split(" ", 1)[0], words.rsplit(")", 1)[1].split()
    return f"{socket.gethostname()}:{number}:{fields[19]}"


class LocalRunLauncher(DefaultRunLauncher):
    """Dagster's default launcher, which also says whether a run's worker is there."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Ask the operating system, or the code server that started the worker."""
        if PROCESS_TAG in run.tags:
            return _of_process(run.tags[PROCESS_TAG])
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "nobody to ask")
        request = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            answer = client.can_cancel_execution(request, timeout=_ANSWER_SECONDS)
        except DagsterUserCodeUnreachableError as error:
            return _unreachable(error)
        found = deserialize_value(answer, CanCancelExecutionResult)
        if found.can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the code server has no such worker")


def _of_process(tag: str) -> CheckRunHealthResult:
    host, pid, _ = tag.rsplit(":", 2)
    if host != socket.gethostname():
        return CheckRunHealthResult(WorkerStatus.RUNNING, f"on {host}, which nobody here can ask")
    try:
        is_there = this_process(pid) == tag
    except FileNotFoundError:
        is_there = False
    if is_there:
        return CheckRunHealthResult(WorkerStatus.RUNNING)
    return CheckRunHealthResult(WorkerStatus.FAILED, f"process {pid} is gone")


def _unreachable(error: DagsterUserCodeUnreachableError) -> CheckRunHealthResult:
    """A server that is gone refuses; one that is busy does not answer in time."""
    # By name: gRPC's own types come without annotations.
    code = getattr(error.__cause__, "code", lambda: None)()
    if getattr(code, "name", "") == "UNAVAILABLE":
        return CheckRunHealthResult(WorkerStatus.FAILED, "the code server of the run is gone")
    return CheckRunHealthResult(WorkerStatus.RUNNING, "the code server did not answer in time")
