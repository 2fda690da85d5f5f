"""`./vigil columns`: what the assets say of their columns, from the schema of a database."""

import json

from vigil_assets.lineage import COLUMNS_FILE, RELATIONS
from vigil_cli.ready import database_ready
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.settings import Settings
from vigil_resources.wiring import open_warehouse


def write_columns(settings: Settings) -> None:
    """Write `columns.json` as the database has them."""
    with database_ready(settings):
        COLUMNS_FILE.write_text(columns_of(open_warehouse(settings)))


def columns_of(warehouse: Warehouse) -> str:
    """Relation → name, type and comment of each column, a line each, as JSON."""
    found: dict[str, list[str]] = {name: [] for name in sorted(RELATIONS.values())}
    for relation, *column in warehouse.rows("schema/columns"):
        if relation in found:
            found[relation].append(f"  {json.dumps(column, ensure_ascii=False)}")
    relations = (f'"{name}": [\n' + ",\n".join(rows) + "\n]" for name, rows in found.items())
    return "{\n" + ",\n".join(relations) + "\n}\n"
