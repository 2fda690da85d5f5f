"""How often the persistence test is wrong, and how often it sees skill.

    python -m bench.persistence [--worlds N] [--others N] [--evaluations N]

Worlds of daily track records (vigil_sandbox/track_records.py), ten evaluations of a month, 120
traders, every variant as in production; the labels are the rules of seed_100k and vigil_v1 without
their exclusions, days with fills taken for closed trades:

    null      nobody has skill, results sum to zero before it: how often does an interval at 95 %
              leave out 0? Once as percentiles of the block bootstrap, once as they are widened
              for few months, which is what the product does. Once for all variants together
    costs     nobody has skill, all pay fees: what comes again here are costs
    skill     three in ten have some skill: how often does the interval lie above 0?
    few       one in twenty has much: whom our rule finds, which asks for more than luck gives the
              best of many, and sees none where many are good

Rates are given with Wilson's interval at 95 %.
"""

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from statistics import NormalDist

import numpy as np
import polars as pl

from vigil_core.artemis.scores import widening
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.metrics.persistence import (
    ABOVE,
    BELOW,
    DEFAULT,
    LABELLED,
    RULE_SETS,
    SEED_100K,
    SHARPE,
    STATISTICS,
    VIGIL_V1,
    ZERO_BY_CHANCE,
    Persistence,
    deflated_sharpe,
    persistence,
    rolls_of,
    window_figures,
)
from vigil_sandbox.track_records import SKILLED, TrackRecords, TrackSpec, track_records

FIRST_DAY = day_start_ms(date(2025, 3, 22))
SHOWN = (
    *ZERO_BY_CHANCE,
    "top_repeat_excess",
    "top_repeat_over_mirror",
    "top_positive_excess",
)
assert set(SHOWN) <= set(STATISTICS)

SEED_RULE = {"net_pnl": 100_000, "realized_edge": 0.001, "sharpe": 1}
OUR_RULE = {"net_pnl": 100_000, "net_edge": 0.001, "sharpe": 1, "deflated_sharpe": 0.95}
"""Lower limits, over all days before."""

LEAST_DAYS, LEAST_TRADES = 30, 20
"""What our rule asks beside; of those who have it the best Sharpe ratio is the best."""


ABLE: dict[str, dict[str, float]] = {
    "skill": {"skilled_share": 0.3, "skill": 0.15, "fee_rate": 0.0004},
    "few": {"skilled_share": 0.05, "skill": 0.5, "fee_rate": 0.0004},
}


