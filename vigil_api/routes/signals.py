"""`/api/signals`: what callers state; and what became of every signal of a trader."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from vigil_api.cursors import Pages
from vigil_api.database import Connection
from vigil_api.idempotency import Answer, IdempotencyKey, once
from vigil_api.problems import Problem, answers
from vigil_api.routes.requests import Reading, TraderId
from vigil_api.schemas import Body, Out, Page
from vigil_api.security import Manager, Reader
from vigil_api.values import (
    COIN_PATTERN,
    AmountIn,
    Coin,
    Leverage,
    Money,
    Probability,
    Ratio,
    Share,
    Time,
    TimeIn,
    Trader,
)
from vigil_resources.desk.signals import Signals, StatedSignal
from vigil_resources.desk.traders import Traders

router = APIRouter(prefix="/api", tags=["signals"])

ACTIONS = Literal["open", "reduce", "close"]


class SignalIn(Body):
    """One intent of a followed trader. A reduction says of which share of his position."""

    trader: Trader
    action: ACTIONS
    coin: Coin
    side: Literal["buy", "sell"]
    """Of the order: a long is opened by buy, and closed by sell."""
    leader_time: TimeIn
    leader_px: AmountIn | None = None
    leader_size: AmountIn | None = None
    reduced_share: Share | None = None
    leverage: Leverage | None = None
    confidence: Probability | None = None


class SignalOut(Out):
    """A signal, what became of it, and what its copy came to."""

    signal_id: int
    trader_id: int
    source: Literal["fills", "api", "telegram", "import"]
    source_key: str
    action: ACTIONS
    coin: str
    side: Literal["buy", "sell"]
    leader_time: Time
    leader_px: Money | None
    leader_size: Money | None
    reduced_share: Ratio | None
    leverage: Ratio | None
    confidence: Ratio | None
    received_at: Time
    settings_version: int | None
    outcome: str
    size_usd: Money
    evidence: dict[str, Any]
    copy_id: int | None
    mode: Literal["paper", "live"] | None
    entry_px: Money | None
    exit_px: Money | None
    closed_at: Time | None
    net_pnl_usd: Money | None


_KEPT: dict[int | str, dict[str, Any]] = {
    201: {
        "model": SignalOut,
        "description": "Kept, with its outcome",
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
}


@router.post("/signals", status_code=201, responses=_KEPT | answers(400, 404, 409))
def state_signal(
    request: Request, caller: Manager, key: IdempotencyKey, body: SignalIn
) -> Response:
    """State a signal. What today's settings reject says why at once; the rest is `pending`.

    The key is the signal's name: stated again, it is the same one.
    """
    if body.action == "reduce" and body.reduced_share is None:
        raise Problem("contradiction", "a reduction says of which share: reduced_share")
    ratios = ("reduced_share", "leverage", "confidence")
    given = body.model_dump(exclude={"trader"})
    given |= {name: float(given[name]) for name in ratios if given[name] is not None}
    stated = StatedSignal(**given)

    def state(connection: Connection) -> Answer:
        trader = Traders(connection).get(body.trader)
        signal = Signals(connection).state(trader, stated, key, by=caller.name)
        where = f"/api/traders/{trader.trader_id}/signals"
        content = SignalOut.of(signal).model_dump_json()
        return Answer(status=201, headers={"Location": where}, body=content)

    return once(request, caller.name, key, state)


@router.get("/traders/{id:trader}/signals", responses=answers(404))
def list_signals(
    pages: Pages,
    which: TraderId,
    _: Reader,
    connection: Reading,
    coin: Annotated[str | None, Query(pattern=COIN_PATTERN)] = None,
    outcome: Annotated[str | None, Query(pattern="^[a-z_]{1,40}$")] = None,
) -> Page[SignalOut]:
    """Every signal of a trader, newest first, the rejected ones with the test that they failed."""
    trader_id = Traders(connection).get(which).trader_id
    name = f"signals of {trader_id}"
    before: Any = pages.after(name, int, int)
    found = Signals(connection).page(
        trader_id, coin=coin, outcome=outcome, before=before, limit=pages.fetched
    )
    return pages.page(name, found, SignalOut.of, lambda row: (row.leader_time, row.signal_id))
