"""`/api/alerts` for people, `/api/intents` for executors: read, and say that it was seen."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from vigil_api.cursors import Pages
from vigil_api.problems import answers
from vigil_api.routes.requests import Reading, Writing
from vigil_api.schemas import Out, Page
from vigil_api.security import Manager, Reader
from vigil_api.values import Ratio, Time
from vigil_resources.desk.alert_log import AlertLog
from vigil_resources.desk.intents import Intents

router = APIRouter(prefix="/api", tags=["notices"])

Number = Annotated[int, Path(ge=1, lt=10**18)]
Open = Annotated[bool, Query(alias="open", description="Only what wants somebody's eye")]


class AlertOut(Out):
    """A limit that was crossed: once per crossing."""

    alert_id: int
    trader_id: int
    name: str
    user_address: str | None
    rule: Literal["drawdown_exceeded", "win_rate_below", "consecutive_losses"]
    limit_value: Ratio
    value: Ratio
    as_of: Time
    fired_at: Time
    paused: bool
    recovered_at: Time | None
    acknowledged_at: Time | None
    acknowledged_by: str | None


class IntentOut(Out):
    """What an executor should do. Vigil itself sends no orders."""

    intent_id: int
    signal_id: int
    trader_id: int
    body: dict[str, Any]
    created_at: Time
    acknowledged_at: Time | None
    acknowledged_by: str | None
    withdrawn: bool


@router.get("/alerts")
def list_alerts(
    pages: Pages,
    _: Reader,
    connection: Reading,
    trader: Annotated[int | None, Query(ge=1, lt=10**18, description="Of one trader")] = None,
    is_open: Open = False,
) -> Page[AlertOut]:
    """Alerts, newest first."""
    before = pages.after("alerts", int)
    found = AlertLog(connection).page(
        trader_id=trader,
        is_open=is_open,
        before=before[0] if before else None,
        limit=pages.fetched,
    )
    return pages.page("alerts", found, AlertOut.of, lambda row: (row.alert_id,))


@router.post("/alerts/{id}/acknowledge", responses=answers(404))
def acknowledge_alert(id: Number, caller: Manager, connection: Writing) -> AlertOut:  # noqa: A002
    """Say that somebody saw it. Who said so first stays."""
    return AlertOut.of(AlertLog(connection).acknowledge(id, by=caller.name))


@router.get("/intents")
def list_intents(
    pages: Pages, _: Reader, connection: Reading, is_open: Open = False
) -> Page[IntentOut]:
    """Intents, oldest first: an executor asks on from the last one it took."""
    after = pages.after("intents", int)
    found = Intents(connection).after(
        after[0] if after else 0, unacknowledged=is_open, limit=pages.fetched
    )
    return pages.page("intents", found, IntentOut.of, lambda row: (row.intent_id,))


@router.post("/intents/{id}/acknowledge", responses=answers(404))
def acknowledge_intent(id: Number, caller: Manager, connection: Writing) -> IntentOut:  # noqa: A002
    """Say that it was taken. Who said so first stays."""
    intents = Intents(connection)
    intents.acknowledge(id, by=caller.name)
    [intent] = intents.after(id - 1, limit=1)
    return IntentOut.of(intent)
