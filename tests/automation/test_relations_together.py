"""Relations that one step fills: asked for together or alone."""

from collections.abc import Iterator

import dagster as dg

from vigil_assets.artemis.together import build_days, daily_relations
from vigil_assets.definitions import defs

NAMES = ("wallet_profiles", "co_occurrences")


@daily_relations(dict.fromkeys(NAMES, "for a test"), deps=["fills", "round_trips"])
def step(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
    yield from build_days(context, NAMES, lambda _: dict.fromkeys(NAMES, 3))


def test_no_launch_has_to_hold_the_days_of_two_assets_against_each_other() -> None:
    graph = defs().resolve_asset_graph()

    together = {
        key.to_user_string(): found
        for key in graph.materializable_asset_keys
        if (found := graph.get(key).execution_set_asset_keys) != {key}
    }
    assert together == {}


def test_a_step_reports_the_relations_that_were_asked_for() -> None:
    for asked in (NAMES, NAMES[:1], NAMES[1:]):
        result = dg.materialize([step], selection=list(asked), partition_key="2025-09-01")
        told = {
            event.asset_key.to_user_string(): event.materialization.metadata
            for event in result.get_asset_materialization_events()
            if event.asset_key is not None
        }
        assert told.keys() == set(asked)
        assert {values["dagster/partition_row_count"].value for values in told.values()} == {3}
