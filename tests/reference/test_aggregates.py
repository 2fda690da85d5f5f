"""The daily tables against figures worked out by hand."""

from decimal import Decimal
from typing import Any

import pytest

from .aggregates import (
    DAY_MS,
    USD_TOKENS,
    builder_daily,
    coin_daily,
    day_of,
    is_spot,
    trader_daily,
    usd,
)

DAY = 1_761_523_200_000  # 2025-10-27
HALF_HOUR = 1_800_000
ANN = "0x" + "a" * 40
BOB = "0x" + "b" * 40
SITE = "0x" + "5" * 40
LIQUIDATION = {"liquidatedUser": BOB, "markPx": "90", "method": "market"}
DECIMAL_COLUMNS = ("px", "sz", "start_position", "closed_pnl", "fee", "builder_fee")


def make_row(**changes: Any) -> dict[str, Any]:
    """A row of Ann buying 2 BTC at 100 as taker; decimals may be given as texts."""
    row: dict[str, Any] = {
        "time": DAY + 5,
        "user_address": ANN,
        "coin": "BTC",
        "px": "100",
        "sz": "2",
        "side": "B",
        "dir": "Open Long",
        "start_position": "0",
        "closed_pnl": "0",
        "fee": "0.5",
        "fee_token": "USDC",
        "crossed": True,
        "twap_id": None,
        "builder": None,
        "builder_fee": None,
        "liquidation": None,
        "block_number": 1,
        "event_index": 0,
    } | changes
    for column in DECIMAL_COLUMNS:
        if row[column] is not None:
            row[column] = Decimal(row[column])
    return row


def small_day() -> list[dict[str, Any]]:
    """Three trades between Ann and Bob, a dust row, and one row of the day before."""
    rows = [
        # Ann buys 2 BTC of Bob at 100, through a site
        make_row(builder=SITE, builder_fee="0.2"),
        make_row(
            user_address=BOB,
            side="A",
            crossed=False,
            dir="Open Short",
            fee="-0.1",
            twap_id=7,
        ),
        # half an hour later Bob is liquidated: he buys back 2 BTC of Ann at 110
        make_row(
            time=DAY + 5 + HALF_HOUR,
            user_address=BOB,
            px="110",
            start_position="-2",
            dir="Close Short",
            closed_pnl="-20",
            fee="1",
            liquidation=LIQUIDATION,
        ),
        make_row(
            time=DAY + 5 + HALF_HOUR,
            px="110",
            side="A",
            start_position="2",
            dir="Close Long",
            closed_pnl="20",
            crossed=False,
            fee="0",
            liquidation=LIQUIDATION,
        ),
        # Bob sells 10 HYPE to Ann at 40; both pay in what they receive
        make_row(coin="@107", px="40", sz="10", dir="Buy", fee="0.01", fee_token="HYPE"),
        make_row(
            user_address=BOB,
            coin="@107",
            px="40",
            sz="10",
            side="A",
            dir="Sell",
            closed_pnl="5",
            fee="-0.02",
            fee_token="HYPE",
            crossed=False,
        ),
        make_row(
            coin="@107",
            px="40",
            sz="0.1",
            side="A",
            dir="Spot Dust Conversion",
            fee="0",
        ),
        make_row(time=DAY - 1, px="99", sz="1"),
    ]
    for index, row in enumerate(rows):
        row["block_number"] = row["time"]
        row["event_index"] = index
    return rows


def test_days_are_utc_midnights() -> None:
    assert day_of(DAY) == day_of(DAY + DAY_MS - 1) == DAY
    assert day_of(DAY - 1) == DAY - DAY_MS


@pytest.mark.parametrize(
    ("coin", "spot"),
    [
        ("@107", True),
        ("PURR/USDC", True),
        ("BTC", False),
        ("xyz:TSLA", False),
        ("#12", False),
    ],
)
def test_spot_is_told_by_name(coin: str, spot: bool) -> None:
    assert is_spot(coin) is spot


@pytest.mark.parametrize(
    ("amount", "changes", "expected"),
    [
        ("0.5", {}, "0.5"),
        ("-0.5", {}, "-0.5"),
        ("0", {"fee_token": "JUNK"}, "0"),
        ("0.0", {"coin": "@1", "fee_token": "JUNK", "side": "A"}, "0"),
        ("0.5", {"fee_token": "usdc"}, None),
        ("0.5", {"fee_token": "HYPE"}, None),
        ("0.5", {"coin": "@107", "fee_token": "HYPE"}, "50"),
        ("0.5", {"coin": "PURR/USDC", "fee_token": "PURR"}, "50"),
        ("0.5", {"coin": "@107", "fee_token": "USDC"}, "0.5"),
        ("-0.5", {"coin": "@107", "fee_token": "HYPE"}, None),
        ("0.5", {"coin": "@107", "fee_token": "HYPE", "side": "A"}, None),
        ("0.5", {"coin": "#12", "fee_token": "+12"}, None),
        ("0.5", {"coin": "xyz:TSLA", "fee_token": "USDH"}, "0.5"),
    ],
)
def test_usd_value(amount: str, changes: dict[str, Any], expected: str | None) -> None:
    value = usd(Decimal(amount), make_row(**changes))
    assert value == (None if expected is None else Decimal(expected))


def test_every_stablecoin_counts_one() -> None:
    assert len(USD_TOKENS) == 9
    for token in USD_TOKENS:
        assert usd(Decimal("1.5"), make_row(fee_token=token)) == Decimal("1.5")


