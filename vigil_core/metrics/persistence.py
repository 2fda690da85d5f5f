"""Whether a ranking of traders says anything about the time after it (metrics.md 13.3).

    formation [f, f + 90 d) · a gap of one day · evaluation of 30 d        then again 30 d later

Traders are ranked by what they did in the formation, and looked at again in the evaluation. Who is
looked at is fixed at the formation's end: a trader that stops stays in, with 0. Evaluations do not
overlap, so without skill the figures of one are not foretold by those before it, whatever the
traders have in common within one; a block of the bootstrap is a month of evaluations.

Three things a ranking can show without anybody's skill: costs and lopsided results are a trader's
own and come again (a trader that pays much in fees ranks low before and after), and one variant of
many is always the best. So top-group figures are given beside those of all, and every variant is
reported, with a second interval that is corrected for their number.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import polars as pl

from vigil_core.artemis.scores import widening
from vigil_core.calendar import DAY_MS
from vigil_core.fills.schema import MONEY

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NO_DATA = "no_data"
TOO_FEW = "too_few_observations"
NO_COVERAGE = "insufficient_coverage"
ZERO_VARIANCE = "zero_variance"

ABOVE, BELOW, NOT_SHOWN = "above", "below", "not_shown"
"""Where the corrected interval of a figure lies that is 0 by chance alone."""

MIN_BLOCKS = 5
"""Of fewer blocks there are too few different resamples for an interval to mean anything."""

_DAYS_PER_YEAR = 365
_EULER = 0.5772156649
_NORMAL = NormalDist()

NET_PNL, NET_EDGE, SHARPE = "net_pnl", "net_edge", "sharpe"
SEED_100K, VIGIL_V1 = "seed_100k", "vigil_v1"

RULE_SETS = (SEED_100K, VIGIL_V1)
"""Scores that are labels: who is smart money by these rules, and who is not."""

DAILY: dict[str, pl.DataType] = {
    "user_address": pl.String(),
    "day": pl.Int64(),
    "pnl": MONEY,
    "fees": MONEY,
    "volume": pl.Float64(),
}
"""A trader's UTC day with fills: ms, USD. `pnl` or `fees` NULL: not fully known."""

LABELLED: dict[str, pl.DataType] = {
    "as_of": pl.Int64(),
    "rule_set": pl.String(),
    "user_address": pl.String(),
}
"""Who bore the label at an instant (ms), by what was known before it. NULL: nobody did; without a
row it is not known who."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What traders are ranked by, and what is looked at afterwards."""

    score: str
    """`net_pnl` (USD), `net_edge` (net PnL / volume), `sharpe` (of daily USD) or a rule set."""
    outcome: str
    """The same, but for rule sets."""

    @property
    def name(self) -> str:
        """`score>outcome`."""
        return f"{self.score}>{self.outcome}"


VARIANTS = (
    Variant(SEED_100K, NET_PNL),
    Variant(SEED_100K, NET_EDGE),
    Variant(SEED_100K, SHARPE),
    Variant(VIGIL_V1, SHARPE),
    Variant(NET_PNL, NET_PNL),
    Variant(NET_EDGE, NET_EDGE),
    Variant(SHARPE, SHARPE),
)
"""All that are tried, so all that are reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersistenceParameters:
    """Windows and limits, in days and fractions."""

    formation_days: int = 90
    gap_days: int = 1
    evaluation_days: int = 30
    step_days: int = 30
    block_days: int = 30
    top_fraction: float = 0.1
    min_active_days: int = 10
    """With fills, in the formation."""
    min_traders: int = 20
    max_missing: float = 0.02
    """Share of a window's days without data that is still put up with."""
    level: float = 0.95
    resamples: int = 2000
    seed: int = 1

    def __post_init__(self) -> None:
        if self.gap_days < 1 or self.step_days < self.evaluation_days:
            # Days counted twice would make the intervals too narrow.
            raise ValueError("expected a gap of a day or more, and evaluations that do not overlap")


DEFAULT = PersistenceParameters()


