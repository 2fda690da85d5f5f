"""`/api/backtests`: ask for one, and poll until it is done."""

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from vigil_api.cursors import Pages
from vigil_api.database import Connection
from vigil_api.idempotency import Answer, IdempotencyKey, once
from vigil_api.problems import answers
from vigil_api.routes.requests import Reading, takes, writing_settings
from vigil_api.schemas import Body, Models, Out, Page, TokensIn
from vigil_api.security import Manager, Reader
from vigil_api.values import (
    Address,
    AmountIn,
    Basis,
    Coin,
    DayIn,
    Lag,
    Leverage,
    Probability,
    Seconds,
    Time,
    TimeIn,
    Word,
)
from vigil_resources.desk.backtest_reads import BacktestReads
from vigil_resources.wiring import open_backtests


class UniverseIn(Body):
    """Whoever bore a label when the window began; those who stopped trading included."""

    label: Word
    rule_set: Word = "seed_100k"


class TapeIn(Body):
    """What our size paid follows from the prints of the tape."""

    model: Literal["tape"]


class FixedIn(Body):
    """A fixed share of the price, against us."""

    model: Literal["fixed"]
    bps: Basis


class StatedTradeIn(Body):
    """A trade whose prices the caller states."""

    id: Annotated[str, Field(pattern="^[!-~]{1,100}$")]
    token: Coin
    side: Literal["long", "short"]
    confidence: Probability | None = None
    leverage: Leverage | None = None
    entry_time: TimeIn
    entry_px: AmountIn
    exit_time: TimeIn
    exit_px: AmountIn


class FilterIn(TokensIn):
    """What the filter asks of a signal."""

    position_multiplier: Decimal
    max_leverage: Decimal
    min_confidence: Decimal


class BacktestIn(Body):
    """What is to be copied, over which days [start, end), and at which cost.

    One of `traders`, `universe` and `trades` says whose signals.
    """

    traders: Annotated[list[Address], Field(min_length=1, max_length=500)] | None = None
    universe: UniverseIn | None = None
    trades: Annotated[list[StatedTradeIn], Field(min_length=1, max_length=100)] | None = None
    start: DayIn
    end: DayIn
    """Not included."""
    initial_capital_usd: Decimal
    base_size_usd: Decimal
    settings: FilterIn
    fee_bps: Basis | None = None
    slippage: Annotated[TapeIn | FixedIn, Field(discriminator="model")] | None = None
    lag_s: Lag | None = None
    wait_s: Seconds | None = None
    require_confidence: bool = True
    require_leverage: bool = True

    def request(self) -> dict[str, Any]:
        """As the resource takes it: what was not said is left to its defaults."""
        given = self.model_dump(exclude_none=True)
        return given | {"start": self.start.isoformat(), "end": self.end.isoformat()}


class BacktestOut(Out):
    """A backtest; `result` is there once it is done, and in lists never."""

    backtest_id: int
    status: Literal["queued", "running", "done", "failed"]
    progress: float
    request: dict[str, Any]
    requested_at: Time
    requested_by: str
    started_at: Time | None
    finished_at: Time | None
    summary: dict[str, Any] | None
    error: str | None
    inputs_digest: str | None
    result_sha256: str | None
    result: dict[str, Any] | None = None


def router(models: Models) -> APIRouter:
    """The routes, with the bounds of an application."""
    api = APIRouter(prefix="/api/backtests", tags=["backtests"])

    @api.post("", status_code=202, responses=_TAKEN | answers(400, 409))
    @takes(models.backtest(BacktestIn, FilterIn))
    def ask(request: Request, caller: Manager, key: IdempotencyKey, body: BacktestIn) -> Response:
        """Ask for a backtest. The same over the same data is not computed twice."""

        def enter(connection: Connection) -> Answer:
            backtests = open_backtests(writing_settings(request))
            number = backtests.submit(body.request(), caller.name)
            content = _shown(BacktestReads(connection).get(number)).model_dump_json()
            headers = {"Location": f"/api/backtests/{number}"}
            return Answer(status=202, headers=headers, body=content)

        answer = once(request, caller.name, key, enter)
        request.app.state.worker.wake()
        return answer

    @api.get("")
    def list_backtests(pages: Pages, _: Reader, connection: Reading) -> Page[BacktestOut]:
        """Backtests, newest first, without their results."""
        before = pages.after("backtests", int)
        found = BacktestReads(connection).newest(
            before=before[0] if before else None, limit=pages.fetched
        )
        return pages.page("backtests", found, _shown, lambda row: (row.backtest_id,))

    @api.get("/{id}", responses=answers(404))
    def get_backtest(
        id: Annotated[int, Path(ge=1, lt=10**18)],  # noqa: A002
        _: Reader,
        connection: Reading,
    ) -> BacktestOut:
        """One backtest: how far it is, and what came out."""
        return _shown(BacktestReads(connection).get(id))

    return api


_TAKEN: dict[int | str, dict[str, Any]] = {
    202: {
        "model": BacktestOut,
        "description": "Entered; poll at Location",
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
}


def _shown(row: Any) -> BacktestOut:
    names = BacktestOut.model_fields.keys() - {"result"}
    result = None if row.result is None else json.loads(row.result)
    return BacktestOut.of({name: getattr(row, name) for name in names} | {"result": result})
