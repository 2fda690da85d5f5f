"""The feature line against the row-by-row original: `python -m bench artemis [--quick]`.

A day is made up (`bench.artemis_inputs`), and each part of it done by both, from the same files:

    raw        the node's hourly objects -> candles, volume, flow, liquidations, changes of open
               interest; Vigil writes its lake on the way
    day        the lake's Parquet -> the same, of three coins and of 150
    balances   a day's JSON lines -> open interest, addresses; Vigil also keeps every position
    snapshots  tables of the market -> 288 rows of features and labels per coin
    profiles   the lake's Parquet -> FIFO -> a profile per wallet; also without the reading

Contestants:

    original   `bench.artemis_original`: line by line or cell by cell, dictionaries, single SQL
               questions, a row and a commit per wallet, snapshot and label; each library as it
               comes
    careful    the same by a careful author: Parquet by whole columns, SQLite that does not wait
               for the disk at a commit
    vigil      the functions that the assets call, with the lake and without the database

It is fair in that all start from one input, in a process each, and that what they compute by one
definition is compared: fills, trades, volume, change of open interest, holders, wallets. Vigil's
sums are exact, the others' are floats. Where definitions differ, the original does less: four of
its features are constants, it has no second entry price, no wiped positions, no shorts and no
fees. The garbage collector is off, which helps it most. It is unfair in that snapshots and
profiles of the original are read from and written to its database, while the time of Vigil's own
database is in no figure: how long the original only waits for the disk is its wall time less its
CPU time, and the careful one hardly waits.

Vigil uses both cores where Polars does. So ratios are of wall and of CPU time, and a target counts
as reached if both reach it. The others run once, Vigil thrice (median). Where they would take too
long they do some of the coins, or a quarter of the wallets, and their rate is taken for all: every
coin and every wallet costs the same.
"""

import argparse
import json
import math
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bench import artemis_original as original
from bench.artemis_inputs import START, write_balances, write_fills, write_market
from bench.fifo import timed
from bench.hours import DAY, write_hours
from bench.ingest import objects, peak_mb
from vigil_core.artemis import fifo, wallet_profiles
from vigil_core.artemis.balances import read_object, seeded_addresses
from vigil_core.artemis.features import MarketTables, features, oi_changes_by_coin
from vigil_core.artemis.labels import labels
from vigil_core.artemis.open_interest import snapshot_rows
from vigil_core.artemis.parameters import SNAPSHOTS_PER_DAY, STEP_MS
from vigil_core.artemis.tape import flow_and_candles, liquidation_events, perps, trades
from vigil_core.artemis.wallet_days import wallet_day
from vigil_core.calendar import DAY_MS, HOUR_MS
from vigil_resources.artemis.market_history import COLUMNS, INTERVALS, VAULTS
from vigil_resources.artemis.open_interest import LEGS
from vigil_resources.artemis.wallets import FILLS
from vigil_resources.files.lake import Lake
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.files.store import Store

FEW_COINS, MANY_COINS = 3, 150
SLICE_COINS = 5
"""Of many, those that the original makes snapshots of."""
RAW_HOURS = 4
"""Hours with fills in `raw`: an object of the exchange holds a hundred thousand fills and more."""
MOST_MB = 3_000
ROUNDS = 3

_PER_COIN = (
    "candles_1m",
    "candles_5m",
    "flow",
    "liquidations",
    "oi",
    "oi_changes",
    "funding",
    "positions",
)
_SHARED = ("balances", "bots")
_GRID = START + STEP_MS * np.arange(SNAPSHOTS_PER_DAY, dtype=np.int64)
_KNOWN_UNTIL = START + DAY_MS + 4 * HOUR_MS

Outcome = tuple[int, dict[str, float]]
"""How many rows were done, and figures that the contestants must agree on."""
Work = Callable[[], Outcome]
Contestant = Callable[[Path], Work]
"""Loads what it starts from, which is not measured, and gives what is."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One table: the alternatives, then Vigil."""

    title: str
    unit: str
    contestants: dict[str, Contestant]
    target: float | None = None
    """Times the others."""
    slices: tuple[str, ...] = ()
    """Contestants that do some of it; their rate is taken for all."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is made up."""

    fills: int = 1_000_000
    raw_fills: int = 600_000
    accounts: int = 200_000
    profile_fills: int = 2_000_000


QUICK = Sizes(fills=100_000, raw_fills=60_000, accounts=20_000, profile_fills=200_000)


@dataclass(frozen=True, kw_only=True)
class Way:
    """How the original is written."""

    read: original.Reader
    is_tuned: bool
    """Its database."""


WAYS = {
    "original": Way(read=original.fills_by_cell, is_tuned=False),
    "careful": Way(read=original.fills_by_column, is_tuned=True),
}


