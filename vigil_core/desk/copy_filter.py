"""Whether a signal is copied, and with how much: the one filter of live path, paper and backtest.

Order of tests, codes and equality: reference of the metrics, section 11.6.
"""

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

_QUOTE = re.compile(r"[/_-].*")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSettings:
    """What a followed trader's settings say about new signals; `traders` has the same names."""

    active: bool
    paper_trade_only: bool
    base_size_usd: Decimal
    position_multiplier: Decimal
    token_whitelist: tuple[str, ...]
    """Empty: every token."""
    token_blacklist: tuple[str, ...]
    max_leverage: Decimal
    min_confidence: Decimal
    require_confidence: bool = True
    """False: a signal that states none is not rejected for it. Backtests may ask for that."""
    require_leverage: bool = True


class Candidate(Protocol):
    """What the filter looks at."""

    @property
    def coin(self) -> str:
        """As the exchange or a chat writes it."""
        ...

    @property
    def confidence(self) -> float | None:
        """In 0..1; None: not stated."""
        ...

    @property
    def leverage(self) -> float | None:
        """The leader's effective leverage; None: not known."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a signal."""

    outcome: str
    """One of `vigil_core.desk.parameters.OUTCOMES`."""
    size_usd: Decimal = Decimal(0)

    @property
    def is_accepted(self) -> bool:
        """Whether there is something to open."""
        return self.outcome in {"paper", "live"}


def base_symbol(token: str) -> str:
    """The name that lists of tokens are compared by.

    A builder's perp keeps its dex: it is another market than the core one of that name.

    >>> [base_symbol(token) for token in ("BTC/USDT", "btc-usd", "BTC_USDC", " btc ", "kPEPE")]
    ['BTC', 'BTC', 'BTC', 'BTC', 'KPEPE']
    >>> [base_symbol(token) for token in ("xyz:TSLA", "@107", "#1890", "BTC/USDT:USDT")]
    ['XYZ:TSLA', '@107', '#1890', 'BTC']
    """
    name = token.strip()
    if ":" in name.partition("/")[0]:
        return name.upper()
    return _QUOTE.sub("", name).upper()


def decide(settings: FilterSettings | None, signal: Candidate) -> Decision:
    """The outcome of an opening signal; the first test that fails names it.

    Args:
        settings: As they were at the leader's fill; None: nobody follows this trader.
        signal: What came.
    """
    code = _rejection(settings, signal)
    if code is not None or settings is None:
        return Decision(code or "trader_unknown")
    size_usd = settings.base_size_usd * settings.position_multiplier
    return Decision("paper" if settings.paper_trade_only else "live", size_usd)


def _rejection(settings: FilterSettings | None, signal: Candidate) -> str | None:
    if settings is None:
        return "trader_unknown"
    if not settings.active:
        return "trader_inactive"
    token = base_symbol(signal.coin)
    if token in map(base_symbol, settings.token_blacklist):
        return "token_blacklisted"
    if settings.token_whitelist and token not in map(base_symbol, settings.token_whitelist):
        return "token_not_in_whitelist"
    # Floats against floats: as a decimal, a float of 0.7 is less than 0.7.
    if _is_missing(signal.confidence):
        if settings.require_confidence:
            return "confidence_missing"
    elif float(signal.confidence or 0) < float(settings.min_confidence):
        return "confidence_below_minimum"
    if _is_missing(signal.leverage):
        if settings.require_leverage:
            return "leverage_missing"
    elif float(signal.leverage or 0) > float(settings.max_leverage):
        return "leverage_above_maximum"
    return None


def _is_missing(value: float | None) -> bool:
    return value is None or math.isnan(value)
