"""Whether a paper account's record allows its trader to be called live-ready.

Conditions: reference of the metrics, section 11.8. All are needed.
"""

from dataclasses import dataclass
from decimal import Decimal

EVEN_CHANCE = 0.5
"""What the lower bound of a win rate has to exceed: a bound above 0 would say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Of a paper account, as of the last day built."""

    days: int
    decided_trades: int
    win_rate_lower: float | None
    """Wilson bound; None: nothing decided."""
    mean_net_pnl_usd: Decimal | None
    """Of closed copies; None: none is."""
    current_drawdown: float | None
    open_alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a trader's settings ask for."""

    promotion_days: int
    promotion_trades: int
    drawdown_limit: float | None
    """Percent, negative; None: no limit is set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One test, and how the record stands in it."""

    name: str
    passed: bool
    found: str
    needed: str

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.name}: {self.found}, needed {self.needed}"


def conditions(record: Record, needs: Needs) -> list[Condition]:
    """All tests, passed or not, in the order in which they are shown."""
    bound, mean = record.win_rate_lower, record.mean_net_pnl_usd
    is_better = bound is not None and bound > EVEN_CHANCE
    drawdown = record.current_drawdown
    limit = None if needs.drawdown_limit is None else needs.drawdown_limit / 100
    is_inside = drawdown is not None and (limit is None or drawdown > limit)
    return [
        Condition(
            name="days on paper",
            passed=record.days >= needs.promotion_days,
            found=str(record.days),
            needed=f"{needs.promotion_days} or more",
        ),
        Condition(
            name="decided copies",
            passed=record.decided_trades >= needs.promotion_trades,
            found=str(record.decided_trades),
            needed=f"{needs.promotion_trades} or more",
        ),
        Condition(
            name="result",
            passed=is_better or (mean is not None and mean > 0),
            found=f"win rate at least {_shown(bound)}, mean net {_money(mean)}",
            needed=f"a win rate of at least more than {EVEN_CHANCE}, or a mean above 0",
        ),
        Condition(
            name="drawdown",
            passed=is_inside,
            found=_shown(drawdown),
            needed="known" if limit is None else f"above {limit:g}",
        ),
        Condition(
            name="open alerts",
            passed=record.open_alerts == 0,
            found=str(record.open_alerts),
            needed="none",
        ),
    ]


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def _money(value: Decimal | None) -> str:
    return "unknown" if value is None else f"{value:.2f} USD"