# --- fills -> what the market did ------------------------------------------------------------


def _original_market(fills: Iterable[original.Fill]) -> Outcome:
    market = original.Market()
    for fill in fills:
        market.add(fill)
    return market.fills, {
        "trades": sum(candle["trades"] for candle in market.candles.values()),
        "volume_usd": sum(bucket["volume_usd"] for bucket in market.flow.values()),
        "oi_change_base": sum(market.oi_changes.values()),
    }


def _vigil_market(lake: Lake) -> Outcome:
    """As `MarketHistory.build` and `OpenInterest.build` go through a day, each reading it once."""
    content = lake.day(DAY)
    legs = lake.rows(content, COLUMNS)
    tape = trades(legs)
    coins = set(tape["coin"].unique())
    span = (START, START + DAY_MS, [(START, START + DAY_MS)])
    before: dict[int, dict[str, Decimal]] = {length: {} for length in INTERVALS.values()}
    buckets, of_lengths = flow_and_candles(tape, *span, before, coins)
    built = pl.concat(of_lengths.values())
    liquidation_events(legs, VAULTS)
    sides = perps(lake.rows(content, LEGS)).drop_nulls("start_position")
    changes = oi_changes_by_coin(sides)
    return sides.height, {
        "trades": built["trades"].sum(),
        "volume_usd": float(buckets["volume_usd"].sum()),
        "oi_change_base": float(changes["change_base"].sum()),
    }


def _lake(folder: Path) -> Lake:
    return Lake(Store(str(folder / "lake")), folder / "scratch")


def _parquet(folder: Path) -> list[Path]:
    return sorted((folder / "lake").glob(f"fills/day={DAY}/*.parquet"))


def _original_raw(folder: Path) -> Work:
    return lambda: _original_market(original.fills_of_raw(objects(folder / "raw")))


def _vigil_raw(folder: Path) -> Work:
    def work() -> Outcome:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            lake, raw = _lake(Path(name)), RawFills(Store(str(folder / "raw")))
            lake.take_in_stale(raw.store, raw.manifest(DAY), lambda _: None)
            return _vigil_market(lake)

    return work


def _original_day(folder: Path, *, coins: int, way: Way) -> Work:
    return lambda: _original_market(way.read(_parquet(folder / f"coins-{coins}")))


def _vigil_day(folder: Path, *, coins: int) -> Work:
    return lambda: _vigil_market(_lake(folder / f"coins-{coins}"))


# --- balances ------------------------------------------------------------------------------


def _original_balances(folder: Path) -> Work:
    def work() -> Outcome:
        balances = original.Balances()
        lines = 0
        with (folder / "balances.jsonl").open("rb") as file:
            for line in file:
                balances.add(line)
                lines += 1
        coins = balances.open_interest().values()
        return lines, {
            "holders": sum(coin["holders"] for coin in coins),
            "oi_usd": sum(coin["long"] for coin in coins),
            "addresses": len(balances.addresses()),
        }

    return work


def _vigil_balances(folder: Path) -> Work:
    def work() -> Outcome:
        with (folder / "balances.jsonl").open("rb") as file:
            balances = read_object(iter(partial(file.read, 1 << 18), b""))
        rows = snapshot_rows(balances.positions, balances.recorded_at(START + DAY_MS))
        return balances.lines, {
            "holders": rows["holders"].sum(),
            "oi_usd": float(rows["oi_usd"].sum()),
            "addresses": len(seeded_addresses(balances.positions)),
        }

    return work


# --- snapshots -----------------------------------------------------------------------------


def _original_snapshots(folder: Path, *, coins: int, way: Way) -> Work:
    connection = _database(folder, way, filled=folder / "market" / "original.db")
    prices = _of_coins(pl.read_parquet(folder / "market" / "candles_5m.parquet"), coins)
    figures = pl.col("high", "low", "close", "volume").cast(pl.Float64)
    # Of the day, from the first one that is asked for.
    own = prices.filter(pl.col("open_time") >= START - STEP_MS)
    lists = own.select("coin", "open_time", figures).partition_by("coin", as_dict=True)
    lists_of_coins = {coin: frame.drop("coin").to_dicts() for (coin,), frame in lists.items()}

    def work() -> Outcome:
        stored = sum(
            original.store_snapshots(connection, coin, _GRID.tolist(), candles_5m)
            for coin, candles_5m in lists_of_coins.items()
        )
        return stored, {}

    return work


