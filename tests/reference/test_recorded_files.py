"""The oracle against what is known of the recorded files."""

import csv
import functools
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from .aggregates import (
    builder_daily,
    coin_daily,
    day_of,
    notional,
    total,
    trader_daily,
    usd,
)
from .profiles import episodes, round8, trader_profiles
from .shared_files import shared_file
from .slow_reader import Reading, decompress, distinct_fills, read_object

Row = dict[str, Any]

FOLDER = "data/real/node_fills_by_block/"
OCTOBER = FOLDER + "20251027_17_blocks_0000-0759.jsonl"
MARCH = FOLDER + "20260315_00_blocks_0000-0009.jsonl"
MARCH_LZ4 = FOLDER + "s3_layout/node_fills_by_block/hourly/20260315/0.lz4"
MARCH_14 = 1_773_446_400_000
MARCH_15 = 1_773_532_800_000
MINUTE = 1_761_584_400_000
DUST = "Spot Dust Conversion"


@functools.cache
def reading_of(name: str) -> Reading:
    return read_object(shared_file(name))


def by_trade(rows: list[Row]) -> dict[tuple[int, str, int], list[Row]]:
    """Ordinary rows by (block_number, coin, tid), in file order."""
    trades: dict[tuple[int, str, int], list[Row]] = {}
    for row in rows:
        if row["dir"] != DUST:
            trades.setdefault((row["block_number"], row["coin"], row["tid"]), []).append(row)
    return trades


@pytest.mark.parametrize(("name", "blocks", "fills"), [(OCTOBER, 760, 5474), (MARCH, 10, 1388)])
def test_counts(name: str, blocks: int, fills: int) -> None:
    reading = reading_of(name)
    assert (reading.lines, reading.blocks, len(reading.rows)) == (blocks, blocks, fills)
    assert (reading.rejected, reading.blank_lines) == ([], 0)


def test_object_and_plain_file_are_the_same() -> None:
    assert reading_of(MARCH_LZ4) == reading_of(MARCH)
    assert decompress(shared_file(MARCH_LZ4).read_bytes()) == shared_file(MARCH).read_bytes()


def test_eighteen_fills_belong_to_the_day_before() -> None:
    days = Counter(day_of(row["time"]) for row in reading_of(MARCH_LZ4).rows)
    assert days == {MARCH_14: 18, MARCH_15: 1370}


