"""`/api/traders/compare`: are these the same trade?"""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from vigil_api.problems import Problem, answers
from vigil_api.routes.requests import Databased
from vigil_api.schemas import Out
from vigil_api.security import Reader
from vigil_api.values import Money, Ratio, Time
from vigil_core.metrics.comparison import AXES, FEWEST, MOST
from vigil_resources.metrics.explorer import Explorer, Pair

router = APIRouter(prefix="/api/traders", tags=["traders"])

_ONE = "(?:[1-9][0-9]{0,17}|0x[0-9a-fA-F]{40})"


class ComparedOut(Out):
    """One trader's figures, and on each axis the share of the universe that does worse."""

    user_address: str
    trader_id: int | None
    name: str | None
    trader_type: str
    trading_days: int
    publishable: bool
    volume_usd: Money
    net_pnl: Money | None
    net_pnl_reason: str | None
    roi_30d: Ratio | None
    roi_30d_reason: str | None
    roi_90d: Ratio | None
    roi_90d_reason: str | None
    roi_all: Ratio | None
    roi_all_reason: str | None
    sharpe_ratio: Ratio | None
    sharpe_ratio_reason: str | None
    win_rate: Ratio | None
    win_rate_reason: str | None
    max_drawdown: Ratio | None
    max_drawdown_reason: str | None
    avg_leverage: Ratio | None
    avg_leverage_reason: str | None
    diversification_score: Ratio | None
    diversification_score_reason: str | None
    coins: list[str]
    axes: dict[str, Ratio | None]


class PairOut(Out):
    """How alike two traders are; redundant: following both is following one twice."""

    a: str
    b: str
    correlation: Ratio | None
    correlation_reason: str | None
    n_days: int
    token_overlap: Ratio | None
    token_overlap_reason: str | None
    is_redundant: bool


class ComparisonOut(Out):
    """Two to six traders by what was known at `as_of`."""

    as_of: Time
    traders: list[ComparedOut]
    pairs: list[PairOut]


@router.get("/compare", responses=answers(404, 409))
def compare(
    _: Reader,
    database: Databased,
    ids: Annotated[
        str,
        Query(
            pattern=f"^{_ONE}(?:,{_ONE}){{{FEWEST - 1},{MOST - 1}}}$",
            description="Two to six ids or addresses, with commas between them",
        ),
    ],
) -> ComparisonOut:
    """Figures side by side, correlations of daily results, and overlap of coins."""
    reads = Explorer(database.read)
    addresses = list(dict.fromkeys(_address(reads, one) for one in ids.split(",")))
    if len(addresses) < FEWEST:
        raise Problem("contradiction", "a trader compared with himself is the same")
    rows = reads.compared(addresses)
    known = {row["user_address"] for row in rows}
    for address in addresses:
        if address not in known:
            raise Problem("not-found", f"no figures of {address} are published")
    age = reads.age()
    as_of = min(age["published_until"], age["figures_until"])
    pairs = [_pair(*names, pair) for names, pair in reads.pairs(addresses, as_of).items()]
    return ComparisonOut(as_of=as_of, traders=[_compared(row) for row in rows], pairs=pairs)


def _address(reads: Explorer, text: str) -> str:
    if text.startswith("0x"):
        return text.lower()
    address = reads.address_of(int(text))
    if address is None:
        raise Problem("not-found", f"there is no trader {text} with an address")
    return address


def _compared(row: dict[str, Any]) -> ComparedOut:
    names = ComparedOut.model_fields.keys() - {"axes"}
    axes = {column.removeprefix("percentile_"): row[column] for column, _ in AXES}
    return ComparedOut.of({name: row[name] for name in names} | {"axes": axes})


def _pair(a: str, b: str, pair: Pair) -> PairOut:
    names = PairOut.model_fields.keys() - {"a", "b"}
    return PairOut(a=a, b=b, **{name: getattr(pair, name) for name in names})
