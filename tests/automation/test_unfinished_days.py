"""Today is a partition of every asset, and only some are made of half a day."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from vigil_assets.partitions import DAILY, days_of

TODAY = datetime.now(UTC).date().isoformat()


def test_what_is_made_of_whole_days_refuses_one_that_has_not_ended() -> None:
    seen: list[str] = []

    @dg.asset(**DAILY)
    def trader_metrics(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        seen.extend(map(str, days_of(context)))
        return dg.MaterializeResult()

    @dg.asset(**DAILY)
    def fills(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        seen.extend(map(str, days_of(context)))
        return dg.MaterializeResult()

    with dg.instance_for_test() as instance:
        with pytest.raises(dg.Failure, match=f"{TODAY} has not ended, and trader_metrics"):
            dg.materialize([trader_metrics], instance=instance, partition_key=TODAY)
        assert seen == []
        dg.materialize([fills], instance=instance, partition_key=TODAY)
        dg.materialize([trader_metrics], instance=instance, partition_key="2025-09-01")
    assert seen == [TODAY, "2025-09-01"]


def test_all_assets_of_the_fills_can_be_launched_together() -> None:
    from vigil_assets.definitions import ASSETS

    definitions = {asset.partitions_def for asset in ASSETS if "asset_ctxs" not in str(asset.keys)}
    assert len(definitions) == 1
