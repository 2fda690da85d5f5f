"""FIFO and co-occurrences against their alternatives: `python -m bench.fifo [--fills N]`.

A made-up day: 1.5 million fills of 50,000 (wallet, coin) pairs, sizes and prices on the exchange's
grid, positions that wander around zero. Each figure is wall and CPU time, and a ratio within this
run; the contestants take turns in one process, each starting from what suits it best:

    seeds    a dictionary of floats per fill in lists per wallet, whole fills paired, longs only;
             percentages, no fees: less work than the others do, and other figures. Starts from
             rows of texts
    decimal  lots by quantity, both sides, fees: rows of Decimal and a deque per position. Starts
             from those rows
    pieces   fifo.match, from frame to frames: the same pieces as `decimal`, which is checked
    vigil    wallet_days.wallet_day, from frame to frames, as the assets call it: open lots, and the
             pieces added up by wallet, with exposures and volumes besides; checked against `pieces`
    loop     the matching of `vigil` alone, on integers by position

The seeds also wrote a row and committed per wallet; that is left out here, and measured by
`bench.artemis`. Co-occurrences run on a million entries in a process of its own, for its peak
memory.
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from bench.artemis_original import wallet_lists, wallet_profile
from bench.ingest import peak_mb
from vigil_core.artemis import co_occurrences, fifo, wallet_profiles
from vigil_core.artemis.positions import Matching, Positions
from vigil_core.artemis.text_codes import Codes
from vigil_core.artemis.wallet_days import wallet_day
from vigil_core.calendar import DAY_MS
from vigil_core.fills.schema import MONEY

DAY = 1_761_955_200_000
COINS = 150
PAIRS = 50_000
WALLETS = 20_000
AGAINST = 0.5
"""Share of the fills that go against what is held; all others buy or sell at random."""


def texts(count: int) -> list[str]:
    """Addresses."""
    return [f"0x{number * 2_654_435_761 % 2**64:040x}" for number in range(count)]


def made_up_day(fills: int, seed: int = 1, coins: int = COINS) -> pl.DataFrame:
    """Fills in the order of execution, positions without gaps; fees at the taker's base rate."""
    chance = np.random.default_rng(seed)
    wallet_drawn = chance.integers(0, WALLETS, PAIRS)
    coin_drawn = chance.integers(0, coins, PAIRS)
    _, pair_of_key = np.unique(wallet_drawn * coins + coin_drawn, return_inverse=True)
    pair = pair_of_key[(chance.pareto(1.2, fills) * 4_000).astype(np.int64) % PAIRS]
    wallet, coin = np.empty(PAIRS, np.int64), np.empty(PAIRS, np.int64)
    wallet[pair_of_key], coin[pair_of_key] = wallet_drawn, coin_drawn
    size = chance.integers(1, 2_000, fills)
    start, signed = _walk(pair, size, chance.random(fills))
    digits = np.arange(coins) % 6
    tick = 10 ** (6 - digits)[coin[pair]]
    level = np.exp(chance.normal(0, 1e-4, fills).cumsum())
    price = np.maximum((1_000_000 * (1 + coin[pair]) * level).astype(np.int64) // tick, 1) * tick
    scale = 10 ** (12 - digits[coin[pair]])
    names = np.array([f"C{number}" for number in range(coins)])
    frame = pl.DataFrame(
        {
            "time": DAY + np.sort(chance.integers(0, DAY_MS, fills)),
            "user_address": pl.Series(texts(WALLETS)).gather(wallet[pair]),
            "coin": pl.Series(names.tolist()).gather(coin[pair]),
            "px": price,
            "sz": np.abs(signed),
            "scale": scale,
            "side": pl.Series(["A", "B"]).gather((signed > 0).astype(np.int64)),
            "start_position": start,
            "block_number": np.arange(fills) // 5,
            "event_index": (np.arange(fills) % 5).astype(np.int32),
        }
    )
    quantities = (
        (pl.col(n).cast(pl.Int128) * pl.col("scale")).reinterpret(dtype=MONEY).alias(n)
        for n in ("sz", "start_position")
    )
    money = (pl.col("px").cast(pl.Int128) * 10**6).reinterpret(dtype=MONEY)
    fee = (pl.col("px") * pl.col("sz") * pl.lit(Decimal("0.00045"))).round(6)
    return frame.with_columns(*quantities, px=money).with_columns(fee=fee).drop("scale")


def _walk(pair: Any, size: Any, chance: Any) -> tuple[Any, Any]:
    """Positions before, and signed sizes."""
    held = np.zeros(PAIRS, np.int64)
    start, signed = np.empty(len(pair), np.int64), np.empty(len(pair), np.int64)
    for row, (of, quantity, luck) in enumerate(
        zip(pair.tolist(), size.tolist(), chance.tolist(), strict=True)
    ):
        position = int(held[of])
        buys = position < 0 if luck < AGAINST and position else luck * 1e6 % 2 < 1
        start[row] = position
        signed[row] = quantity if buys else -quantity
        held[of] = position + signed[row]
    return start, signed


# --- contestants: fills → what they find -----------------------------------------------


Row = tuple[Any, ...]


def rows_of(fills: pl.DataFrame, money: pl.DataType) -> list[Row]:
    """Address, coin, time, price, size, side and fee of each fill."""
    columns = ("user_address", "coin", "time", "px", "sz", "side", "fee")
    typed = fills.select(columns).with_columns(pl.col("px", "sz", "fee").cast(money))
    return list(typed.iter_rows())


def seeds(rows: list[Row]) -> int:
    """As the seeds did it; gives the pairs of the wallets that have enough of them."""
    fills = (
        {"user": user, "coin": coin, "side": side, "px": float(px), "sz": float(sz), "time": at}
        for user, coin, at, px, sz, side, _ in rows
    )
    profiles = map(wallet_profile, wallet_lists(fills).values())
    return sum(profile["trade_count"] for profile in profiles if profile)


def decimal_fifo(rows: list[Row]) -> tuple[int, Decimal]:
    """Lots by quantity in Python's decimals; gives the pieces and their gross PnL."""
    lots: dict[tuple[str, str], deque[list[Any]]] = defaultdict(deque)
    pieces: list[tuple[Any, ...]] = []
    for user, coin, at, px, sz, side, fee in rows:
        queue = lots[user, coin]
        left = sz if side == "B" else -sz
        per_unit = fee / sz
        while left and queue and (queue[0][0] > 0) != (left > 0):
            lot = queue[0]
            taken = min(abs(lot[0]), abs(left))
            gross = (px - lot[1]) * (taken if lot[0] > 0 else -taken)
            fees = (lot[3] + per_unit) * taken
            pieces.append((user, coin, lot[2], at, taken, lot[1], px, gross, gross - fees))
            step = taken if left > 0 else -taken
            left -= step
            lot[0] += step
            if not lot[0]:
                queue.popleft()
        if left:
            queue.append([left, px, at, per_unit])
    return len(pieces), sum((piece[7] for piece in pieces), Decimal(0))


def pieces(fills: pl.DataFrame) -> tuple[int, Decimal, Decimal]:
    """The product, every piece spelled out; gives their number, gross and net PnL."""
    found = fifo.match(fills, fifo.no_lots()).pieces
    return len(found), *(found[name].sum() for name in ("gross", "net"))  # type: ignore[return-value]


def vigil(fills: pl.DataFrame) -> tuple[int, Decimal]:
    """The product; gives the number of pieces and their net PnL."""
    made = wallet_day(fills, fifo.no_lots())
    return made.pieces, made.piece_days["net_pnl_usd"].sum()  # type: ignore[return-value]


class Loop:
    """The loop of the product, on integers made beforehand."""

    def __init__(self, fills: pl.DataFrame) -> None:
        self._carried = fifo.carried_lots(fifo.no_lots(), None)
        address, coin = (Codes.of(fills[name]) for name in ("user_address", "coin"))
        self._positions = Positions.of(fills, self._carried, address, coin)

    def __call__(self) -> int:
        return len(Matching.of(self._positions, self._carried).sources)


# --- tables --------------------------------------------------------------------------------


def timed(what: Callable[[], Any], times: list[tuple[float, float]]) -> Any:
    """What it gives; wall and CPU seconds go behind `times`.

    Without the garbage collector, which would go through millions of rows again and again.
    """
    gc.disable()
    wall, cpu = time.perf_counter(), time.process_time()
    result = what()
    times.append((time.perf_counter() - wall, time.process_time() - cpu))
    gc.enable()
    return result


def fifo_table(fills: int, rounds: int) -> None:
    """Print the contestants."""
    day = made_up_day(fills)
    loop = Loop(day)
    decimals, written = rows_of(day, MONEY), rows_of(day, pl.String())
    contestants: dict[str, Callable[[], Any]] = {
        "decimal": lambda: decimal_fifo(decimals),
        "seeds": lambda: seeds(written),
        "pieces": lambda: pieces(day),
        "vigil": lambda: vigil(day),
        "loop": loop,
    }
    vigil(day.head(1_000))
    pieces(day.head(1_000))
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    found = {}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            found[name] = timed(contestant, times[name])
    count, gross, net = found["pieces"]
    assert (count, gross) == found["decimal"], (found["pieces"], found["decimal"])
    assert (count, net) == found["vigil"], (found["pieces"], found["vigil"])
    pairs = day.select(pl.struct("user_address", "coin").n_unique()).item()
    print(f"FIFO: {fills:,} fills, {pairs:,} positions, {count:,} pieces")
    _print(fills, "M fills/s", times)


def _print(count: int, unit: str, times: dict[str, list[tuple[float, float]]]) -> None:
    first = None
    for name, runs in times.items():
        wall, cpu = (statistics.median(run[side] for run in runs) for side in (0, 1))
        first = first or (wall, cpu)
        print(
            f"  {name:9}{count / wall / 1e6:7.2f} {unit} wall (x{first[0] / wall:5.1f})"
            f"{count / cpu / 1e6:7.2f} CPU (x{first[1] / cpu:5.1f})"
        )


def profile_table(fills: int, rounds: int) -> None:
    """Print what a day of wallets takes, and what its profiles do."""
    day = made_up_day(fills)
    times: dict[str, list[tuple[float, float]]] = {"day": [], "profiles": []}
    wallet_day(day.head(1_000), fifo.no_lots())
    for _ in range(rounds):
        made = timed(lambda: wallet_day(day, fifo.no_lots()), times["day"])
        profiles = timed(
            lambda made=made: wallet_profiles.profiles_of_days(
                made.piece_days, made.summary, DAY + DAY_MS, "1d"
            ),
            times["profiles"],
        )
    print(f"\na day of wallets: {fills:,} fills, {len(profiles):,} profiles")
    for name, runs in times.items():
        wall, cpu = (statistics.median(run[side] for run in runs) for side in (0, 1))
        print(f"  {name:9}{wall:7.2f} s wall{cpu:7.2f} s CPU")


def many_entries(count: int, *, even: bool, seed: int = 1) -> pl.DataFrame:
    """Entries over the day, a fifth of them followed.

    Markets and wallets are a few busy and crowded ones and many others; or, `even`, as many as
    leave about 31 neighbours to each entry, close to the limit: more candidates there cannot be.

    A wallet with an odd number enters after the one before it, often within five minutes.
    """
    chance = np.random.default_rng(seed)
    leaders = count * 5 // 6
    markets, power = (max(count // 9_000, 1), 1.0) if even else (300, 1.5)
    coin = (markets * chance.random(leaders) ** power).astype(np.int64)
    wallet = (30_000 * chance.random(leaders) ** power).astype(np.int64) * 2
    at = chance.integers(0, DAY_MS - 500_000, leaders)
    side = chance.integers(0, 2, leaders)
    followed = chance.choice(leaders, count - leaders, replace=False)
    later = at[followed] + chance.integers(0, 500_000, count - leaders)

    def both(values: Any, own: Any = None) -> Any:
        return np.concatenate([values, values[followed] if own is None else own])

    return pl.DataFrame(
        {
            "coin": pl.Series([f"C{number}" for number in range(300)]).gather(both(coin)),
            "direction": pl.Series(["long", "short"]).gather(both(side)),
            "address": pl.Series(texts(60_000)).gather(both(wallet, wallet[followed] + 1)),
            "time": DAY + both(at, later),
            "usd": pl.repeat(5_000, count, dtype=pl.Int64, eager=True).cast(MONEY),
        }
    ).sort("coin", "direction", "address", "time")


def pairs_alone(count: int, *, even: bool) -> None:
    """In a process of its own: print seconds and peak memory."""
    made = many_entries(count, even=even)
    co_occurrences.co_occurrences(made.head(1_000), [])
    before, times = peak_mb(), list[tuple[float, float]]()
    pairs, counts = timed(lambda: co_occurrences.co_occurrences(made, []), times)
    (wall, cpu) = times[0]
    figures = {"pairs": len(pairs), "crowded": counts.crowded_entries, "wall": wall, "cpu": cpu}
    print(json.dumps(figures | {"before": before, "peak": peak_mb()}))


def pair_table(count: int) -> None:
    """Print the co-occurrences of so many entries."""
    for name, more in (("busy and quiet markets", []), ("even markets", ["--even"])):
        command = [sys.executable, "-m", "bench.fifo", "--alone", str(count), *more]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found: dict[str, Any] = json.loads(done.stdout)
        print(f"\nco-occurrences, {name}: {count:,} entries, ", end="")
        print(f"{found['crowded']:,} crowded, {found['pairs']:,} pairs")
        print(f"  {found['wall']:.2f} s wall, {found['cpu']:.2f} s CPU, ", end="")
        print(f"peak {found['peak']:,.0f} MB, {found['before']:,.0f} MB of it before")


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="bench.fifo", description="FIFO, measured")
    parser.add_argument("--fills", type=int, default=1_500_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["fifo", "profiles", "pairs"])
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--even", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        return pairs_alone(given.alone, even=given.even)
    if given.only in (None, "fifo"):
        fifo_table(given.fills, given.rounds)
    if given.only in (None, "profiles"):
        profile_table(given.fills, given.rounds)
    if given.only in (None, "pairs"):
        pair_table(given.entries)
    return None


if __name__ == "__main__":
    main()
