"""What comes out of a backtest, and how it follows from the leader's own result, step by step."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from vigil_core.calendar import day_of
from vigil_core.desk.copying import Copy, EquityPoint, Outcome, exact
from vigil_core.desk.leader_book import BEFORE, LeaderBook

BRIDGE_DIGITS = Decimal(1).scaleb(-12)
"""USD; each step is rounded to it, and one of them takes what is left."""

STEPS = (
    "leader_net_ex_funding",
    "leader_fees",
    "held_before_or_transferred",
    "not_copied",
    "sizing",
    "first_price",
    "lag",
    "slippage",
    "fees",
    "funding",
)
"""Of the bridge: the first is his result; with the others it adds up to ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Of one copy or of many: `net` is the rest of the first less the others, plus funding."""

    gross_at_leader_usd: Decimal = Decimal(0)
    lag_usd: Decimal = Decimal(0)
    slippage_usd: Decimal = Decimal(0)
    fees_usd: Decimal = Decimal(0)
    funding_usd: Decimal = Decimal(0)

    @property
    def net_pnl_usd(self) -> Decimal:
        """What it did to the account."""
        with exact():
            earned = self.gross_at_leader_usd + self.funding_usd
            return earned - self.lag_usd - self.slippage_usd - self.fees_usd

    def __add__(self, other: "Costs") -> "Costs":
        with exact():
            return Costs(
                gross_at_leader_usd=self.gross_at_leader_usd + other.gross_at_leader_usd,
                lag_usd=self.lag_usd + other.lag_usd,
                slippage_usd=self.slippage_usd + other.slippage_usd,
                fees_usd=self.fees_usd + other.fees_usd,
                funding_usd=self.funding_usd + other.funding_usd,
            )

    def as_json(self) -> dict[str, Decimal]:
        """By name, `net_pnl_usd` with them."""
        names = (*self.__dataclass_fields__, "net_pnl_usd")
        return {name: getattr(self, name) for name in names}


def costs_of(copy: Copy, mark: Decimal | None) -> Costs:
    """Of a copy; what is open of it at its mark, or not at all where there are no marks."""
    with exact():
        open_size = copy.open_quantity * copy.direction if mark is not None else Decimal(0)
        fees = copy.fees_usd
        if mark is None and copy.open_quantity:
            # As the account counts it: the entry fee of what is closed.
            booked = copy.booked_usd(with_open_fee=False)
            price = copy.gross_at_leader_usd - copy.lag_usd - copy.slippage_usd
            fees = price + (copy.funding_usd or 0) - booked
        at = mark if mark is not None else copy.leader_entry_px
        return Costs(
            gross_at_leader_usd=copy.gross_at_leader_usd + (at - copy.leader_entry_px) * open_size,
            lag_usd=copy.lag_usd + (copy.arrival_px - copy.leader_entry_px) * open_size,
            slippage_usd=copy.slippage_usd + (copy.entry_px - copy.arrival_px) * open_size,
            fees_usd=fees,
            funding_usd=copy.funding_usd or Decimal(0),
        )


def total(costs: Iterable[Costs]) -> Costs:
    """Sum of them."""
    return sum(costs, Costs())


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All that a window gave, of all traders."""

    outcomes: Sequence[Outcome]
    copies: Sequence[Copy]
    """Closed and open."""
    equity: Sequence[EquityPoint]
    capital_usd: Decimal
    marks: Mapping[str, Decimal]
    """At the end; empty where there are none."""
    books: Mapping[str, LeaderBook] = field(default_factory=dict)
    """By trader; none of stated trades."""
    unreadable: Mapping[str, int] = field(default_factory=dict)
    """Rows that do not tell the position, by trader."""

    def costs_of(self, copy: Copy) -> Costs:
        """As it stands at the end."""
        return costs_of(copy, self.marks.get(copy.coin) if copy.open_quantity else None)


def result_of(run: Run) -> dict[str, Any]:
    """Everything but the ratios, which the database's functions know. Money as decimals."""
    closed = [copy for copy in run.copies if copy.closed_at is not None]
    costs = total(map(run.costs_of, run.copies))
    final = run.equity[-1].equity_usd
    with exact():
        gained = final - run.capital_usd
    return {
        "final_value_usd": final,
        "pnl_usd": gained,
        "roi": float(gained / run.capital_usd),
        "trade_count": len(closed),
        "win_count": sum((copy.net_pnl_usd or 0) > 0 for copy in closed),
        "loss_count": sum((copy.net_pnl_usd or 0) < 0 for copy in closed),
        "open_count": len(run.copies) - len(closed),
        "costs": costs.as_json(),
        "funding_unknown_count": sum(copy.funding_usd is None for copy in run.copies),
        "rejected": _rejected(run.outcomes),
        "signal_count": len(run.outcomes),
        "traders": [_trader(run, trader) for trader in sorted(_traders(run))],
        "trades": [
            _trade(run, copy) for copy in sorted(run.copies, key=lambda c: (c.opened_at, c.key))
        ],
    }


def _traders(run: Run) -> set[str]:
    return {*run.books, *(outcome.signal.trader for outcome in run.outcomes)}


