"""`/api/traders/{id}/promote`: from paper to live-ready, on recorded evidence."""

from typing import Any

from fastapi import APIRouter, Response

from vigil_api.etags import MaybeVersion
from vigil_api.problems import answers
from vigil_api.routes.requests import Reading, TraderId, Writing
from vigil_api.schemas import Body, Out, TraderOut, versioned
from vigil_api.security import Manager, Reader
from vigil_api.values import Time
from vigil_resources.desk.promotions import Promotions
from vigil_resources.desk.traders import Traders

router = APIRouter(prefix="/api/traders", tags=["promotions"])


class PromoteIn(Body):
    """False takes it back."""

    live_ready: bool = True


class ConditionOut(Out):
    """One test, and how the record stands in it."""

    name: str
    passed: bool
    found: str
    needed: str


class DecisionOut(Out):
    """A decision that was made, with what it stood on."""

    decided_at: Time
    decided_by: str
    as_of: Time
    passed: bool
    evidence: dict[str, Any]


class EvidenceOut(Out):
    """How a trader stands now, and what was decided before."""

    as_of: Time
    passed: bool
    conditions: list[ConditionOut]
    decisions: list[DecisionOut]


@router.get("/{id:trader}/promotion", responses=answers(404))
def get_evidence(which: TraderId, _: Reader, connection: Reading) -> EvidenceOut:
    """What speaks for live-readiness, and what against."""
    trader_id = Traders(connection).get(which).trader_id
    promotions = Promotions(connection)
    evidence = promotions.evidence(trader_id)
    return EvidenceOut(
        as_of=evidence.as_of,
        passed=evidence.passed,
        conditions=[ConditionOut.of(one) for one in evidence.conditions],
        decisions=[DecisionOut.of(one) for one in promotions.decisions(trader_id)],
    )


@router.post("/{id:trader}/promote", responses=answers(404, 409, 412))
def promote(
    which: TraderId,
    response: Response,
    caller: Manager,
    asked: MaybeVersion,
    connection: Writing,
    body: PromoteIn | None = None,
) -> TraderOut:
    """Call a trader live-ready, or take it back. Accepted signals become intents from then on."""
    trader = Traders(connection).get(which)
    version = (asked and asked.version_of(trader)) or trader.version
    decide = Promotions(connection).promote
    if body is not None and not body.live_ready:
        decide = Promotions(connection).demote
    decided = decide(trader.trader_id, version, by=caller.name)
    response.headers.update(versioned(decided))
    return TraderOut.of(decided)
