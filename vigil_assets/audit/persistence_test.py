"""Whether smart money, and other rankings of traders, hold out of sample."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import DAILY, days_of, report_day
from vigil_assets.plots import rank_ic_plot
from vigil_core.calendar import day_of
from vigil_core.metrics.persistence import ZERO_BY_CHANCE, Persistence
from vigil_resources.metrics.persistence import PersistenceTests

_BESIDE = (
    "top_repeat_rate",
    "chance_rate",
    "mirror_repeat_rate",
    "top_mean_evaluation",
    "all_mean_evaluation",
    "top_positive_share",
    "all_positive_share",
    "stopped_share",
    "top_stopped_share",
    "top_deflated_sharpe",
)


@dg.asset(
    group_name="audit",
    kinds={"postgres", "polars"},
    deps=["trader_daily", "trader_labels"],
    code_version="2",
    **DAILY,
)
@patient
def persistence_test(
    context: dg.AssetExecutionContext, persistence: dg.ResourceParam[PersistenceTests]
) -> dg.MaterializeResult[None]:
    """What rankings of traders said about the month after them: every variant that is tried.

    Ranked by labels, net PnL, edge and Sharpe over 90 days, looked at over the 30 days from a day
    later on, rolled by 30 days; who stopped stays in, with 0. A partition says that its day is in
    the test; a run of many days tests once, as of the end of its last day.
    """
    days = list(days_of(context))
    made = persistence.build(days[-1])
    for day in days:
        report_day(context, day, made.summary.height)
    metadata = {
        "rank_ic": rank_ic_plot(made.summary, days[-1]),
        "report": dg.MetadataValue.md("\n".join(_report(made))),
    }
    context.add_asset_metadata(metadata, partition_key=days[-1].isoformat())
    return dg.MaterializeResult()


def _report(made: Persistence) -> Iterator[str]:
    """Markdown: what has a verdict, then what stands beside it."""
    variants = made.summary["variant"].n_unique()
    yield (
        f"{variants} variants, all of them here; a verdict is by the interval that is corrected "
        "for their number. Traders that stopped are in, with 0; `survivor_*` leaves them out, "
        "which nobody could have done beforehand."
    )
    yield ""
    yield "| variant | statistic | mean | 95 % | corrected | rolls | verdict |"
    yield "|---|---|--:|--:|--:|--:|---|"
    for row in made.summary.filter(pl.col("statistic").is_in(ZERO_BY_CHANCE)).iter_rows(named=True):
        interval = _interval(row["low"], row["high"])
        corrected = _interval(row["corrected_low"], row["corrected_high"])
        verdict = row["verdict"] or row["reason"]
        yield (
            f"| {row['variant']} | {row['statistic']} | {_number(row['value'])} | {interval} "
            f"| {corrected} | {row['n']} | {verdict} |"
        )
    yield ""
    yield f"| variant | {' | '.join(_BESIDE)} |"
    yield f"|---|{'--:|' * len(_BESIDE)}"
    values = made.summary.pivot("statistic", index="variant", values="value")
    for row in values.iter_rows(named=True):
        yield f"| {row['variant']} | {' | '.join(_number(row[name]) for name in _BESIDE)} |"
    yield ""
    first = made.summary["variant"].first()
    yield from _windows(made.rolls.filter(pl.col("variant") == first))


def _windows(rolls: pl.DataFrame) -> Iterator[str]:
    """The windows with their traders, of one variant."""
    yield "| formation | evaluation | traders | top group | without figures because of |"
    yield "|---|---|--:|--:|---|"
    for row in rolls.iter_rows(named=True):
        spans = " | ".join(
            f"{day_of(row[f'{window}_start'])} … {day_of(row[f'{window}_end'] - 1)}"
            for window in ("formation", "evaluation")
        )
        yield f"| {spans} | {row['n']:,} | {row['top_n']:,} | {row['reason'] or ''} |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None else f"{_number(low)} … {_number(high)}"
