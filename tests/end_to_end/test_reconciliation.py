"""The invariants of the tape: vectors by way of raw objects, and a bad day that blocks."""

import json
import zlib
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import Installation, installed
from tests.reference.hostile_lines import make_block, make_fill
from tests.reference.shared_files import shared_file
from tests.resources.loading import load_day, take_in, write_hour
from vigil_assets.audit.reconciliation import invariants_hold
from vigil_cli.backfill import backfill
from vigil_cli.ready import dagster_ready
from vigil_core.calendar import day_of, day_start_ms
from vigil_core.errors import PartitionsFailed
from vigil_core.fills.source_keys import SourceHour
from vigil_resources.health.reconciliation import RELATION
from vigil_resources.wiring import open_reconciliation

pytestmark = pytest.mark.slow

VECTORS = "data/vectors/metrics/tape_invariants.json"
DAY = day_of(1_757_289_600_000)
"""Of the vectors' fills."""


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("tape")
    (folder / "raw").mkdir()
    with installed(folder, folder / "raw", module_patch) as installation:
        yield installation


def write_objects(vigil: Installation, fills: list[dict[str, Any]]) -> None:
    """The vector's fills as blocks; those that came before once more in the next hour's object."""
    hours: list[list[list[Any]]] = [[], []]
    for given in fills:
        event = [given["user"], _fill(given)]
        hours[event in hours[0]].append(event)
    for number, events in enumerate(hours):
        block = make_block(events=events, block_number=700_000_000 + number)
        write_hour(vigil, SourceHour(DAY, number), [block])


def _fill(given: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in given.items() if name != "user"}
    # An order is of one trader: the vectors leave it out.
    return make_fill(**known, oid=zlib.crc32(given["user"].encode()))


def figures(vigil: Installation) -> dict[str, Any]:
    """What the rows of `reconciliation` say, under the vectors' names."""
    rows = {row["invariant"]: row for row in vigil.records("SELECT * FROM reconciliation")}
    trades, takers = rows["one_buyer_one_seller"], rows["one_taker"]["counts"]
    repeated = rows["key_unique"]["counts"]["repeated_deliveries"]
    return {
        "rows": rows["key_unique"]["checked"] + repeated,
        "duplicate_rows": repeated,
        "trades": trades["checked"],
        "paired": trades["counts"]["paired"],
        "missing_counterparty": trades["counts"]["missing_counterparty"],
        "inconsistent": trades["counts"]["inconsistent"],
        "two_sided_volume_usd": Decimal(trades["counts"]["two_sided_volume"]),
        "one_sided_volume_paired_usd": trades["measure"],
        "taker_rows": takers["taker_rows"],
        "maker_rows": takers["maker_rows"],
    }


def test_the_vectors_of_the_tape(vigil: Installation) -> None:
    for case in json.loads(shared_file(VECTORS).read_text())["cases"]:
        write_objects(vigil, case["inputs"]["fills"])
        take_in(vigil, DAY)
        load_day(vigil, DAY)

        open_reconciliation(vigil.settings).build(DAY)

        money = {name: Decimal(v) for name, v in case["expected"].items() if "usd" in name}
        assert figures(vigil) == case["expected"] | money, case["id"]


def test_a_backfill_checks_its_days_and_nothing_is_built_of_a_bad_one(vigil: Installation) -> None:
    other = DAY + timedelta(days=1)
    for day in (DAY, other):
        fill = make_fill(time=day_start_ms(day) + 1, tid=1)
        block = make_block(fill, fill | {"side": "A", "oid": 2, "crossed": False})
        write_hour(vigil, SourceHour(day, 0), [block])
    write_hour(vigil, SourceHour(DAY, 1), [])
    backfill(vigil.settings, DAY, other, select="+key:trader_daily or key:reconciliation")
    days = vigil.records(f"SELECT DISTINCT day FROM {RELATION} WHERE status = 'held' ORDER BY day")
    assert [row["day"] for row in days] == [day_start_ms(DAY), day_start_ms(other)]

    with vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM fills WHERE time >= %s", [day_start_ms(other)])
        connection.execute("DELETE FROM aggregate_state")
        connection.execute("TRUNCATE trader_daily")
    with pytest.raises(PartitionsFailed) as failed:
        backfill(vigil.settings, DAY, other, select="key:trader_daily")

    assert failed.value.failed == [("fills_fills_are_what_came", str(other))]
    assert [row["day"] for row in vigil.records("SELECT DISTINCT day FROM trader_daily")] == [
        day_start_ms(DAY)
    ]


def test_the_asset_s_own_check_tells_errors_from_warnings(vigil: Installation) -> None:
    assert _verdict(vigil) == (False, "WARN")

    with vigil.warehouse.connect() as connection:
        connection.execute("DELETE FROM fills WHERE side = 'A'")

    assert _verdict(vigil) == (False, "ERROR")


def _verdict(vigil: Installation) -> tuple[bool, str]:
    """Whether the day passed in its last run, and how bad it is: 23 hours are missing always."""
    backfill(vigil.settings, DAY, DAY, select="key:reconciliation", force=True)
    with dagster_ready(vigil.settings) as instance:
        [record] = instance.event_log_storage.get_asset_check_execution_history(
            invariants_hold.check_key, limit=1
        )
    evaluation = record.event.dagster_event.event_specific_data  # type: ignore[union-attr]
    return evaluation.passed, evaluation.severity.value  # type: ignore[union-attr]