def test_trader_daily_by_hand() -> None:
    before, ann, bob = trader_daily(small_day())
    assert (before["day"], before["user_address"], before["volume"]) == (
        DAY - DAY_MS,
        ANN,
        99,
    )
    assert ann == {
        "day": DAY,
        "user_address": ANN,
        "fill_count": 4,
        "volume": 200 + 220 + 400 + 4,
        "unique_coins": 2,
        "realized_pnl": 20,
        "fees_paid": Decimal("0.9"),  # 0.5 + 0 + 0.01 x 40 + 0
        "builder_fees_paid": Decimal("0.2"),
        "unpriced_fee_fills": 0,
        "taker_fills": 3,
        "maker_fills": 1,
        "winning_fills": 1,
        "losing_fills": 0,
        "closing_fills": 1,
        "open_long_count": 1,
        "open_short_count": 0,
        "liquidation_fills": 1,
        "liquidation_volume": 220,
        "twap_fills": 0,
        "twap_volume": 0,
    }
    assert bob == {
        "day": DAY,
        "user_address": BOB,
        "fill_count": 3,
        "volume": 200 + 220 + 400,
        "unique_coins": 2,
        "realized_pnl": -15,
        "fees_paid": Decimal("0.9"),  # -0.1 + 1, the rebate in HYPE has no price
        "builder_fees_paid": 0,
        "unpriced_fee_fills": 1,
        "taker_fills": 1,
        "maker_fills": 2,
        "winning_fills": 1,
        "losing_fills": 1,
        "closing_fills": 2,
        "open_long_count": 0,
        "open_short_count": 1,
        "liquidation_fills": 1,
        "liquidation_volume": 220,
        "twap_fills": 1,
        "twap_volume": 200,
    }


def test_coin_daily_by_hand() -> None:
    before, spot, btc = coin_daily(small_day())
    assert (before["day"], before["coin"], before["fill_count"]) == (
        DAY - DAY_MS,
        "BTC",
        1,
    )
    assert spot == {
        "day": DAY,
        "coin": "@107",
        "fill_count": 3,
        "unique_traders": 2,
        "volume": 400,
        "buy_volume": 400,
        "sell_volume": 0,
        "total_pnl": 5,
        "total_fees": Decimal("0.4"),
        "liquidation_count": 0,
        "liquidation_volume": 0,
    }
    assert btc == {
        "day": DAY,
        "coin": "BTC",
        "fill_count": 4,
        "unique_traders": 2,
        "volume": 420,
        "buy_volume": 420,
        "sell_volume": 0,
        "total_pnl": 0,
        "total_fees": Decimal("1.4"),
        "liquidation_count": 1,
        "liquidation_volume": 220,
    }


def test_coin_without_a_taker_row_has_zero_volume() -> None:
    (coin,) = coin_daily([make_row(crossed=False, liquidation=LIQUIDATION)])
    assert (coin["volume"], coin["liquidation_count"], coin["liquidation_volume"]) == (
        0,
        0,
        0,
    )
    assert coin["fill_count"] == 1


def test_builder_daily_by_hand() -> None:
    _, site, direct = builder_daily(small_day())
    assert site == {
        "day": DAY,
        "builder": SITE,
        "fill_count": 1,
        "unique_traders": 1,
        "volume": 200,
        "total_fees": Decimal("0.5"),
        "builder_fees": Decimal("0.2"),
    }
    assert direct == {
        "day": DAY,
        "builder": "direct",
        "fill_count": 6,
        "unique_traders": 2,
        "volume": 200 + 220 + 220 + 400 + 400 + 4,
        "total_fees": Decimal("1.3"),  # -0.1 + 1 + 0 + 0.4
        "builder_fees": 0,
    }


def test_unpriced_builder_fee_is_left_out() -> None:
    row = make_row(builder=SITE, fee="3", builder_fee="2", fee_token="HYPE")
    (trader,) = trader_daily([row])
    assert (trader["fees_paid"], trader["builder_fees_paid"]) == (0, 0)
    assert trader["unpriced_fee_fills"] == 1
    (builder,) = builder_daily([row])
    assert (builder["total_fees"], builder["builder_fees"]) == (0, 0)


def test_builder_fee_of_a_spot_buy_counts_at_px() -> None:
    (trader,) = trader_daily(
        [make_row(coin="@107", builder=SITE, fee="3", builder_fee="2", fee_token="HYPE")]
    )
    assert (trader["fees_paid"], trader["builder_fees_paid"]) == (300, 200)


def test_sums_are_exact_beyond_28_digits() -> None:
    large = "9" * 26 + "." + "9" * 12
    (trader,) = trader_daily([make_row(px=large, sz=large), make_row(px="1", sz="0.000000000001")])
    scaled = (10**38 - 1) ** 2 + 10**12  # in units of 1e-24
    assert trader["volume"].as_tuple().exponent == -24
    assert int("".join(map(str, trader["volume"].as_tuple().digits))) == scaled


def test_exact_dir_only() -> None:
    names = (
        "Open Long",
        "Open Short",
        "open long",
        "Open Long ",
        "Open Shorts",
        "Short > Long",
    )
    rows = [make_row(dir=name) for name in names]
    (trader,) = trader_daily(rows)
    assert (trader["open_long_count"], trader["open_short_count"]) == (1, 1)


def test_nothing_gives_nothing() -> None:
    assert trader_daily([]) == coin_daily([]) == builder_daily([]) == []
