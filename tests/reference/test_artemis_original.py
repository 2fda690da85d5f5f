"""The benchmark's row-by-row alternative against the recorded behaviour of the original."""

import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import lz4.frame
import polars as pl
import pytest

from bench import artemis_original as original

from .shared_files import shared_file

VECTORS = "data/vectors/artemis/seed_behaviour.json"
COIN = "BTC"
TABLES = {
    "oi_history": "oi_usd",
    "volume_history": "volume_usd",
    "funding_history": "rate",
    "liquidation_events": "size_usd",
}


def case(name: str) -> dict[str, Any]:
    cases = json.loads(shared_file(VECTORS).read_text())["cases"]
    return next(one for one in cases if one["id"] == name)


def approx(expected: Any) -> Any:
    return pytest.approx(expected, rel=1e-9, abs=1e-12)


def candles_of(inputs: dict[str, Any]) -> list[original.Candle]:
    return [
        {name: int(text) if name == "open_time" else float(text) for name, text in candle.items()}
        for candle in inputs["candles_5m"]
    ]


def filled(connection: sqlite3.Connection, inputs: dict[str, Any]) -> None:
    for table, figure in TABLES.items():
        rows = []
        for row in inputs[table]:
            (stamp,) = (row[name] for name in ("recorded_at", "occurred_at", "time") if name in row)
            rows.append((COIN, stamp, float(row[figure])))
        connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?)", rows)


def test_features_are_the_original_ones(tmp_path: Path) -> None:
    features = case("seed_features")
    inputs = features["inputs"]
    connection = original.open_database(tmp_path / "original.db")
    filled(connection, inputs)

    values, flags = original.features(connection, COIN, inputs["t"], candles_of(inputs))

    assert values == approx(features["expected"]["features"])
    assert flags == features["expected"]["flags"]


@pytest.mark.parametrize("name", ["seed_labels", "seed_labels_day_end"])
def test_labels_are_the_original_ones(name: str) -> None:
    labels = case(name)
    inputs = labels["inputs"]

    assert original.labels(candles_of(inputs), inputs["t"]) == approx(labels["expected"])


def test_a_profile_is_the_original_one() -> None:
    profile = case("seed_wallet_profile")
    fills = [
        {**fill, "px": float(fill["px"]), "sz": float(fill["sz"])}
        for fill in profile["inputs"]["fills"]
    ]

    assert original.wallet_profile(fills) == profile["expected"]


def test_snapshots_and_labels_are_stored_once_per_instant(tmp_path: Path) -> None:
    inputs = case("seed_features")["inputs"]
    connection = original.open_database(tmp_path / "original.db")
    filled(connection, inputs)
    times = [inputs["t"], inputs["t"] + original.BUCKET_MS]

    for _ in range(2):
        original.store_snapshots(connection, COIN, times, candles_of(inputs))

    for table in ("feature_snapshots", "snapshot_labels"):
        assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (2,)


def test_only_wallets_that_traded_enough_are_profiled(tmp_path: Path) -> None:
    connection = original.open_database(tmp_path / "original.db")
    sides = ["B", "A"] * 5
    fills = [
        {"coin": COIN, "side": side, "px": 100.0, "sz": 50.0, "time": at}
        for at, side in enumerate(sides)
    ]
    small = [{**fill, "sz": 49.0} for fill in fills]

    enough = original.store_profiles(connection, {"0xa": fills, "0xb": small, "0xc": fills[:-1]})

    assert enough == 1
    rows = connection.execute("SELECT address, trade_count FROM wallet_profiles").fetchall()
    assert rows == [("0xa", 5)]


def fill(**changes: Any) -> original.Fill:
    told = {"user": "0xa", "coin": COIN, "px": 100.0, "sz": 3.0, "side": "B", "time": 300_007}
    return {**told, "start": 0.0, "crossed": True, "liquidation": None, **changes}


def test_a_trade_is_counted_once_and_open_interest_by_both_sides() -> None:
    market = original.Market()

    market.add(fill(start=-1.0))
    market.add(fill(user="0xb", side="A", start=7.0, crossed=False))
    market.add(fill(coin="@107"))

    assert market.flow == {
        (COIN, 300_000): {"volume_usd": 300.0, "buy_usd": 300.0, "sell_usd": 0.0}
    }
    assert [candle["trades"] for candle in market.candles.values()] == [1, 1]
    # The buyer goes from -1 to 2, the seller from 7 to 4.
    assert market.oi_changes == {(COIN, 300_000): 2.0 - 3.0}
    assert market.fills == 2


def test_the_side_of_a_liquidation_is_that_of_the_position_that_died() -> None:
    market = original.Market()
    about = {"liquidatedUser": "0xa", "method": "market"}

    market.add(fill(side="A", liquidation=about))
    market.add(fill(user="0xb", crossed=False, liquidation=about))
    market.add(fill(side="A", sz=0.5, liquidation=about))

    assert [(one["address"], one["side"], one["size_usd"]) for one in market.liquidations] == [
        ("0xa", "long", 300.0)
    ]


def test_of_two_records_of_an_address_the_later_one_is_kept() -> None:
    def line(second: int, size: str) -> bytes:
        position = {"coin": COIN, "szi": size, "positionValue": "60000.5", "entryPx": "9"}
        position |= {"leverage": {"value": 20}, "marginUsed": "1"}
        perpetual = {"assetPositions": [{"position": position}]}
        stamp = f"2025-11-01T02:15:{second:02d}.000001"
        record = {"address": "0xA", "timestamp": stamp, "response": {"perpetual": perpetual}}
        return json.dumps(record).encode()

    balances = original.Balances()
    for one in (b'{"_metadata":true}', line(7, "-2"), line(5, "3")):
        balances.add(one)

    assert balances.open_interest() == {COIN: {"long": 0.0, "short": 60000.5, "holders": 1}}
    assert balances.addresses() == ["0xa"]


def test_fills_are_the_same_however_they_are_read(tmp_path: Path) -> None:
    told = fill(liquidation={"liquidatedUser": "0xa", "method": "market"})
    money = {name: [Decimal(str(told[name]))] for name in ("px", "sz")}
    columns = {"user_address": "user", "coin": "coin", "side": "side", "time": "time"}
    frame = pl.DataFrame(
        {
            **{name: [told[key]] for name, key in columns.items()},
            **money,
            "start_position": [Decimal("0.0")],
            "crossed": [True],
            "liquidation": [json.dumps(told["liquidation"])],
        }
    )
    frame.write_parquet(tmp_path / "hour.parquet")
    sent = {name: told[name] for name in ("coin", "side", "time", "crossed", "liquidation")}
    sent |= {"px": "100.0", "sz": "3.0", "startPosition": "0.0"}
    block = json.dumps({"block_number": 1, "events": [["0xa", sent]]})
    (tmp_path / "hour.lz4").write_bytes(lz4.frame.compress(block.encode() + b"\n"))

    assert list(original.fills_by_cell([tmp_path / "hour.parquet"])) == [told]
    assert list(original.fills_by_column([tmp_path / "hour.parquet"])) == [told]
    assert list(original.fills_of_raw([tmp_path / "hour.lz4"])) == [told]
