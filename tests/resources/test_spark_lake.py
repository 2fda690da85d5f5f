"""What Spark is told, without Spark."""

import re
from datetime import date
from pathlib import Path

import pytest

from vigil_core.errors import LakeIncomplete
from vigil_resources.files.lake import Lake
from vigil_resources.files.store import Store
from vigil_resources.spark_lake import FUNCTIONS, aggregates, in_spark, in_spark_function
from vigil_resources.statements import manifest, models

OBJECTS = {o.name: o for o in manifest()}


def _called(text: str) -> set[str]:
    functions = {o.relation for o in OBJECTS.values() if o.kind == "function"}
    return functions & set(re.findall(r"(\w+)\(", text))


def test_every_function_of_a_model_is_made_and_after_those_it_calls() -> None:
    wanted = set().union(*(_called(model.text) for model in models().values()))
    assert wanted <= set(FUNCTIONS)
    for place, name in enumerate(FUNCTIONS):
        body = OBJECTS[f"functions/{name}"].text.partition("$$")[2]
        assert _called(body) <= set(FUNCTIONS[:place])


def test_models_change_in_names_alone() -> None:
    for model in models().values():
        told = in_spark(model.text)
        assert told.replace("bucket_ms(", "time_bucket(") == model.text


def test_a_threshold_stays_what_it_is() -> None:
    # DECIMAL(10, 0) is what `numeric` means there: 0.20 would become 0.
    assert in_spark("mtm_tv >= 0.001::numeric") == "mtm_tv >= 0.001"


def test_a_function_keeps_its_body_and_its_digits() -> None:
    definition = OBJECTS["functions/fee_usd"]
    told = in_spark_function(definition)
    body = definition.text.split("$$")[1].replace("public.", "")
    assert told == (
        "CREATE TEMPORARY FUNCTION fee_usd(amount DECIMAL(38, 12), token STRING, coin STRING, "
        f"side STRING, px DECIMAL(38, 12)) RETURNS DECIMAL(38, 24)\nRETURN ({body})"
    )


def test_a_day_that_the_lake_lacks_is_not_left_out(tmp_path: Path) -> None:
    lake = Lake(Store(str(tmp_path / "lake")), tmp_path)

    with pytest.raises(LakeIncomplete, match="nothing of 2025-09-01; run `./vigil fetch-data"):
        aggregates(lake, [date(2025, 9, 1)])


def test_a_function_that_gives_rows_says_which() -> None:
    told = in_spark_function(OBJECTS["functions/trader_metrics_before"])
    assert "RETURNS TABLE (user_address STRING, first_trade_time BIGINT," in told
    assert "sharpe_ratio DECIMAL(38, 24))\nRETURN" in told
    assert "numeric" not in told
