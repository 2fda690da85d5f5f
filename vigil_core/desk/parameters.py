"""What may be set for a followed trader, and within which bounds.

The database's CHECK constraints, the API's schema and the page's form are all made from here.
Bounds and defaults: reference of the metrics, sections 11 and 15.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A number that a person may set: `least` and `most` are both allowed."""

    least: Decimal
    most: Decimal
    default: Decimal | None
    """None: off until somebody sets it."""
    step: Decimal
    """Of the slider; finer values are accepted."""
    unit: str
    label: str
    help: str
    shown: tuple[Decimal, Decimal] | None = None
    """Ends of the slider, where they are narrower than what is accepted."""
    warn_above: Decimal | None = None

    def holds(self, value: Decimal) -> bool:
        """Whether the value may be set."""
        return self.least <= value <= self.most


Bounds = Mapping[str, Bound]
"""By the column of `traders`."""


def _bound(least: str, most: str, default: str | None, step: str, **said: object) -> Bound:
    return Bound(
        least=Decimal(least),
        most=Decimal(most),
        default=None if default is None else Decimal(default),
        step=Decimal(step),
        **said,  # type: ignore[arg-type]
    )


BOUNDS: Bounds = MappingProxyType(
    {
        "priority": _bound(
            "1", "100", "50", "1", unit="", label="Priority",
            help="Who comes first where the account has room for one position only; 1 is first.",
        ),
        "position_multiplier": _bound(
            "0.5", "2", "1", "0.05", unit="×", label="Position size",
            help="Times the base size.",
        ),
        "base_size_usd": _bound(
            "1", "1000000", "200", "1", unit="USD", label="Base size",
            help="Notional of one copied position before the multiplier.",
        ),
        "paper_capital_usd": _bound(
            "100", "100000000", "10000", "100", unit="USD", label="Paper capital",
            help="What the paper account begins with.",
        ),
        "max_leverage": _bound(
            "1", "20", "5", "0.5", unit="×", label="Highest leverage", warn_above=Decimal(10),
            help="Signals of a leader whose account is leveraged higher are not copied.",
        ),
        "min_confidence": _bound(
            "0", "1", "0.7", "0.01", unit="", label="Least confidence",
            shown=(Decimal("0.7"), Decimal("0.9")),
            help="Signals with less, or with none stated, are not copied.",
        ),
        "drawdown_limit": _bound(
            "-100", "-1", None, "1", unit="%", label="Drawdown alert",
            help="Of the copied account, from its highest equity: -15 means a loss of 15 %.",
        ),
        "win_rate_limit": _bound(
            "0.01", "0.99", None, "0.01", unit="", label="Win rate alert",
            help="Fires below it, once enough copies are decided.",
        ),
        "win_rate_min_trades": _bound(
            "1", "1000", "10", "1", unit="copies", label="Decided copies",
            help="As many must be decided before the win rate says anything.",
        ),
        "consecutive_losses_limit": _bound(
            "1", "100", None, "1", unit="losses", label="Losing run alert",
            help="Losing copies in a row; one that breaks even neither counts nor ends the run.",
        ),
        "promotion_days": _bound(
            "1", "365", "14", "1", unit="days", label="Days on paper",
            help="Before a trader may become live-ready.",
        ),
        "promotion_trades": _bound(
            "1", "1000", "20", "1", unit="copies", label="Decided copies on paper",
            help="Before a trader may become live-ready.",
        ),
    }
)  # fmt: skip

SOURCES = ("address", "leaderboard", "telegram", "manual", "label")
"""Where a trader was found."""

STATES = ("evaluating", "paper", "live_ready", "archived")
"""Life of a followed trader. Active or paused is another question."""

OUTCOMES = (
    "paper",
    "live",
    "trader_unknown",
    "trader_inactive",
    "token_blacklisted",
    "token_not_in_whitelist",
    "confidence_missing",
    "confidence_below_minimum",
    "leverage_missing",
    "leverage_above_maximum",
    "insufficient_capital",
    "no_liquidity",
    "pending",
    "followed",
    "nothing_open",
    "before_followed",
    "withdrawn",
)
"""What became of a signal. The first two are accepted; `pending` waits for the tape; `followed` and
`nothing_open` are of reductions, which no test stops; `before_followed` came with an imported
history; `withdrawn` is told of by no fill any more, but by an intent; the rest are rejections, in
the order of their tests."""


def with_multiplier(least: Decimal, most: Decimal) -> Bounds:
    """The bounds with another range of the position multiplier.

    Raises:
        ValueError: Not 0 < least <= 1 <= most.
    """
    if not 0 < least <= 1 <= most:
        raise ValueError(f"{least} … {most} does not hold 1")
    multiplier = replace(BOUNDS["position_multiplier"], least=least, most=most)
    return MappingProxyType({**BOUNDS, "position_multiplier": multiplier})