def _vigil_snapshots(folder: Path, *, coins: int) -> Work:
    names = (*_PER_COIN, *_SHARED)
    tables = {name: pl.read_parquet(folder / "market" / f"{name}.parquet") for name in names}
    of_coins = {
        name: _of_coins(tables.pop(name), coins).partition_by("coin", as_dict=True)
        for name in _PER_COIN
    }
    covered = pl.DataFrame({"start": [START - 2 * DAY_MS], "end": [START + DAY_MS]})

    def work() -> Outcome:
        feature_rows, label_rows = [], []
        for (coin,) in of_coins["candles_5m"]:
            market = MarketTables(
                **{name: frames[coin,] for name, frames in of_coins.items()},
                **tables,
                liquidations_covered=covered,
                fills_covered=covered,
            )
            feature_rows.append(features(market, str(coin), _GRID))
            label_rows.append(labels(market.candles_5m, market.candles_1m, _GRID, _KNOWN_UNTIL))
        assert pl.concat(label_rows)["label_status"].eq("complete").all()
        return pl.concat(feature_rows).height, {}

    return work


def _of_coins(table: pl.DataFrame, coins: int) -> pl.DataFrame:
    return table.filter(pl.col("coin").is_in([f"C{number}" for number in range(coins)]))


def _database(folder: Path, way: Way, *, filled: Path | None = None) -> sqlite3.Connection:
    """A file of its own, so that every contestant begins with empty tables of rows."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "original.db"
    if filled is not None:
        shutil.copy(filled, path)
    return original.open_database(path, is_tuned=way.is_tuned)


# --- profiles ------------------------------------------------------------------------------


def _original_profiles(folder: Path, *, of: str, way: Way) -> Work:
    paths, connection = _parquet(folder / of), _database(folder, way)
    return lambda: _stored(connection, original.wallet_lists(way.read(paths)))


def _original_fifo(folder: Path, *, of: str, way: Way) -> Work:
    connection = _database(folder, way)
    wallets = original.wallet_lists(original.fills_by_column(_parquet(folder / of)))
    return lambda: _stored(connection, wallets)


def _stored(connection: sqlite3.Connection, wallets: dict[str, list[original.Fill]]) -> Outcome:
    enough = original.store_profiles(connection, wallets)
    return sum(map(len, wallets.values())), {"wallets": enough}


def _vigil_profiles(folder: Path) -> Work:
    lake = _lake(folder / "profiles")
    return lambda: _profiled(lake.rows(lake.day(DAY), list(FILLS)))


def _vigil_fifo(folder: Path) -> Work:
    lake = _lake(folder / "profiles")
    fills = lake.rows(lake.day(DAY), list(FILLS))
    return lambda: _profiled(fills)


def _profiled(fills: pl.DataFrame) -> Outcome:
    """As `Wallets.build` makes the profiles of a day."""
    made = wallet_day(fills, fifo.no_lots())
    end = START + DAY_MS
    profiles = wallet_profiles.profiles_of_days(made.piece_days, made.summary, end, "1d")
    enough = profiles.filter(pl.col("fill_count") >= original.MINIMUM_FILLS)
    return fills.height, {"wallets": enough.height}


# --- tables --------------------------------------------------------------------------------


def _day_part(coins: int) -> Part:
    return Part(
        title=f"day: the lake's Parquet, {coins} coins",
        unit="fills",
        target=20,
        contestants={
            **{name: partial(_original_day, coins=coins, way=way) for name, way in WAYS.items()},
            "vigil": partial(_vigil_day, coins=coins),
        },
    )


def _snapshots_part(coins: int) -> Part:
    done = min(coins, SLICE_COINS)
    note = f"; the others on {done} coins, their rate taken for all" if done < coins else ""
    return Part(
        title=f"snapshots: features and labels, {coins} coins{note}",
        unit="rows",
        slices=tuple(WAYS) if done < coins else (),
        contestants={
            **{n: partial(_original_snapshots, coins=done, way=way) for n, way in WAYS.items()},
            "vigil": partial(_vigil_snapshots, coins=coins),
        },
    )


def _profiles_part(what: str, others: Callable[..., Work], vigil: Contestant) -> Part:
    return Part(
        title=f"profiles: {what}; the original on a quarter, its rate taken for all",
        unit="fills",
        target=10,
        slices=("original",),
        contestants={
            "original": partial(others, of="quarter", way=WAYS["original"]),
            "careful": partial(others, of="profiles", way=WAYS["careful"]),
            "vigil": vigil,
        },
    )


PARTS = {
    "raw": Part(
        title=f"raw: hourly objects, {MANY_COINS} coins",
        unit="fills",
        target=20,
        contestants={"original": _original_raw, "vigil": _vigil_raw},
    ),
    "day-3": _day_part(FEW_COINS),
    "day-150": _day_part(MANY_COINS),
    "balances": Part(
        title="balances: JSON lines",
        unit="lines",
        contestants={"original": _original_balances, "vigil": _vigil_balances},
    ),
    "snapshots-3": _snapshots_part(FEW_COINS),
    "snapshots-150": _snapshots_part(MANY_COINS),
    "profiles": _profiles_part("the lake's Parquet", _original_profiles, _vigil_profiles),
    "fifo": _profiles_part("without the reading", _original_fifo, _vigil_fifo),
}


def write_inputs(folder: Path, sizes: Sizes, parts: Iterable[str]) -> None:
    """Make up what the parts start from."""
    needed = set(parts)
    if "raw" in needed:
        write_hours(folder / "raw", sizes.raw_fills, hours=RAW_HOURS)
    if "day-3" in needed:
        _write_lake(folder / f"coins-{FEW_COINS}", sizes.fills, FEW_COINS)
    if "day-150" in needed:
        _write_lake(folder / f"coins-{MANY_COINS}", sizes.fills, MANY_COINS)
    if needed & {"profiles", "fifo"}:
        _write_lake(folder / "profiles", sizes.profile_fills, MANY_COINS)
        _write_lake(folder / "quarter", sizes.profile_fills, MANY_COINS, quarter=True)
    if "balances" in needed:
        write_balances(folder / "balances.jsonl", sizes.accounts, MANY_COINS)
    if needed & {"snapshots-3", "snapshots-150"}:
        write_market(folder / "market", MANY_COINS)


def _write_lake(folder: Path, fills: int, coins: int, *, quarter: bool = False) -> None:
    folder.mkdir()
    write_fills(_lake(folder), folder, fills, coins, quarter=quarter)


def run_alone(part: str, contestant: str, folder: Path) -> None:
    """In a process of its own: print seconds, peak memory and what was found."""
    work = PARTS[part].contestants[contestant](folder)
    times: list[tuple[float, float]] = []
    for _ in range(ROUNDS if contestant == "vigil" else 1):
        rows, figures = timed(work, times)
    wall, cpu = (statistics.median(run[side] for run in times) for side in (0, 1))
    print(
        json.dumps({"rows": rows, "wall": wall, "cpu": cpu, "peak": peak_mb(), "figures": figures})
    )


def measured(part: str, contestant: str, folder: Path) -> dict[str, Any]:
    """What a process of its own found."""
    command = [sys.executable, "-m", "bench.artemis", "--alone", part, contestant]
    done = subprocess.run(
        [*command, "--folder", str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def part_table(name: str, folder: Path) -> float:
    """Print a part's table; gives Vigil's peak memory, MB."""
    part = PARTS[name]
    runs = {contestant: measured(name, contestant, folder) for contestant in part.contestants}
    vigil = runs["vigil"]
    print(f"\n{part.title}\n  {vigil['rows']:,} {part.unit}")
    for contestant, run in runs.items():
        if contestant not in part.slices:
            assert run["rows"] == vigil["rows"], (name, contestant, run["rows"])
            _expect_equal(f"{name}, {contestant}", run["figures"], vigil["figures"])
        rates = [run["rows"] / run[side] for side in ("wall", "cpu")]
        line = f"  {contestant:9}{rates[0]:12,.0f} {part.unit}/s wall{rates[1]:12,.0f} CPU"
        if contestant == "vigil":
            print(f"{line}   peak {run['peak']:,.0f} MB", flush=True)
            continue
        ratios = [vigil["rows"] / vigil[s] / r for s, r in zip(("wall", "cpu"), rates, strict=True)]
        line += f"   vigil x{ratios[0]:7.1f} wall{ratios[1]:7.1f} CPU"
        if part.target:
            line += f"   {_verdict(f'target {part.target:g}', min(ratios) >= part.target)}"
        print(line)
    return float(vigil["peak"])


def _verdict(target: str, is_reached: bool) -> str:
    return f"{target}: {'reached' if is_reached else 'NOT reached'}"


def _expect_equal(who: str, found: dict[str, float], expected: dict[str, float]) -> None:
    for name, value in expected.items():
        # Floats added up a million times are off by more than their last digit.
        if not math.isclose(found[name], value, rel_tol=1e-7):
            raise AssertionError(f"{who}: expected {name} {value!r}, found {found[name]!r}")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="bench artemis", description="the feature line, measured")
    parser.add_argument("--quick", action="store_true", help="a tenth of the input")
    parser.add_argument("--only", choices=list(PARTS), action="append")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        return run_alone(*given.alone, given.folder)
    asked = given.only or list(PARTS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, QUICK if given.quick else Sizes(), asked)
        peak = max([part_table(part, folder) for part in asked])
    verdict = _verdict(f"target below {MOST_MB:,}", peak < MOST_MB)
    print(f"\nmost memory of a part of vigil: {peak:,.0f} MB   {verdict}")
    return None


if __name__ == "__main__":
    main()
