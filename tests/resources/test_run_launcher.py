"""What the launcher of `deploy/celery` makes of a worker's answers."""

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest
from dagster._core.launcher import WorkerStatus

from vigil_resources.settings import PROJECT_ROOT

FILE = PROJECT_ROOT / "deploy" / "celery" / "vigil_celery.py"
STARTED = {"status": "STARTED", "result": {"hostname": "vigil@two", "pid": 7}}
RUN: Any = SimpleNamespace(tags={"dagster-celery/task_id": "task"})
HAS, HAS_NOT = {"vigil@two": {"task": ["active", {}]}}, {"vigil@two": {}}


def _launcher(answers: list[Any], metas: list[dict[str, Any]]) -> tuple[Any, list[list[str]]]:
    """A launcher whose worker and result backend say these things, in this order."""
    spec = importlib.util.spec_from_file_location("vigil_celery", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    launcher = module.VigilRunLauncher("dagster", "memory://", "cache+memory://")
    asked: list[list[str]] = []

    def inspect(destination: list[str], timeout: float) -> Any:
        assert timeout > 0
        asked.append(destination)
        return SimpleNamespace(query_task=lambda task: answers.pop(0) if task == "task" else None)

    launcher.celery = SimpleNamespace(
        control=SimpleNamespace(inspect=inspect),
        backend=SimpleNamespace(get_task_meta=lambda _: metas.pop(0)),
        AsyncResult=lambda _: SimpleNamespace(state=metas.pop(0)["status"]),
    )
    return launcher, asked


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([HAS], WorkerStatus.RUNNING),
        ([None, HAS], WorkerStatus.RUNNING),
        ([None, None, None], WorkerStatus.NOT_FOUND),
        ([HAS_NOT], WorkerStatus.NOT_FOUND),
    ],
)
def test_a_run_is_where_its_worker_says(answers: list[Any], status: WorkerStatus) -> None:
    count = len(answers)
    launcher, asked = _launcher(answers, [STARTED, STARTED])

    assert launcher.check_run_worker_health(RUN).status is status
    assert asked == [["vigil@two"]] * count


def test_a_task_that_ends_while_its_worker_is_asked_has_ended() -> None:
    done = {"status": "SUCCESS", "result": 0}
    launcher, _ = _launcher([HAS_NOT], [STARTED, done, done])

    assert launcher.check_run_worker_health(RUN).status is WorkerStatus.SUCCESS


@pytest.mark.parametrize(
    ("state", "status"),
    [("FAILURE", WorkerStatus.FAILED), ("PENDING", WorkerStatus.UNKNOWN)],
)
def test_nobody_is_asked_about_a_task_that_does_not_run(state: str, status: WorkerStatus) -> None:
    told = {"status": state, "result": None}
    launcher, asked = _launcher([], [told, told])

    assert launcher.check_run_worker_health(RUN).status is status
    assert asked == []