@pytest.mark.parametrize("name", [OCTOBER, MARCH])
def test_fill_time_is_block_time_cut_to_ms(name: str) -> None:
    assert all(row["time"] == row["block_time"] // 1_000_000 for row in reading_of(name).rows)


@pytest.mark.parametrize("name", [OCTOBER, MARCH])
def test_both_keys_are_unique(name: str) -> None:
    rows = reading_of(name).rows
    assert distinct_fills(rows) == rows
    keys = {tuple(row[k] for k in ("time", "user_address", "coin", "oid", "tid")) for row in rows}
    assert len(keys) == len(rows)


def test_tid_and_side_are_no_key() -> None:
    rows = reading_of(MARCH).rows
    keys = {tuple(row[k] for k in ("time", "coin", "tid", "side")) for row in rows}
    assert len(keys) < len(rows)


@pytest.mark.parametrize(("name", "trades"), [(OCTOBER, 2737), (MARCH, 45)])
def test_every_ordinary_trade_has_two_legs(name: str, trades: int) -> None:
    pairs = by_trade(reading_of(name).rows)
    assert len(pairs) == trades
    for legs in pairs.values():
        buyer, seller = legs
        assert (buyer["side"], seller["side"]) == ("B", "A")
        assert seller["event_index"] == buyer["event_index"] + 1
        assert buyer["crossed"] is not seller["crossed"]
        for column in ("px", "sz", "time", "hash"):
            assert buyer[column] == seller[column]


def test_dust_is_one_sided() -> None:
    dust = [row for row in reading_of(MARCH).rows if row["dir"] == DUST]
    assert len(dust) == 1298
    assert len({row["block_number"] for row in dust}) == 1
    assert {(row["tid"], row["crossed"], row["fee"]) for row in dust} == {(0, True, Decimal(0))}


def test_the_one_liquidation_marks_both_legs() -> None:
    rows = [row for row in reading_of(OCTOBER).rows if row["liquidation"] is not None]
    assert len(rows) == 2
    victims = [r for r in rows if r["user_address"] == r["liquidation"]["liquidatedUser"]]
    assert [row["dir"] for row in victims] == ["Close Short"]
    counts = coin_daily(reading_of(OCTOBER).rows)
    assert sum(coin["liquidation_count"] for coin in counts) == 1


def test_builder_fee_never_stands_alone() -> None:
    rows = reading_of(OCTOBER).rows
    assert sum(row["builder"] is not None for row in rows) == 416
    assert sum(row["builder_fee"] is not None for row in rows) == 388
    assert all(row["builder"] is not None for row in rows if row["builder_fee"] is not None)


@pytest.mark.parametrize(
    ("coin", "figures", "candles"),
    [
        (
            "BTC",
            ("115541.0", "115570.0", "115541.0", "115568.0", "17.40647", 225),
            "perp_BTC_1m_20251027.csv",
        ),
        ("ETH", (None, None, None, None, "239.9031", 151), "perp_ETH_1m_20251027.csv"),
        (
            "@142",
            (None, None, None, None, "0.59079", 22),
            "spot_BTCUSDC_1m_20251027.csv",
        ),
    ],
)
def test_minute_gives_the_independent_candle(
    coin: str, figures: tuple[str | int | None, ...], candles: str
) -> None:
    rows = [
        row
        for row in reading_of(OCTOBER).rows
        if row["coin"] == coin and row["side"] == "B" and row["time"] // 60_000 * 60_000 == MINUTE
    ]
    prices = [row["px"] for row in rows]
    ours = (
        prices[0],
        max(prices),
        min(prices),
        prices[-1],
        total(row["sz"] for row in rows),
    )
    for value, expected in zip((*ours, len(rows)), figures, strict=True):
        assert expected is None or value == Decimal(expected)
    with shared_file("data/real/candles/from_fills/" + candles).open() as source:
        (recorded,) = [line for line in csv.reader(source) if line[0] == str(MINUTE)]
    for value, text in zip(ours, recorded[2:7], strict=True):
        assert abs(value - Decimal(text)) <= Decimal("1e-9")
    assert len(rows) == int(recorded[7])


@pytest.mark.parametrize("name", [OCTOBER, MARCH])
def test_taker_volume_is_half_of_all_without_dust(name: str) -> None:
    rows = reading_of(name).rows
    both = total(notional(row) for row in rows if row["dir"] != DUST)
    coins = coin_daily(rows)
    assert total(coin["volume"] for coin in coins) * 2 == both
    assert all(coin["volume"] == coin["buy_volume"] + coin["sell_volume"] for coin in coins)


@pytest.mark.parametrize("name", [OCTOBER, MARCH])
def test_tables_agree_with_each_other_and_with_the_rows(name: str) -> None:
    rows = reading_of(name).rows
    traders, builders, profiles = (
        trader_daily(rows),
        builder_daily(rows),
        trader_profiles(rows),
    )
    volume = total(notional(row) for row in rows)
    assert total(trader["volume"] for trader in traders) == volume
    assert total(builder["volume"] for builder in builders) == volume
    assert total(profile["total_volume"] for profile in profiles) == volume
    assert sum(trader["fill_count"] for trader in traders) == len(rows)
    assert sum(coin["fill_count"] for coin in coin_daily(rows)) == len(rows)
    fees = total(trader["fees_paid"] for trader in traders)
    assert total(builder["total_fees"] for builder in builders) == fees
    assert total(profile["fees_paid"] for profile in profiles) == fees
    unpriced = sum(usd(row["fee"], row) is None for row in rows)
    assert sum(trader["unpriced_fee_fills"] for trader in traders) == unpriced


@pytest.mark.parametrize("name", [OCTOBER, MARCH])
def test_perp_positions_chain_without_a_break(name: str) -> None:
    assert episodes(reading_of(name).rows).breaks == 0


def test_float_noise_is_present_and_harmless() -> None:
    noisy = [
        row
        for row in reading_of(OCTOBER).rows
        if row["start_position"] != round8(row["start_position"])
    ]
    assert noisy
    assert all(
        abs(row["start_position"] - round8(row["start_position"])) < Decimal("1e-9")
        for row in noisy
        if not row["coin"].startswith("@") and "/" not in row["coin"]
    )
