"""Relations that one reading of a day fills: an asset each, built in one step."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg

from vigil_assets.partitions import DAILY, days_of

_SHARED = {name: value for name, value in DAILY.items() if name != "owners"}


def daily_relations(
    descriptions: Mapping[str, str], deps: Iterable[str], group_name: str = "artemis"
) -> Callable[..., Any]:
    """Decorator: a step that fills several relations of the warehouse, whose names are given."""
    return dg.multi_asset(
        specs=[
            dg.AssetSpec(
                name,
                deps=list(deps),
                description=text,
                group_name=group_name,
                kinds={"polars", "postgres"},
                code_version="1",
                owners=DAILY["owners"],
            )
            for name, text in descriptions.items()
        ],
        **_SHARED,
    )


def build_days(
    context: dg.AssetExecutionContext,
    names: Iterable[str],
    build: Callable[[date], Mapping[str, int]],
) -> Iterator[dg.MaterializeResult[None]]:
    """Build each day of the run, earlier ones first, and report the rows of each relation."""
    for day in days_of(context):
        rows = build(day)
        for name in names:
            context.add_asset_metadata(
                {"dagster/partition_row_count": rows[name]}, asset_key=name, partition_key=str(day)
            )
        context.log.info("%s: %s", day, rows)
    for name in names:
        yield dg.MaterializeResult(asset_key=name)
