from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigil_core.desk.chat_signals import CONFIDENCE, REASONS, ChatSignal, NoSignal, read_message

KNOWN = {coin.upper(): coin for coin in ("BTC", "ETH", "SOL", "HYPE", "kPEPE")}

SIGNALS: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "#BTC/USDT LONG\nEntry: 60000 - 60500\nTargets: 61000, 62000\nStop: 59000\nLeverage: 9x",
        "BTC",
        "long",
        {
            "entry": ("60000", "60500"),
            "targets": ("61000", "62000"),
            "stop": "59000",
            "leverage": "9",
        },
    ),
    (
        "🚀 LONG $ETH @ 3,200 | TP 3300/3400 | SL 3100 | 5x",
        "ETH",
        "long",
        {"entry": ("3200", "3200"), "targets": ("3300", "3400"), "stop": "3100", "leverage": "5"},
    ),
    (
        "Signal: SELL SOLUSDT\nEntry Zone: 150.5-152\nTP1: 148\nTP2: 145.5\nTP3: 140\n"
        "SL: 156\nCross 20x",
        "SOL",
        "short",
        {
            "entry": ("150.5", "152"),
            "targets": ("148", "145.5", "140"),
            "stop": "156",
            "leverage": "20",
        },
    ),
    (
        "BTCUSDT\nLONG\nENTRY : 60.000,50\nTARGETS\n1) 61.000\n2) 62.000\nSTOP 59.000",
        "BTC",
        "long",
        {"entry": ("60000.50", "60000.50"), "targets": ("61000", "62000"), "stop": "59000"},
    ),
    (
        "SHORT HYPE/USDC entry market, SL 44.5, targets 40 38.2 35",
        "HYPE",
        "short",
        {"targets": ("40", "38.2", "35"), "stop": "44.5"},
    ),
    (
        "LONG 1000PEPEUSDT @ 0.0123 sl 0.012 tp 0.013 x10",
        "kPEPE",
        "long",
        {"entry": ("0.0123", "0.0123"), "targets": ("0.013",), "stop": "0.012", "leverage": "10"},
    ),
    (
        "LONG #BTC @ 100 TP 110 SL 90 5x",
        "BTC",
        "long",
        {"entry": ("100", "100"), "targets": ("110",), "stop": "90", "leverage": "5"},
    ),
    ("BUY BTCUSDT now", "BTC", "long", {}),
    ("kpepe long 3x", "kPEPE", "long", {"leverage": "3"}),
    ("DOGE long entry 0,085", "DOGE", "long", {"entry": ("0.085", "0.085")}),
]


@pytest.mark.parametrize(("text", "coin", "side", "parts"), SIGNALS)
def test_common_formats(text: str, coin: str, side: str, parts: dict[str, Any]) -> None:
    found = read_message(text, KNOWN)
    assert isinstance(found, ChatSignal), found
    assert (found.action, found.coin, found.side) == ("open", coin, side)
    entry = parts.get("entry")
    assert found.entry == (None if entry is None else tuple(map(Decimal, entry)))
    assert found.targets == tuple(map(Decimal, parts.get("targets", ())))
    assert found.stop == (Decimal(parts["stop"]) if "stop" in parts else None)
    assert found.leverage == (Decimal(parts["leverage"]) if "leverage" in parts else None)
    expected = CONFIDENCE["direction"] + sum(CONFIDENCE[part] for part in parts)
    assert found.confidence == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no_text"),
        ("🚀🚀", "no_text"),
        ("gm", "no_coin"),
        ("I think it will go up", "no_coin"),
        ("LONG BTC and ETH", "two_coins"),
        ("Buy BTC; ETH later", "two_coins"),
        ("#BTC looks strong", "no_direction"),
        ("#BTC short or long?", "two_directions"),
        ("TP1 hit ETHUSDT +5%", "reports_a_result"),
        ("SL hit ETHUSDT", "reports_a_result"),
        ("TP hit on BTC, closing the trade", "reports_a_result"),
        ("LONG #BTC entry 60000 SL 61000", "levels_contradict_direction"),
        ("SHORT #BTC entry 60000 TP 61000", "levels_contradict_direction"),
        ("LONG #BTC TP 59000 SL 60000", "levels_contradict_direction"),
        ("Long BTC 500x", "leverage_not_possible"),
        ("LONG #BTC @ 0", "unreadable_number"),
    ],
)
def test_what_is_no_signal_says_why(text: str, reason: str) -> None:
    assert read_message(text, KNOWN) == NoSignal(reason)


@pytest.mark.parametrize(
    ("text", "side"), [("Close BTC", None), ("Exit BTC short here", "short"), ("closed #BTC", None)]
)
def test_closing(text: str, side: str | None) -> None:
    found = read_message(text, KNOWN)
    assert isinstance(found, ChatSignal)
    assert (found.action, found.coin, found.side) == ("close", "BTC", side)


@pytest.mark.parametrize(
    ("text", "stated"),
    [("85%", 0.85), ("8/10", 0.8), ("0.7", 0.7), ("90", 0.9), ("900%", None)],
)
def test_stated_confidence(text: str, stated: float | None) -> None:
    found = read_message(f"LONG #BTC confidence: {text}", KNOWN)
    assert isinstance(found, ChatSignal)
    assert found.stated_confidence == stated


WORDS = st.sampled_from(
    [
        "LONG",
        "SHORT",
        "BUY",
        "SELL",
        "#BTC",
        "$ETH",
        "SOLUSDT",
        "ENTRY",
        "TP",
        "SL",
        "TARGETS",
        "STOP",
        "1)",
        "60000",
        "3,200",
        "0.5",
        "10x",
        "@",
        "/",
        "-",
        ":",
        "CLOSE",
        "HIT",
        "CONFIDENCE",
        "%",
        ",,.",
        "1.2.3",
        "LEVERAGE",
        "\n",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=25).map(" ".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = read_message(text, KNOWN)
    if isinstance(found, NoSignal):
        assert found.reason in REASONS
        return
    assert 0.5 <= found.confidence <= 1
    prices = [*(found.entry or ()), *found.targets, *([found.stop] if found.stop else [])]
    assert all(price > 0 for price in prices)
    if found.side == "long" and found.stop is not None:
        assert all(target > found.stop for target in found.targets)


@pytest.mark.parametrize("leverage", ["0x", "leverage 0", "cross 0.0", "x0"])
def test_a_leverage_of_nothing_is_no_signal(leverage: str) -> None:
    assert read_message(f"LONG #BTC {leverage}", KNOWN) == NoSignal("leverage_not_possible")