def wilson(hits: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """An interval of a share that holds near 0 and 1 as well.

    >>> [round(x, 3) for x in wilson(10, 200)]
    [0.027, 0.09]
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = (hits + z * z / 2) / (of + z * z)
    reach = z / (of + z * z) * (hits * (of - hits) / of + z * z / 4) ** 0.5
    return middle - reach, middle + reach


def labelled(world: TrackRecords) -> pl.DataFrame:
    """Who bears which label at the end of each formation, by the days before."""
    frames = []
    for roll in rolls_of(world.days, DEFAULT):
        end = roll.formation_end
        # Ours is left at the second failure in a row.
        ours = meets_ours(world, end) | meets_ours(world, end - DAY_MS)
        for rule_set, traders in ((SEED_100K, meets_seed(world, end)), (VIGIL_V1, ours)):
            bearers = sorted(traders) or [None]
            frames.append(
                pl.DataFrame(
                    {"as_of": end, "rule_set": rule_set, "user_address": bearers}, schema=LABELLED
                )
            )
    return pl.concat(frames)


def meets_seed(world: TrackRecords, before: int) -> set[str]:
    """By days with fills."""
    pnl, fees = (pl.col(name).cast(pl.Float64) for name in ("pnl", "fees"))
    measures = {
        "net_pnl": (pnl - fees).sum(),
        "realized_edge": pnl.sum() / pl.col("volume").sum(),
        "sharpe": pnl.mean() / pnl.std() * 365**0.5,
    }
    figures = world.daily.filter(pl.col("day") < before).group_by("user_address").agg(**measures)
    return set(figures.filter(*limits(SEED_RULE))["user_address"])


def meets_ours(world: TrackRecords, before: int) -> set[str]:
    """By all days since the first."""
    known = world.daily.select(
        "user_address",
        "day",
        (pl.col("pnl") - pl.col("fees")).cast(pl.Float64).alias("net"),
        "volume",
        pl.col("day").min().over("user_address").alias("first_day"),
    )
    first = known.select("user_address", "first_day").unique()
    judged_by = (
        window_figures(known, np.array(sorted(world.days)), min(world.days), before)
        .join(first, on="user_address")
        .filter(
            (before - pl.col("first_day")) // DAY_MS >= LEAST_DAYS,
            pl.col("active_days") >= LEAST_TRADES,
        )
        .drop_nulls(SHARPE)
    )
    ratios, errors = judged_by[SHARPE].to_numpy(), judged_by["sharpe_se"].to_numpy()
    deflated = pl.Series("deflated_sharpe", deflated_sharpe(ratios, errors, ratios))
    return set(judged_by.with_columns(deflated).filter(*limits(OUR_RULE))["user_address"])


def limits(rule: dict[str, float]) -> list[pl.Expr]:
    """What a trader must have."""
    return [pl.col(name) >= limit for name, limit in rule.items()]


def judged(world: TrackRecords) -> Persistence:
    """What the test says of a world."""
    return persistence(world.daily, world.days, labelled(world))


def worlds(count: int, **traits: float) -> Iterator[TrackRecords]:
    """So many, each of its own seed."""
    for seed in range(count):
        yield track_records(TrackSpec(seed=seed, first_day=FIRST_DAY, **traits))  # type: ignore[arg-type]


def tally(results: list[Persistence]) -> pl.DataFrame:
    """Per variant and statistic: in how many of the worlds with an interval it leaves out 0."""
    rows = pl.concat(result.summary for result in results)
    narrow = pl.col("blocks").replace_strict(
        {n: 1 / widening(n, DEFAULT.level) for n in range(2, 20)}, default=1.0
    )
    low, high, value = pl.col("low"), pl.col("high"), pl.col("value")
    plain_low, plain_high = value + (low - value) * narrow, value + (high - value) * narrow
    return (
        rows.filter(pl.col("statistic").is_in(SHOWN))
        .group_by("variant", "statistic", maintain_order=True)
        .agg(
            worlds=low.is_not_null().sum(),
            plain=((plain_low > 0) | (plain_high < 0)).sum(),
            widened=((low > 0) | (high < 0)).sum(),
            above=(low > 0).sum(),
            corrected=((pl.col("corrected_low") > 0) | (pl.col("corrected_high") < 0)).sum(),
            mean=value.filter(low.is_not_null()).mean(),
        )
    )


def print_tally(title: str, table: pl.DataFrame, columns: tuple[str, ...]) -> None:
    """One line per variant and statistic."""
    print(f"\n{title}")
    heads = "".join(f"{name:>24}" for name in columns)
    print(f"  {'variant':19}{'statistic':24}{'worlds':>7}{'mean':>10}{heads}")
    for row in table.iter_rows(named=True):
        name = f"  {row['variant']:19}{row['statistic']:24}{row['worlds']:>7}"
        if not row["worlds"]:
            print(f"{name}  no interval in any world")
            continue
        cells = "".join(f"{share(row[name], row['worlds']):>24}" for name in columns)
        print(f"{name}{row['mean']:>10.3g}{cells}")


def print_bearers(found: list[tuple[TrackRecords, Persistence]]) -> None:
    """Of each label, at the formations' ends: how many bear it, and how many of them have skill."""
    for rule_set in RULE_SETS:
        bearers = [
            world.truth[trader]
            for world, _ in found
            for trader in labelled(world).filter(pl.col("rule_set") == rule_set)["user_address"]
            if trader is not None
        ]
        ends = sum(len(rolls_of(world.days, DEFAULT)) for world, _ in found)
        skilled = bearers.count(SKILLED)
        print(
            f"  {rule_set}: {len(bearers) / ends:.2f} bear it at an end of a formation"
            + (f", with skill {share(skilled, len(bearers))}" if bearers else "")
        )


def share(hits: int, of: int) -> str:
    """Percent, with its interval."""
    low, high = wilson(hits, of)
    return f"{100 * hits / of:.1f} % ({100 * low:.1f} … {100 * high:.1f})"


def print_any_verdict(results: list[Persistence]) -> None:
    """Worlds in which the rank IC of at least one variant has a verdict other than not shown."""
    found = sum(
        not result.summary.filter(
            pl.col("statistic") == "rank_ic", pl.col("verdict").is_in([ABOVE, BELOW])
        ).is_empty()
        for result in results
    )
    print(f"  rank IC of any variant, corrected for their number: {share(found, len(results))}")


def repeats(results: list[tuple[TrackRecords, Persistence]]) -> None:
    """Of those in the top tenth by Sharpe: who is in it again, by true skill."""
    counts: Counter[tuple[str, bool]] = Counter()
    for world, _ in results:
        for kind, again in top_again(world):
            counts[kind, again] += 1
    print("\nTop tenth of a formation by Sharpe, again in the top tenth of its evaluation")
    for kind in sorted({kind for kind, _ in counts}):
        hits, of = counts[kind, True], counts[kind, True] + counts[kind, False]
        print(f"  {kind:10}{of:6} times at the top, again {share(hits, of)}; chance about 10 %")


def top_again(world: TrackRecords) -> Iterator[tuple[str, bool]]:
    """Kind, and whether it is at the top again, of each at the top of a formation."""
    for roll in rolls_of(world.days, DEFAULT):
        before = sharpes(world, roll.formation_start, roll.formation_end, DEFAULT.min_active_days)
        after = sharpes(world, roll.evaluation_start, roll.evaluation_end, 1)
        both = before.join(after, on="user_address", how="left", suffix="_after").with_columns(
            pl.col("sharpe_after").fill_null(0)
        )
        count = max(round(both.height * DEFAULT.top_fraction), 1)
        best = set(both.sort("sharpe_after", descending=True).head(count)["user_address"])
        for address in both.sort("sharpe", descending=True).head(count)["user_address"]:
            yield world.truth[address], address in best


def sharpes(world: TrackRecords, start: int, end: int, min_active: int) -> pl.DataFrame:
    """Mean over deviation of the days traded in a window; a plain reading beside the product's."""
    net = (pl.col("pnl") - pl.col("fees")).cast(pl.Float64)
    return (
        world.daily.filter(pl.col("day") >= start, pl.col("day") < end)
        .group_by("user_address")
        .agg(n=pl.len(), sharpe=net.mean() / net.std())
        .filter(pl.col("n") >= min_active)
        .sort("user_address")
    )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="bench.persistence", description="persistence, measured")
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--others", type=int, default=50, help="worlds with costs, and with skill")
    parser.add_argument("--evaluations", type=int, default=10, help="five are the fewest")
    given = parser.parse_args()
    days = 91 + 30 * given.evaluations
    began = time.perf_counter()
    null = [(world, judged(world)) for world in worlds(given.worlds, days=days)]
    results = [result for _, result in null]
    print_tally(f"null: {given.worlds} worlds", tally(results), ("plain", "widened", "corrected"))
    print_any_verdict(results)
    print_bearers(null)
    costs = [judged(world) for world in worlds(given.others, days=days, fee_rate=0.0004)]
    print_tally(f"costs: {given.others} worlds", tally(costs), ("widened", "above"))
    for name, traits in ABLE.items():
        able = [(world, judged(world)) for world in worlds(given.others, days=days, **traits)]
        found = tally([result for _, result in able])
        print_tally(f"{name}: {given.others} worlds", found, ("above", "corrected"))
        print_bearers(able)
        repeats(able)
    assert any(kind == SKILLED for world, _ in able for kind in world.truth.values())
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
