"""Column schemas for the Dagster page, from the definitions that the code itself uses."""

import dagster as dg

from vigil_core.fills.schema import COLUMN_DESCRIPTIONS, LAKE_SCHEMA, WAREHOUSE_COLUMNS


def lake_columns() -> dg.TableSchema:
    """Columns of the lake's fills, with their Polars types."""
    return dg.TableSchema(
        [dg.TableColumn(n, str(t), COLUMN_DESCRIPTIONS[n]) for n, t in LAKE_SCHEMA.items()]
    )


def warehouse_columns() -> dg.TableSchema:
    """Columns of `fills` in Postgres."""
    postgres = {
        "Int64": "bigint",
        "Int32": "integer",
        "String": "text",
        "Boolean": "boolean",
    }
    json = {"liquidation": "jsonb", "extra": "jsonb"}
    return dg.TableSchema(
        [
            dg.TableColumn(
                name,
                json.get(name, postgres.get(str(LAKE_SCHEMA[name]), "numeric")),
                COLUMN_DESCRIPTIONS[name],
            )
            for name in WAREHOUSE_COLUMNS
        ]
    )
