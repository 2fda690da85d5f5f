"""Backtests that wait, run here: by hand, or as they come."""

from collections.abc import Iterator

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_resources.desk.backtests import Backtest, Backtests

JOB = "run_backtests"
_LINES = 20
"""Lines of progress in the log of each backtest, about."""

_ACTIVE = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


class BacktestsToRun(dg.Config):
    """Which ones."""

    backtest_ids: list[int] = []
    """Numbers; none: all that wait."""


@dg.asset(
    group_name="desk",
    kinds={"postgres"},
    deps=["fills", "round_trips", "trader_labels"],
    code_version="1",
    owners=["team:vigil"],
)
@patient
def backtests(
    context: dg.AssetExecutionContext,
    config: BacktestsToRun,
    backtesting: dg.ResourceParam[Backtests],
) -> dg.MaterializeResult[None]:
    """What copying some traders over some days of the tape would have given, as it was asked for.

    A backtest is entered through the API or `vigil backtest FILE`; a run takes those that wait,
    and those whose worker is gone.
    """
    told: dict[int, int] = {}

    def report(number: int, fraction: float, line: str) -> None:
        if int(fraction * _LINES) > told.get(number, -1):
            told[number] = int(fraction * _LINES)
            context.log.info("backtest %d: %3.0f %% of the days, %s", number, 100 * fraction, line)

    ids = config.backtest_ids or None
    ran = backtesting.run_queued(ids, run_id=context.run_id, report=report)
    found = [backtesting.get(number) for number in ran]
    return dg.MaterializeResult(
        metadata={
            "done": sum(one.status == "done" for one in found),
            "failed": sum(one.status == "failed" for one in found),
            "report": dg.MetadataValue.md("\n".join(_report(found))),
        }
    )


def _report(found: list[Backtest]) -> Iterator[str]:
    """Markdown: a row each."""
    yield "| backtest | window | status | trades | net USD | ROI | BTC | max drawdown | |"
    yield "|--:|---|---|--:|--:|--:|--:|--:|---|"
    for one in found:
        window = f"{one.request['start']} … {one.request['end']}"
        if one.summary is None:
            yield f"| {one.backtest_id} | {window} | {one.status} | | | | | | {one.error} |"
            continue
        roi, btc, fall = (
            "" if one.summary[name] is None else f"{one.summary[name]:.2%}"
            for name in ("roi", "btc_roi", "max_drawdown")
        )
        simulated = "simulated data" if one.summary["is_simulated"] else ""
        yield (
            f"| {one.backtest_id} | {window} | {one.status} | {one.summary['trade_count']} "
            f"| {float(one.summary['pnl_usd']):,.2f} | {roi} | {btc} | {fall} | {simulated} |"
        )


run_backtests = dg.define_asset_job(JOB, selection=dg.AssetSelection.assets(backtests))


@dg.sensor(
    job=run_backtests,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def queued_backtests(
    context: dg.SensorEvaluationContext, backtesting: dg.ResourceParam[Backtests]
) -> dg.RunRequest | dg.SkipReason:
    """Starts a run where backtests wait and nobody works on them."""
    waiting = backtesting.claimable()
    if not waiting:
        return dg.SkipReason("no backtest waits")
    running = dg.RunsFilter(job_name=JOB, statuses=_ACTIVE)
    if context.instance.get_runs_count(running):
        return dg.SkipReason(f"{len(waiting)} backtests wait for the run that is under way")
    return dg.RunRequest(tags={"backtests": ",".join(map(str, waiting))})
