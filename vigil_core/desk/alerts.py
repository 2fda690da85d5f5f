"""When a followed trader's copied account has crossed a limit that somebody set for it.

Rules and equality: reference of the metrics, section 11.7. What is not known crosses nothing.
"""

from dataclasses import dataclass
from typing import Literal

Rule = Literal["drawdown_exceeded", "win_rate_below", "consecutive_losses"]

RULES: tuple[Rule, ...] = ("drawdown_exceeded", "win_rate_below", "consecutive_losses")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRisk:
    """What the rules look at; `trader_risk` has the same names."""

    current_drawdown: float | None
    """Fraction of the highest equity, 0 or less; None: not known."""
    win_rate: float | None
    """Won / decided; None: nothing decided."""
    decided_trades: int
    consecutive_losses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLimits:
    """What a trader's settings say; None: no such alert."""

    drawdown_limit: float | None
    """Percent, negative: -15 is a fall of 15 %."""
    win_rate_limit: float | None
    win_rate_min_trades: int
    consecutive_losses_limit: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule says of an account."""

    rule: Rule
    limit: float | None
    """In the unit of `value`; None: there is no such limit."""
    value: float | None
    """None: the figure is not known, or too little is decided."""

    @property
    def is_crossed(self) -> bool:
        """Drawdowns and losses fire at the limit, a win rate below it."""
        if self.limit is None or self.value is None:
            return False
        if self.rule == "consecutive_losses":
            return self.value >= self.limit
        if self.rule == "win_rate_below":
            return self.value < self.limit
        return self.value <= self.limit

    @property
    def is_recovered(self) -> bool:
        """Whether an alert that fired ends: the limit holds again, or there is none any more.

        What is not known, or no longer enough to tell, ends nothing.
        """
        return self.limit is None or self.value is not None and not self.is_crossed


def readings(risk: AccountRisk, limits: AlertLimits) -> list[Reading]:
    """All rules, in the order of `RULES`."""
    is_enough = risk.decided_trades >= limits.win_rate_min_trades
    drawdown = None if limits.drawdown_limit is None else limits.drawdown_limit / 100
    return [
        Reading("drawdown_exceeded", drawdown, risk.current_drawdown),
        Reading("win_rate_below", limits.win_rate_limit, risk.win_rate if is_enough else None),
        Reading("consecutive_losses", limits.consecutive_losses_limit, risk.consecutive_losses),
    ]