@dataclass(frozen=True, slots=True)
class Roll:
    """One pair of windows, ms, half-open."""

    number: int
    formation_start: int
    formation_end: int
    evaluation_start: int
    evaluation_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One roll of one variant; means are in the unit of the outcome, shares are fractions."""

    n: int
    rank_ic: float | None
    """Spearman's correlation of score and outcome, average ranks."""
    top_n: int
    top_repeat_rate: float | None
    """Share of the top group among as many with the best outcomes."""
    chance_rate: float | None
    """`top_n` / `n`: what that share is by chance, were all results of one size."""
    mirror_repeat_rate: float | None
    """The same share of as many with the lowest scores: large results, but of losers."""
    top_mean_evaluation: float | None
    all_mean_evaluation: float | None
    top_positive_share: float | None
    all_positive_share: float | None
    stopped_share: float | None
    """Of all: without a fill in the evaluation."""
    top_stopped_share: float | None
    survivor_rank_ic: float | None
    """The same among those that did not stop: known afterwards only."""
    survivor_top_mean: float | None
    survivor_all_mean: float | None
    reason: str | None = None
    """Why there is no rank IC, or no top group."""


FIGURES = tuple(field.name for field in fields(Figures))

_DIFFERENCES = {
    "top_repeat_excess": ("top_repeat_rate", "chance_rate"),
    "top_repeat_over_mirror": ("top_repeat_rate", "mirror_repeat_rate"),
    "top_minus_all": ("top_mean_evaluation", "all_mean_evaluation"),
    "top_positive_excess": ("top_positive_share", "all_positive_share"),
    "survivor_top_minus_all": ("survivor_top_mean", "survivor_all_mean"),
}

ZERO_BY_CHANCE = ("rank_ic", "survivor_rank_ic", "top_minus_all", "survivor_top_minus_all")
"""Statistics that have a verdict; the other differences are not 0 where nobody has skill.

`top_repeat_excess`: whose results are large in USD is at the top more often, and at the bottom.
`top_repeat_over_mirror` takes that away, but as `top_positive_excess` it is still above 0 because
losers stop sooner. `bench persistence` shows how often each of them is taken for skill.
"""

STATISTICS = (
    "rank_ic",
    "top_repeat_rate",
    "chance_rate",
    "mirror_repeat_rate",
    "top_mean_evaluation",
    "all_mean_evaluation",
    "top_positive_share",
    "all_positive_share",
    "stopped_share",
    "top_stopped_share",
    "survivor_rank_ic",
    *_DIFFERENCES,
    "top_deflated_sharpe",
)
"""Means over the rolls, each roll counted once."""

ROLLS: dict[str, pl.DataType] = {
    "variant": pl.String(),
    "roll": pl.Int64(),
    "formation_start": pl.Int64(),
    "formation_end": pl.Int64(),
    "evaluation_start": pl.Int64(),
    "evaluation_end": pl.Int64(),
    **{
        name: pl.Int64() if name in {"n", "top_n"} else pl.Float64()
        for name in FIGURES
        if name != "reason"
    },
    "top_deflated_sharpe": pl.Float64(),
    "left_out": pl.Int64(),
    "reason": pl.String(),
}
"""`top_deflated_sharpe`: median over the top group, of its formation. `left_out`: traders whose
figures are not fully known in both windows, or whose outcome is not defined."""

