"""What the assets say about themselves, held against the database and against one another."""

import re
from pathlib import Path

import dagster as dg
import pytest

from tests.conftest import Installation
from vigil_assets import lineage
from vigil_assets.definitions import ASSETS, ON_REQUEST, defs
from vigil_assets.lineage import LINEAGE, PAGES, RELATIONS, TEXTS, described, schema_of
from vigil_cli.columns import columns_of
from vigil_resources.settings import PROJECT_ROOT, Settings

KEYS = {key.to_user_string(): asset for asset in [*ASSETS, *ON_REQUEST] for key in asset.keys}
LINKED = {"VIGIL_PAGES_URL": "http://here:8000/", "VIGIL_REPOSITORY_URL": "https://host/a/b.git"}


def metadata_of(name: str, environment: dict[str, str]) -> dict[str, object]:
    settings = Settings.from_environment(environment)
    [found] = described([KEYS[name]], settings)
    return dict(found.metadata_by_key[dg.AssetKey(name)])


def paths_of(metadata: dict[str, object]) -> list[str]:
    value = metadata["dagster/code_references"]
    assert isinstance(value, dg.CodeReferencesMetadataValue)
    return [
        getattr(one, "file_path", None) or getattr(one, "url", "") for one in value.code_references
    ]


def test_the_columns_are_those_of_the_database(vigil: Installation) -> None:
    assert lineage.COLUMNS_FILE.read_text() == columns_of(vigil.warehouse), "run ./vigil columns"


def test_every_asset_that_is_a_table_tells_its_columns() -> None:
    no_tables = {"raw_fills", "raw_perp_balances", "training_set", "new_smart_money"}

    told = {name for name in KEYS if "dagster/column_schema" in metadata_of(name, {})}
    assert KEYS.keys() - told == no_tables


@pytest.mark.parametrize("asset", sorted(LINEAGE))
def test_lineage_names_columns_that_are_there_of_assets_it_depends_on(asset: str) -> None:
    found = lineage.lineage_of(asset)
    assert found is not None
    own = names_of(asset)
    upstream = KEYS[asset].asset_deps[dg.AssetKey(asset)]
    for column, sources in found.deps_by_column.items():
        assert column in own
        for source in sources:
            assert source.asset_key in upstream
            assert source.column_name in names_of(source.asset_key.to_user_string())


def names_of(asset: str) -> set[str]:
    schema = schema_of(asset)
    assert schema is not None
    return {column.name for column in schema.columns}


def test_what_a_column_of_a_model_is_made_of_stands_in_its_text() -> None:
    for name in ("trader_daily", "coin_daily", "builder_daily"):
        words = set(re.findall(r"[a-z_]+", (PROJECT_ROOT / TEXTS[name][0]).read_text()))
        for column, sources in LINEAGE[name].items():
            assert {column, *sources.split(": ")[1].split()} <= words, (name, column)


def test_all_that_is_named_exists() -> None:
    assert {*RELATIONS, *LINEAGE, *TEXTS, *PAGES} <= KEYS.keys()
    files = {path for paths in TEXTS.values() for path in paths}
    assert [path for path in sorted(files) if not (PROJECT_ROOT / path).is_file()] == []


def test_an_asset_leads_to_its_function_and_its_sql_and_to_the_page() -> None:
    here, there = metadata_of("trader_daily", {}), metadata_of("trader_daily", LINKED)

    assert [Path(path).relative_to(PROJECT_ROOT).as_posix() for path in paths_of(here)] == [
        "vigil_assets/aggregates/daily.py",
        "sql/models/trader_daily.sql",
    ]
    assert "page" not in here
    assert there["page"] == dg.MetadataValue.url("http://here:8000/health")
    function, text = paths_of(there)
    root = "https://host/a/b/tree/main"
    assert function.startswith(f"{root}/vigil_assets/aggregates/daily.py#L")
    assert text == f"{root}/sql/models/trader_daily.sql#L1"


def test_every_asset_has_an_owner_kinds_a_group_and_a_description() -> None:
    for spec in defs().resolve_all_asset_specs():
        assert spec.owners == ["team:vigil"], spec.key
        assert spec.kinds, spec.key
        assert spec.group_name not in {None, "default"}, spec.key
        assert spec.description, spec.key
