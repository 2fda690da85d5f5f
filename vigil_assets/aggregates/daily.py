"""The relations derived from one UTC day of fills: one asset each, one SELECT each.

They differ in their SQL alone (`sql/models/`), so one body serves all of them.
"""

import dagster as dg

from vigil_assets.automation.retries import patient
from vigil_assets.partitions import BY_DAY, days_of, report_day
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import models

DESCRIPTIONS = {
    "trader_daily": "One row per UTC day and trader: fills, volume, PnL, fees in USD, roles.",
    "coin_daily": "One row per UTC day and coin: each trade once, by its taker's side.",
    "builder_daily": "One row per UTC day and builder; `direct` where orders came through none.",
}


def _daily_relation(relation: str, description: str) -> dg.AssetsDefinition:
    @dg.asset(
        name=relation,
        description=description,
        group_name="aggregates",
        kinds={"postgres", "sql"},
        deps=["fills"],
        code_version=models()[relation].sha256[:12],
        metadata={"sql": dg.MetadataValue.md(f"```sql\n{models()[relation].text}\n```")},
        **BY_DAY,
    )
    @patient
    def build(
        context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
    ) -> dg.MaterializeResult[None]:
        for day in days_of(context):
            report_day(context, day, warehouse.build_day(relation, day))
        return dg.MaterializeResult()

    assert isinstance(build, dg.AssetsDefinition)
    return build


AGGREGATES = [_daily_relation(relation, text) for relation, text in DESCRIPTIONS.items()]