SUMMARY: dict[str, pl.DataType] = {
    "variant": pl.String(),
    "statistic": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "corrected_low": pl.Float64(),
    "corrected_high": pl.Float64(),
    "n": pl.Int64(),
    "blocks": pl.Int64(),
    "verdict": pl.String(),
    "reason": pl.String(),
}
"""`n`: rolls. `corrected_*`: interval at 1 - (1 - level) / number of variants (Bonferroni)."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """What came out: columns of `SUMMARY` and of `ROLLS`."""

    summary: pl.DataFrame
    rolls: pl.DataFrame


def persistence(
    daily: pl.DataFrame,
    days: Mapping[int, float],
    labelled: pl.DataFrame,
    parameters: PersistenceParameters = DEFAULT,
    variants: Sequence[Variant] = VARIANTS,
) -> Persistence:
    """Put every variant through every pair of windows that the days hold.

    Args:
        daily: Columns of `DAILY`, at most one row per trader and day, in any order.
        days: Day (ms) → share of its source objects that is there, of all days with data. A
            trader without a row on such a day made nothing on it.
        labelled: Columns of `LABELLED`, as of the formations' ends. Where those of a rule set are
            not there, its variants have no figures: `insufficient_coverage`.
        parameters: Windows and limits.
        variants: The more there are, the wider are the corrected intervals.

    Returns:
        One row per variant and statistic, and one per variant and roll. Too few rolls for a
        figure or its interval: NULL, `too_few_observations`.
    """
    known = _prepared(daily)
    found = []
    for roll in rolls_of(days, parameters):
        found += _of_roll(known, days, roll, labelled, variants, parameters)
    rolls = pl.DataFrame(found, schema=ROLLS)
    return Persistence(_summary(rolls, variants, parameters), rolls)


def rolls_of(days: Collection[int], parameters: PersistenceParameters) -> list[Roll]:
    """The pairs of windows from the first day on that end by the end of the last.

    Later days add rolls and change none.
    """
    if not days:
        return []
    first, end = min(days), max(days) + DAY_MS
    before = (parameters.formation_days + parameters.gap_days) * DAY_MS
    length = before + parameters.evaluation_days * DAY_MS
    step = parameters.step_days * DAY_MS
    return [
        Roll(
            number,
            start,
            start + parameters.formation_days * DAY_MS,
            start + before,
            start + length,
        )
        for number, start in enumerate(range(first, end - length + 1, step))
    ]


# --- one roll ------------------------------------------------------------------------------------


def figures(
    score: Floats,
    outcome: Floats,
    stopped: Bools,
    top_fraction: float | Bools,
    size: Floats | None = None,
) -> Figures:
    """Hold the scores of a roll against what came of them.

    Args:
        score: Of each trader, finite; ties in the cut go to those that stand first.
        outcome: 0 for those that stopped.
        stopped: Who has no fill in the evaluation.
        top_fraction: Of the traders, rounded half up, at least one; or who is in the top group.
        size: What the mirror group is lowest in; None for the scores.
    """
    if not score.size:
        return _no_figures(NO_DATA)
    top = top_group(score, top_fraction) if isinstance(top_fraction, float) else top_fraction
    count = int(top.sum())
    best = top_group(outcome, count)
    mirror = top_group(-(score if size is None else size), count)
    rank_ic = spearman(score, outcome)
    lived = ~stopped
    return Figures(
        n=score.size,
        rank_ic=rank_ic,
        top_n=count,
        top_repeat_rate=_mean(best[top]),
        chance_rate=count / score.size if count else None,
        mirror_repeat_rate=_mean(best[mirror]),
        top_mean_evaluation=_mean(outcome[top]),
        all_mean_evaluation=_mean(outcome),
        top_positive_share=_mean(outcome[top] > 0),
        all_positive_share=_mean(outcome > 0),
        stopped_share=_mean(stopped),
        top_stopped_share=_mean(stopped[top]),
        survivor_rank_ic=spearman(score[lived], outcome[lived]),
        survivor_top_mean=_mean(outcome[top & lived]),
        survivor_all_mean=_mean(outcome[lived]),
        reason=NO_DATA if not count else ZERO_VARIANCE if rank_ic is None else None,
    )


def top_group(values: Floats, size: float | int) -> Bools:
    """The largest values: so many, or such a fraction, rounded half up and at least one.

    Of equal values the first ones.

    >>> top_group(np.array([1.0, 3.0, 2.0, 3.0]), 1).tolist()
    [False, True, False, False]
    >>> top_group(np.array([1.0, 3.0, 2.0, 3.0]), 0.375).tolist()
    [False, True, False, True]
    """
    count = size if isinstance(size, int) else max(int(values.size * size + 0.5), 1)
    chosen = np.zeros(values.size, np.bool_)
    chosen[np.argsort(-values, kind="stable")[:count]] = True
    return chosen


def spearman(x: Floats, y: Floats) -> float | None:
    """Pearson's correlation of the average ranks; None where all of one side are equal.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([5.0, 5.0, 9.0]))
    0.8660254037844387
    """
    if x.size < 2 or x.min() == x.max() or y.min() == y.max():
        return None
    a, b = (pl.Series(side).rank("average").to_numpy() - (side.size + 1) / 2 for side in (x, y))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def deflated_sharpe(sharpe: Floats, standard_error: Floats, of_all: Floats) -> Floats:
    """The probability that a true Sharpe ratio exceeds what the best of as many get by luck.

    S* = √V · ((1 - γ) Φ⁻¹(1 - 1/M) + γ Φ⁻¹(1 - 1/(M e))), M traders screened, V the variance of
    their ratios; S* = 0 for a single one. All annualised, or none.

    Source: Bailey and López de Prado, The Deflated Sharpe Ratio, 2014.
    """
    bar, count = 0.0, of_all.size
    if count >= 2:
        luck = (1 - _EULER) * _NORMAL.inv_cdf(1 - 1 / count)
        luck += _EULER * _NORMAL.inv_cdf(1 - 1 / (count * np.e))
        bar = float(np.sqrt(of_all.var(ddof=1))) * luck
    return np.array([_NORMAL.cdf(z) for z in (sharpe - bar) / standard_error])


def _prepared(daily: pl.DataFrame) -> pl.DataFrame:
    """`user_address, day, net, volume, first_day`, sorted: the order breaks ties."""
    return (
        daily.select(
            "user_address",
            "day",
            (pl.col("pnl") - pl.col("fees")).cast(pl.Float64).alias("net"),
            pl.col("volume").cast(pl.Float64),
        )
        .sort("user_address", "day")
        .with_columns(first_day=pl.col("day").min().over("user_address"))
    )


def window_figures(
    known: pl.DataFrame, covered: npt.NDArray[np.int64], start: int, end: int
) -> pl.DataFrame:
    """What each trader with a fill in a window made of it, by trader.

    The daily series runs over all days with data from the trader's first day on (metrics.md 6.5);
    days without fills are 0. Ratios are those of metrics.md 7, of USD: capital is taken as
    constant, so they compare consistency only.

    Args:
        known: `user_address, day, net, volume, first_day`.
        covered: Days with data, ascending.
        start: Of the window, ms.
        end: Exclusive.

    Returns:
        `user_address`, `active_days`, `unknown_days`, `net_pnl`, `net_edge`, `sharpe`,
        `sharpe_se`; undefined is NULL.
    """
    rows = known.filter(pl.col("day") >= start, pl.col("day") < end)
    since = np.maximum(rows["first_day"].to_numpy(), start)
    lengths = np.searchsorted(covered, end) - np.searchsorted(covered, since)
    net, n = pl.col("net"), pl.col("n").first()
    # Quiet days are rows that are not there: each adds what a 0 adds.
    quiet, mean = n - pl.len(), net.sum() / n
    moments = {
        f"m{power}": ((net - mean) ** power).sum() + quiet * (-mean) ** power for power in (2, 3, 4)
    }
    sums = (
        rows.with_columns(n=pl.Series(lengths, dtype=pl.Int64).cast(pl.Float64))
        .group_by("user_address", maintain_order=True)
        .agg(
            active_days=pl.len(),
            unknown_days=net.null_count(),
            net_pnl=net.sum(),
            volume=pl.col("volume").sum(),
            n=n,
            mean=mean,
            varies=(net.min() < net.max()) | ((quiet > 0) & (net.max() != 0)),
            **moments,
        )
    )
    n, m2 = pl.col("n"), pl.col("m2")
    daily_sharpe = pl.when("varies").then(pl.col("mean") / (m2 / (n - 1)).sqrt())
    skewness, kurtosis = (pl.col("m3") / n) / (m2 / n) ** 1.5, (pl.col("m4") / n) / (m2 / n) ** 2
    error = 1 - skewness * pl.col("ratio") + (kurtosis - 1) / 4 * pl.col("ratio") ** 2
    year = _DAYS_PER_YEAR**0.5
    return sums.with_columns(ratio=daily_sharpe).select(
        "user_address",
        "active_days",
        "unknown_days",
        "net_pnl",
        net_edge=pl.when(pl.col("volume") > 0).then(pl.col("net_pnl") / pl.col("volume")),
        sharpe=pl.col("ratio") * year,
        sharpe_se=pl.when("varies").then((error / (n - 1)).sqrt() * year),
    )


def _of_roll(
    known: pl.DataFrame,
    days: Mapping[int, float],
    roll: Roll,
    labelled: pl.DataFrame,
    variants: Sequence[Variant],
    parameters: PersistenceParameters,
) -> list[dict[str, object]]:
    """One row per variant, columns of `ROLLS`."""
    windows = (
        (roll.formation_start, roll.formation_end),
        (roll.evaluation_start, roll.evaluation_end),
    )
    is_covered = all(_missing(days, *window) <= parameters.max_missing for window in windows)
    covered = np.array(sorted(days), np.int64)
    before, after = (window_figures(known, covered, *window) for window in windows)
    at_end = labelled.filter(pl.col("as_of") == roll.formation_end)
    known_sets = set(at_end["rule_set"])
    universe = (
        before.filter(pl.col("active_days") >= parameters.min_active_days)
        .join(after, on="user_address", how="left", suffix="_after", maintain_order="left")
        .with_columns(
            *(_is_labelled(at_end, rule_set) for rule_set in RULE_SETS),
            is_known=(pl.col("unknown_days") + pl.col("unknown_days_after").fill_null(0)) == 0,
        )
    )
    common = asdict(roll)
    common["roll"] = common.pop("number")
    rows = []
    for variant in variants:
        made = _of_variant(universe, variant, parameters)
        has_labels = variant.score not in RULE_SETS or variant.score in known_sets
        if not (is_covered and has_labels):
            made = asdict(_no_figures(NO_COVERAGE))
        rows.append({"variant": variant.name, **common, **made})
    return rows


def _is_labelled(at_end: pl.DataFrame, rule_set: str) -> pl.Expr:
    """1 or 0 by trader, named as the rule set."""
    members = at_end.filter(pl.col("rule_set") == rule_set)["user_address"].drop_nulls()
    return pl.col("user_address").is_in(members.implode()).cast(pl.Float64).alias(rule_set)


def _missing(days: Mapping[int, float], start: int, end: int) -> float:
    """Share of a window that there are no data of."""
    wanted = range(start, end, DAY_MS)
    return 1 - sum(days.get(day, 0.0) for day in wanted) / len(wanted)


def _of_variant(
    universe: pl.DataFrame, variant: Variant, parameters: PersistenceParameters
) -> dict[str, object]:
    after = pl.col(f"{variant.outcome}_after")
    # All days 0, because of no fills or of fills that brought nothing: 0 by any measure.
    is_zero = pl.col("net_pnl_after").is_null() | (
        (pl.col("net_pnl_after") == 0) & pl.col("sharpe_after").is_null()
    )
    ranked = universe.drop_nulls(variant.score).with_columns(
        outcome=pl.when(is_zero).then(0.0).otherwise(after)
    )
    kept = ranked.filter("is_known").drop_nulls("outcome")
    left_out = ranked.height - kept.height
    if kept.height < parameters.min_traders:
        nothing = asdict(_no_figures(TOO_FEW if ranked.height else NO_DATA, kept.height))
        return {**nothing, "left_out": left_out}
    score = kept[variant.score].to_numpy()
    is_label = variant.score in RULE_SETS
    top = score > 0 if is_label else top_group(score, parameters.top_fraction)
    stopped = kept["active_days_after"].is_null().to_numpy()
    # A label has no lowest score: its mirror are the largest losers.
    size = kept[NET_PNL].to_numpy() if is_label else score
    made = figures(score, kept["outcome"].to_numpy(), stopped, top, size)
    return {
        **asdict(made),
        "top_deflated_sharpe": _median_deflated(kept, top),
        "left_out": left_out,
    }


def _median_deflated(kept: pl.DataFrame, top: Bools) -> float | None:
    of_all = kept["sharpe"].drop_nulls().to_numpy()
    winners = kept.filter(top).drop_nulls("sharpe")
    if winners.is_empty():
        return None
    sharpe, error = winners["sharpe"].to_numpy(), winners["sharpe_se"].to_numpy()
    return float(np.median(deflated_sharpe(sharpe, error, of_all)))


def _no_figures(reason: str, n: int = 0) -> Figures:
    nothing = dict.fromkeys(FIGURES)
    return Figures(**{**nothing, "n": n, "top_n": 0, "reason": reason})  # type: ignore[arg-type]


def _mean(values: Floats | Bools) -> float | None:
    return float(values.mean()) if values.size else None


# --- all rolls -----------------------------------------------------------------------------------


def _summary(
    rolls: pl.DataFrame, variants: Sequence[Variant], parameters: PersistenceParameters
) -> pl.DataFrame:
    differences = {name: pl.col(a) - pl.col(b) for name, (a, b) in _DIFFERENCES.items()}
    table = rolls.with_columns(**differences)
    rows = []
    for variant in variants:
        mine = table.filter(pl.col("variant") == variant.name)
        blocks = mine["roll"].to_numpy() * parameters.step_days // parameters.block_days
        reason = _common_reason(mine)
        for statistic in STATISTICS:
            values = mine[statistic].to_numpy()
            made = _estimated(values, blocks, len(variants), reason, parameters)
            verdict = _verdict(made) if statistic in ZERO_BY_CHANCE else None
            rows.append(
                {"variant": variant.name, "statistic": statistic, **made, "verdict": verdict}
            )
    return pl.DataFrame(rows, schema=SUMMARY)


def _common_reason(rolls: pl.DataFrame) -> str:
    """Why most rolls have no figures; too few where there is none to ask."""
    reasons = Counter(rolls["reason"].drop_nulls().to_list())
    return str(reasons.most_common(1)[0][0]) if reasons else TOO_FEW


def _estimated(
    values: Floats,
    blocks: npt.NDArray[np.int64],
    variants: int,
    reason: str,
    parameters: PersistenceParameters,
) -> dict[str, object]:
    is_there = ~np.isnan(values.astype(np.float64))
    there, of_block = values[is_there], np.unique(blocks[is_there], return_inverse=True)[1]
    count = int(of_block.max()) + 1 if there.size else 0
    made: dict[str, object] = {"n": there.size, "blocks": count}
    if not there.size:
        return {**made, "reason": reason}
    made["value"] = float(there.mean())
    if count < MIN_BLOCKS:
        return {**made, "reason": TOO_FEW}
    made["low"], made["high"] = block_interval(there, of_block, parameters, parameters.level)
    corrected = 1 - (1 - parameters.level) / variants
    made["corrected_low"], made["corrected_high"] = block_interval(
        there, of_block, parameters, corrected
    )
    return made


def block_interval(
    values: Floats,
    of_block: npt.NDArray[np.int64],
    parameters: PersistenceParameters,
    level: float,
) -> tuple[float, float]:
    """An interval of the mean, from resamples of whole blocks, widened for their small number.

    Percentiles at 95 % leave out the true mean in one case of ten with ten blocks, in two with
    five, as a normal interval does; `widening` makes them as wide as Student's
    (`bench persistence`).

    Args:
        values: One per roll.
        of_block: Numbers from 0, each used.
        parameters: Number of resamples, and their seed.
        level: Between 0 and 1.
    """
    count = int(of_block.max()) + 1
    sums = np.bincount(of_block, values, count)
    sizes = np.bincount(of_block, minlength=count)
    draws = _draws(count, parameters.resamples, parameters.seed)
    tail = (1 - level) / 2
    mean = values.mean()
    reach = np.quantile(draws @ sums / (draws @ sizes), [tail, 1 - tail]) - mean
    low, high = mean + reach * widening(count, level)
    return float(low), float(high)


@cache
def _draws(blocks: int, resamples: int, seed: int) -> Floats:
    """How often each block is drawn: (resamples, blocks)."""
    shares = np.full(blocks, 1 / blocks)
    drawn = np.random.default_rng(seed).multinomial(blocks, shares, size=resamples)
    return drawn.astype(np.float64)


def _verdict(made: dict[str, object]) -> str | None:
    low, high = made.get("corrected_low"), made.get("corrected_high")
    if not isinstance(low, float) or not isinstance(high, float):
        return None
    return ABOVE if low > 0 else BELOW if high < 0 else NOT_SHOWN
