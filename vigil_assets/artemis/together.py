"""Relations that one reading of a day fills: an asset each, built in one step."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg

from vigil_assets.lineage import lineage_metadata
from vigil_assets.partitions import DAILY, days_of

_SHARED = {name: value for name, value in DAILY.items() if name != "owners"}


def daily_relations(
    descriptions: Mapping[str, str], deps: Iterable[str], group_name: str = "artemis"
) -> Callable[..., Any]:
    """Decorator: a step that fills several relations of the warehouse, whose names are given.

    It fills all of them, and reports those that were asked for. Were it all or none, Dagster
    would refuse about one in three launches of the whole line: it holds the days of the relations
    against each other with a `!=` that counts lazily (1.13, `TimeWindowPartitionsSubset`), so that
    the order in which it met their parents decides (docs/decisions/0037).
    """
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
                skippable=True,
            )
            for name, text in descriptions.items()
        ],
        can_subset=True,
        **_SHARED,
    )


def build_days(
    context: dg.AssetExecutionContext,
    names: Iterable[str],
    build: Callable[[date], Mapping[str, int]],
) -> Iterator[dg.MaterializeResult[None]]:
    """Build each day of the run, earlier ones first, and report the rows of each relation."""
    asked = [name for name in names if dg.AssetKey(name) in context.selected_asset_keys]
    for day in days_of(context):
        rows = build(day)
        for name in asked:
            values: dict[str, Any] = {"dagster/partition_row_count": rows[name]}
            if str(day) == context.partition_key_range.end:
                values |= lineage_metadata(name)
            context.add_asset_metadata(values, asset_key=name, partition_key=str(day))
        context.log.info("%s: %s", day, rows)
    for name in asked:
        yield dg.MaterializeResult(asset_key=name)
