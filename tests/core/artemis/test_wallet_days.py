"""A day in one pass against the same day in frames, value by value."""

import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.core.artemis.test_fifo import ANN, BOB, DAY, buy, by_days, frame, market, sell
from vigil_core.artemis import fifo, wallet_days
from vigil_core.artemis import wallet_profiles as wp
from vigil_core.artemis.wallet_days import WalletDay, wallet_day
from vigil_core.calendar import DAY_MS
from vigil_core.fills.schema import MONEY

FRAMES = ("lots", "held", "piece_days", "summary")


@pytest.fixture
def in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are not made."""
    monkeypatch.delattr(wallet_days, "_by_frames")


def in_frames(
    fills: pl.DataFrame,
    lots: pl.DataFrame,
    held: pl.DataFrame | None = None,
    seen: pl.DataFrame | None = None,
) -> WalletDay:
    matched = fifo.match(fills, lots, seen)
    exposure = wp.peak_exposure(fills, held)
    summary = wp.fills_summary(fills, matched.positions, exposure.peaks)
    days = wp.piece_days(matched.pieces)
    return WalletDay(matched.lots, exposure.held, days, summary, matched.pieces.height)


def same(found: WalletDay, expected: WalletDay) -> None:
    for name in FRAMES:
        assert_frame_equal(getattr(found, name), getattr(expected, name), check_exact=True)
    assert found.pieces == expected.pieces


def same_days(days: list[pl.DataFrame]) -> None:
    """Every day from what the one before left."""
    lots, held = fifo.no_lots(), None
    seen = pl.DataFrame(schema={"address": pl.String(), "coin": pl.String()})
    pieces = 0
    for fills in days:
        found = wallet_day(fills, lots, held, seen)
        same(found, in_frames(fills, lots, held, seen))
        lots, held = found.lots, found.held
        traded = fills.select(address="user_address", coin="coin")
        seen = pl.concat([seen, traded]).unique()
        pieces += found.pieces
    assert pieces > 50


def without(fills: pl.DataFrame, column: str, seed: int) -> pl.DataFrame:
    """Some values are unknown."""
    chance = random.Random(seed)
    there = pl.Series([chance.random() < 0.8 for _ in range(fills.height)])
    return fills.with_columns(pl.when(there).then(column).alias(column))


# --- equal, in one pass --------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.usefixtures("in_one_pass")
def test_days_equal_their_frames(seed: int) -> None:
    same_days(by_days(market(seed)))


@pytest.mark.parametrize("column", ["fee", "start_position"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("in_one_pass")
def test_what_is_unknown_stays_unknown(column: str, seed: int) -> None:
    same_days(by_days(without(market(seed), column, seed)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("in_one_pass")
def test_products_of_many_decimals_are_rounded_alike(seed: int) -> None:
    """Prices of a few units of the last decimal, sizes in halves: every other product is a tie."""
    chance = random.Random(seed)
    fills = market(seed, whole=True)
    prices = [Decimal(chance.randint(0, 9)).scaleb(-12) for _ in range(fills.height)]
    halved = (pl.col(name).cast(pl.Float64).round(0) / 2 for name in ("sz", "start_position"))
    same_days(
        by_days(
            fills.with_columns(
                pl.Series("px", prices, dtype=MONEY), *(h.cast(MONEY) for h in halved)
            )
        )
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("in_one_pass")
def test_large_amounts_are_exact(seed: int) -> None:
    """Beyond 64 bits at the twelfth decimal: quantities, worth, gains, and fees times a size."""
    large = pl.col("sz", "start_position").round(5) * pl.lit(Decimal(3_000_000))
    fills = market(seed).filter(pl.col("coin") != "kPEPE")
    days = by_days(
        fills.with_columns(
            large,
            (pl.col("px") / 10_000).cast(MONEY),
            (pl.col("fee") * pl.lit(Decimal(123_457))).alias("fee"),
        )
    )
    same_days(days)
    assert max(day["start_position"].abs().max() for day in days) > 10_000_000


@pytest.mark.usefixtures("in_one_pass")
def test_fees_divide_sizes_beyond_32_bits() -> None:
    rows = [
        buy("9000000007", "0", px="0.001", fee="3.000000000001"),
        sell("4000000001", "9000000007", px="0.002", fee="-1.000000000007"),
        sell("3000000005", "5000000006", px="0.0005", fee="0.7"),
        sell("2000000003", "2000000001", px="0.0005", fee="0.9"),
    ]
    fills = frame(rows)
    same(wallet_day(fills, fifo.no_lots()), in_frames(fills, fifo.no_lots()))


@pytest.mark.usefixtures("in_one_pass")
def test_the_order_of_the_rows_does_not_matter() -> None:
    fills = by_days(market(3))[0]
    shuffled = fills.sample(fraction=1, shuffle=True, seed=1)
    same(wallet_day(shuffled, fifo.no_lots()), wallet_day(fills, fifo.no_lots()))


@pytest.mark.usefixtures("in_one_pass")
def test_rows_without_blocks_come_as_they_do() -> None:
    fills = by_days(market(5))[0].with_columns(block_number=pl.lit(None, pl.Int64))
    same(wallet_day(fills, fifo.no_lots()), in_frames(fills, fifo.no_lots()))


@pytest.mark.usefixtures("in_one_pass")
def test_what_others_hold_stays_and_counts_nothing() -> None:
    first = frame(
        [
            buy("1", "0", user_address=user, coin=coin)
            for user in (ANN, BOB)
            for coin in ("BTC", "ETH")
        ]
    )
    day = wallet_day(first, fifo.no_lots())
    later = frame([sell("1", "1", user_address=BOB, coin="ETH", time=DAY + DAY_MS)])
    found = wallet_day(later, day.lots, day.held)
    same(found, in_frames(later, day.lots, day.held))
    assert found.held.height == 3
    assert found.summary["peak_exposure_usd"].to_list() == [100]


# --- equal, by frames ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [buy("1", "0"), sell("1", "1", time=DAY + DAY_MS)],
        [
            buy("1", "0", event_index=0, time=DAY),
            buy("1", "0", coin="ETH", event_index=0, time=DAY),
        ],
        [buy("0.001", "0", px="10000000"), sell("0.001", "0.001", px="10000001")],
    ],
    ids=["nothing", "two days", "one place", "price"],
)
def test_what_does_not_fit_one_pass_is_equal(
    rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    by_frames = wallet_days._by_frames

    def counted(*arguments: Any) -> WalletDay:
        calls.append(1)
        return by_frames(*arguments)

    monkeypatch.setattr(wallet_days, "_by_frames", counted)
    fills = frame(rows)
    same(wallet_day(fills, fifo.no_lots()), in_frames(fills, fifo.no_lots()))
    assert calls


@pytest.mark.parametrize(
    "rows",
    [
        [buy("5000000000000000000", "0", px="0.000000001")],
        [buy("50000000.00000000001", "0"), buy("60000000000", "50000000.00000000001")],
        [buy("60000000", "0", fee="5000000")],
        [buy("1", "99999999999.00000001")],
        [buy("4000000000000000000", None), buy("4000000000000000000", None)],
    ],
)
def test_quantities_that_do_not_fit_are_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(fifo.QuantityTooLarge):
        wallet_day(frame(rows), fifo.no_lots())


@pytest.mark.parametrize("px", ["100", "0.11"])
def test_exposures_beyond_measure_are_refused(px: str) -> None:
    with pytest.raises(wp.ExposureTooLarge):
        wallet_day(frame([buy("1000000000000", "0", px=px)]), fifo.no_lots())
    held = pl.DataFrame([(ANN, "BTC", Decimal(10**12), Decimal(px))], schema=wp.HELD, orient="row")
    with pytest.raises(wp.ExposureTooLarge):
        wallet_day(frame([buy("1", "0", coin="ETH")]), fifo.no_lots(), held)
