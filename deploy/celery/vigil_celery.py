"""Dagster's runs as Celery tasks, on as many hosts as there are: the app, and the launcher.

Named by the `dagster.yaml` beside this file, and by `celery -A vigil_celery worker`: wherever
Dagster or a worker starts, this folder belongs on PYTHONPATH. All settings stand in that
`dagster.yaml`; assets know nothing of it.
"""

from dagster import DagsterInstance, DagsterRun
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

ASKED = 3
"""Times that a worker is asked for a task before it is taken for dead."""

PATIENCE = 5.0
"""Seconds it has for each answer. It answers from a process that runs no task itself."""


class VigilRunLauncher(CeleryRunLauncher):
    """Sees that the worker of a run is gone.

    Celery leaves the task of a killed host "started" for ever, and the launcher this extends
    believes it. This one asks the host.
    """

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """What became of the task, and whether its worker still has it.

        Raises:
            kombu.exceptions.OperationalError: The broker does not answer: nothing is known.
        """
        task_id = run.tags[DAGSTER_CELERY_TASK_ID_TAG]
        told = self.celery.backend.get_task_meta(task_id)
        if told["status"] != "STARTED":
            return super().check_run_worker_health(run)
        worker = told["result"]["hostname"]
        for _ in range(ASKED):
            answer = self.celery.control.inspect([worker], timeout=PATIENCE).query_task(task_id)
            if answer is not None:
                break
        else:
            gone = f"{worker}, which has the run, does not answer"
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, gone)
        if task_id in answer[worker]:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        # It ended between the two questions, or the worker was started anew.
        if self.celery.backend.get_task_meta(task_id)["status"] != "STARTED":
            return super().check_run_worker_health(run)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"{worker} no longer has the run")


def _app_of_this_host():  # type: ignore[no-untyped-def]  # Celery has no types
    """The launcher's own app, so that both sides have the same settings."""
    with DagsterInstance.get() as instance:
        launcher = instance.run_launcher
    if not isinstance(launcher, VigilRunLauncher):
        raise TypeError(f"the run launcher of this DAGSTER_HOME is a {type(launcher).__name__}")
    create_execute_job_task(launcher.celery)
    create_resume_job_task(launcher.celery)
    return launcher.celery


def __getattr__(name: str) -> object:
    """`app`, made when a worker asks for it: Dagster imports this file to make the launcher."""
    if name == "app":
        globals()["app"] = _app_of_this_host()
        return globals()["app"]
    raise AttributeError(name)
