"""The filter, by the shared vectors and at its edges."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.reference.shared_files import metric_vectors
from vigil_core.desk.copy_filter import FilterSettings, base_symbol, decide
from vigil_core.desk.parameters import OUTCOMES


@dataclass(frozen=True)
class Asked:
    coin: str
    confidence: float | None = 0.9
    leverage: float | None = 2.0


SETTINGS = FilterSettings(
    active=True, paper_trade_only=True, base_size_usd=Decimal(200),
    position_multiplier=Decimal("1.5"), token_whitelist=(), token_blacklist=("DOGE",),
    max_leverage=Decimal(5), min_confidence=Decimal("0.7"),
)  # fmt: skip


def settings_of(config: dict[str, Any], base_size_usd: float) -> FilterSettings:
    return FilterSettings(
        active=config["active"],
        paper_trade_only=config["paper_trade_only"],
        base_size_usd=Decimal(str(base_size_usd)),
        position_multiplier=Decimal(str(config["position_multiplier"])),
        token_whitelist=tuple(config["token_filter"]),
        token_blacklist=tuple(config["token_blacklist"]),
        max_leverage=Decimal(str(config["max_leverage"])),
        min_confidence=Decimal(str(config["min_confidence"])),
    )


FILTER_CASES = [
    case
    for case in metric_vectors("copy_filter_backtest")
    if "signal" in case.values[0]["inputs"]  # type: ignore[index,call-overload]
]


@pytest.mark.parametrize("case", FILTER_CASES)
def test_filter_vector(case: dict[str, Any]) -> None:
    asked = case["inputs"]["signal"]
    signal = Asked(asked["token"], asked["confidence"], asked["leverage"])
    settings = settings_of(case["inputs"]["config"], case["params"]["base_size_usd"])
    decision = decide(settings, signal)
    assert decision.outcome == case["expected"]["outcome"]
    assert decision.is_accepted == case["expected"]["accepted"]
    assert decision.size_usd == Decimal(str(case["expected"]["size_usd"]))


def test_nobody_follows_an_unknown_trader() -> None:
    assert decide(None, Asked("BTC")).outcome == "trader_unknown"


@pytest.mark.parametrize(
    ("signal", "outcome"),
    [
        (Asked("DOGE-USD", None, None), "token_blacklisted"),
        (Asked("BTC", None, None), "confidence_missing"),
        (Asked("BTC", float("nan"), 2.0), "confidence_missing"),
        (Asked("BTC", 0.6, None), "confidence_below_minimum"),
        (Asked("BTC", 0.7, None), "leverage_missing"),
        (Asked("BTC", 0.7, float("nan")), "leverage_missing"),
        (Asked("BTC", 0.7, float("inf")), "leverage_above_maximum"),
        (Asked("BTC", 0.7, 5.0), "paper"),
        (Asked("xyz:DOGE", 0.7, 5.0), "paper"),
    ],
)
def test_first_failing_test_names_the_outcome(signal: Asked, outcome: str) -> None:
    assert decide(SETTINGS, signal).outcome == outcome
    assert outcome in OUTCOMES


def test_what_need_not_be_stated_is_still_held_to_the_limit_where_it_is() -> None:
    lenient = FilterSettings(
        **{
            **{name: getattr(SETTINGS, name) for name in FilterSettings.__dataclass_fields__},
            "require_confidence": False,
            "require_leverage": False,
            "paper_trade_only": False,
        }
    )
    assert decide(lenient, Asked("BTC", None, None)).outcome == "live"
    assert decide(lenient, Asked("BTC", 0.1, None)).outcome == "confidence_below_minimum"
    assert decide(lenient, Asked("BTC", None, 6.0)).outcome == "leverage_above_maximum"


def test_both_sides_of_a_list_are_compared_by_base_symbol() -> None:
    assert base_symbol("eth/usdt") == base_symbol("ETH-USD") == "ETH"
    assert base_symbol("xyz:BRK-A") == "XYZ:BRK-A"