def _rejected(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Openings that were not copied, by code."""
    return dict(
        Counter(
            outcome.decision.outcome
            for outcome in outcomes
            if outcome.signal.action == "open" and not outcome.decision.is_accepted
        )
    )


def _trader(run: Run, trader: str) -> dict[str, Any]:
    outcomes = [outcome for outcome in run.outcomes if outcome.signal.trader == trader]
    copies = [copy for copy in run.copies if copy.trader == trader]
    costs = total(map(run.costs_of, copies))
    found: dict[str, Any] = {
        "trader": trader,
        "opening_signals": sum(outcome.signal.action == "open" for outcome in outcomes),
        "copied": len(copies),
        "rejected": _rejected(outcomes),
        "costs": costs.as_json(),
        "unreadable_fills": run.unreadable.get(trader, 0),
    }
    if trader in run.books:
        found |= _bridge(run, trader, outcomes, copies, costs)
    return found


def _bridge(
    run: Run, trader: str, outcomes: Sequence[Outcome], copies: Sequence[Copy], costs: Costs
) -> dict[str, Any]:
    """From his result over the window to ours. Every step is an amount that is added."""
    book = run.books[trader]
    if book.fees_usd is None:
        return {"bridge": None, "bridge_reason": "unpriced_component"}
    if not run.marks.keys() >= set(book.held()):
        return {"bridge": None, "bridge_reason": "no_data"}
    copied = {copy.key: copy for copy in copies}
    with exact():
        results = book.results(dict(run.marks))
        gross = sum(results.values(), Decimal(0))
        missed: dict[str, Decimal] = {}
        for outcome in outcomes:
            if outcome.signal.action == "open" and not outcome.decision.is_accepted:
                code = outcome.decision.outcome
                his = results.get(outcome.signal.key, Decimal(0))
                missed[code] = missed.get(code, Decimal(0)) - his
        sizing = Decimal(0)
        for key, copy in copied.items():
            size = book.size_of(key)
            if size:
                ratio = (copy.quantity / size).quantize(Decimal(1).scaleb(-30))
                sizing += (ratio - 1) * results.get(key, Decimal(0))
        steps = {
            "leader_net_ex_funding": gross - book.fees_usd,
            "leader_fees": book.fees_usd,
            "held_before_or_transferred": -results.get(BEFORE, Decimal(0)),
            "not_copied": sum(missed.values(), Decimal(0)),
            "sizing": sizing,
            "lag": -costs.lag_usd,
            "slippage": -costs.slippage_usd,
            "fees": -costs.fees_usd,
            "funding": costs.funding_usd,
        }
        rounded = {name: value.quantize(BRIDGE_DIGITS) for name, value in steps.items()}
        ours = costs.net_pnl_usd.quantize(BRIDGE_DIGITS)
        # Intents are copied at their first row's price, and whole: he traded each row at its own.
        rounded["first_price"] = ours - sum(rounded.values(), Decimal(0))
    return {
        "bridge": [{"step": name, "usd": rounded[name]} for name in STEPS],
        "not_copied_usd": missed,
        "our_net_usd": ours,
    }


def _trade(run: Run, copy: Copy) -> dict[str, Any]:
    return {
        "id": copy.key,
        "trader": copy.trader,
        "token": copy.coin,
        "side": copy.side,
        "leader_entry_at": copy.leader_entry_at,
        "opened_at": copy.opened_at,
        "closed_at": copy.closed_at,
        "quantity": copy.quantity,
        "open_quantity": copy.open_quantity,
        "leader_entry_px": copy.leader_entry_px,
        "entry_px": copy.entry_px,
        "leader_exit_px": copy.leader_exit_px,
        "exit_px": copy.exit_px,
        **run.costs_of(copy).as_json(),
        "funding_usd": copy.funding_usd,
        "pnl_usd": copy.net_pnl_usd,
    }


def curve_of(
    equity: Sequence[EquityPoint], capital_usd: Decimal, start: int, btc: Sequence[Decimal | None]
) -> list[dict[str, Any]]:
    """A point a day, and the start before them; beside it the same money in BTC.

    Args:
        equity: Ends of all days.
        capital_usd: At the start.
        start: ms.
        btc: Its prices at the start and at each of the ends; None where none is known.
    """
    first = btc[0]
    held = [
        None if first is None or px is None else (capital_usd * px / first).quantize(BRIDGE_DIGITS)
        for px in btc
    ]
    points: list[dict[str, Any]] = [
        {
            "date": day_of(start - 1).isoformat(),
            "equity_usd": capital_usd,
            "btc_usd": held[0],
            "unrealized_usd": Decimal(0),
            "open_notional_usd": Decimal(0),
        }
    ]
    for point, btc_usd in zip(equity, held[1:], strict=True):
        points.append(
            {
                "date": day_of(point.at - 1).isoformat(),
                "equity_usd": point.equity_usd,
                "btc_usd": btc_usd,
                "unrealized_usd": point.unrealized_usd,
                "open_notional_usd": point.open_notional_usd,
            }
        )
    return points
