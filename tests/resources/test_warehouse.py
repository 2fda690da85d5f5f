"""What the warehouse promises, on a real Postgres, from hand-made blocks."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import lz4.frame
import psycopg
import pytest

from tests.conftest import Installation
from tests.reference.hostile_lines import make_block, make_fill
from vigil_core.errors import ContradictingFills, MigrationChanged, NotLoaded
from vigil_core.fills.source_keys import hours_of_day
from vigil_resources import schema_installer
from vigil_resources.statements import SchemaObject, models
from vigil_resources.warehouse import LoadedDay
from vigil_resources.wiring import open_raw_fills

DAY = date(2026, 3, 15)
TIME = 1_773_536_400_000


def _load(vigil: Installation, *hours: list[dict[str, Any]]) -> LoadedDay:
    for hour, blocks in zip(hours_of_day(DAY), hours, strict=False):
        path = Path(vigil.settings.node_data) / hour.key
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(block) + "\n" for block in blocks)
        path.write_bytes(lz4.frame.compress(text.encode()))
    raw = open_raw_fills(vigil.settings)
    manifest = raw.manifest(DAY)
    for file_id, listed in vigil.lake.stale_objects(manifest).items():
        vigil.lake.take_in(raw.store, file_id, listed, manifest.source)
    return vigil.warehouse.load_day(
        vigil.lake,
        vigil.lake.day(DAY),
        source=manifest.source,
        missing_hours=manifest.missing_hours,
    )


def _block(number: int, *fills: dict[str, Any]) -> dict[str, Any]:
    block = make_block(*fills)
    return {**block, "block_number": number}


def _fill(**changes: Any) -> dict[str, Any]:
    return make_fill(**{"time": TIME, **changes})


def test_a_fill_delivered_twice_is_stored_once(vigil: Installation) -> None:
    fill = _fill()

    loaded = _load(vigil, [_block(1, fill)], [_block(2, fill)])

    assert (loaded.rows, loaded.repeated) == (1, 1)
    assert vigil.records("SELECT repeated_fills FROM data_health") == [{"repeated_fills": 1}]


def test_fills_that_contradict_each_other_leave_the_day_as_it_was(vigil: Installation) -> None:
    _load(vigil, [_block(1, _fill())])
    before = vigil.digests()

    with pytest.raises(ContradictingFills):
        _load(vigil, [_block(1, _fill())], [_block(2, _fill(px="7.5"))])

    assert vigil.digests() == before


def test_an_equal_reload_keeps_the_aggregates_current(vigil: Installation) -> None:
    _load(vigil, [_block(1, _fill())])
    for relation in models():
        vigil.warehouse.build_day(relation, DAY)

    again = _load(vigil, [_block(1, _fill())])

    assert not again.changed
    assert vigil.warehouse.current_days("trader_daily") == {DAY}


def test_a_changed_reload_makes_aggregates_and_profiles_stale(vigil: Installation) -> None:
    _load(vigil, [_block(1, _fill())])
    for relation in models():
        vigil.warehouse.build_day(relation, DAY)
    vigil.warehouse.publish_profiles()
    assert vigil.warehouse.profiles_are_current()

    changed = _load(vigil, [_block(1, _fill(), _fill(oid=99))])

    assert changed.changed
    assert vigil.warehouse.stale_days("trader_daily") == {DAY}
    vigil.warehouse.build_day("trader_daily", DAY)
    assert not vigil.warehouse.profiles_are_current()


def test_an_aggregate_of_a_day_that_is_not_loaded_is_refused(vigil: Installation) -> None:
    with pytest.raises(NotLoaded, match="materialize `fills`"):
        vigil.warehouse.build_day("trader_daily", DAY)


def test_a_profile_that_did_not_change_keeps_its_time(vigil: Installation) -> None:
    _load(vigil, [_block(1, _fill())])
    for relation in models():
        vigil.warehouse.build_day(relation, DAY)
    vigil.warehouse.publish_profiles()
    before = vigil.digests()["trader_profiles"]

    vigil.warehouse.publish_profiles()

    assert vigil.digests()["trader_profiles"] == before


def test_three_installers_at_once_leave_one_schema(vigil: Installation) -> None:
    with vigil.warehouse.connect() as connection:
        connection.execute("DROP SCHEMA public, compat, fill_days CASCADE")
        connection.execute("CREATE SCHEMA public")

    with ThreadPoolExecutor(3) as pool:
        applied = list(pool.map(lambda _: vigil.warehouse.install(), range(3)))

    assert sorted(map(bool, applied)) == [False, False, True]
    assert vigil.warehouse.install() == []


def test_a_migration_that_was_edited_is_an_error(
    vigil: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = [SchemaObject("migrations/0002_fills", "SELECT 1")]
    monkeypatch.setattr(schema_installer, "migrations", lambda: edited)

    with pytest.raises(MigrationChanged, match="0002_fills"):
        vigil.warehouse.install()


def test_a_changed_model_is_rebuilt_and_its_days_are_stale(
    vigil: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    _load(vigil, [_block(1, _fill())])
    vigil.warehouse.build_day("coin_daily", DAY)
    changed = [
        SchemaObject(
            o.name, o.text + ("\n-- changed\n" if o.relation == "coin_daily" else ""), o.key
        )
        for o in schema_installer.manifest()
    ]
    monkeypatch.setattr(schema_installer, "manifest", lambda: changed)

    applied = vigil.warehouse.install()

    assert applied == ["models/coin_daily"]
    assert vigil.warehouse.stale_days("coin_daily") == {DAY}
    assert vigil.records("SELECT count(*) AS views FROM data_health") == [{"views": 1}]


def test_a_reader_cannot_write(vigil: Installation) -> None:
    with (
        vigil.warehouse.connect(read_only=True) as connection,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        connection.execute("DELETE FROM fills")


def test_a_victim_is_never_his_own_liquidator(vigil: Installation) -> None:
    victim = make_block(_fill())["events"][0][0]
    liquidation = {"liquidatedUser": victim.upper().replace("0X", "0x"), "markPx": "9.5"}
    _load(vigil, [_block(1, _fill(liquidation={**liquidation, "method": "market"}))])

    [row] = vigil.records("SELECT liquidated_user, liquidator, mark_px FROM recent_liquidations")

    assert row == {"liquidated_user": victim, "liquidator": None, "mark_px": Decimal("9.5")}


@pytest.mark.parametrize(
    ("fill", "usd"),
    [
        ({"fee": "2.5", "feeToken": "USDC"}, "2.5"),
        ({"fee": "-0.5", "feeToken": "USDH"}, "-0.5"),
        ({"fee": "2", "feeToken": "HYPE", "coin": "@107", "side": "B", "px": "40"}, "80"),
        ({"fee": "2", "feeToken": "HYPE", "coin": "@107", "side": "A", "px": "40"}, None),
        ({"fee": "-2", "feeToken": "HYPE", "coin": "@107", "side": "B", "px": "40"}, None),
        ({"fee": "2", "feeToken": "HYPE", "coin": "HYPE", "side": "B", "px": "40"}, None),
        ({"fee": "0.0", "feeToken": "HYPE", "coin": "@107", "side": "A", "px": "40"}, "0"),
    ],
)
def test_a_fee_counts_in_dollars_or_not_at_all(
    vigil: Installation, fill: dict[str, Any], usd: str | None
) -> None:
    _load(vigil, [_block(1, _fill(**fill))])
    vigil.warehouse.build_day("trader_daily", DAY)

    [row] = vigil.records("SELECT fees_paid::text, unpriced_fee_fills FROM trader_daily")

    assert row == {"fees_paid": usd or "0", "unpriced_fee_fills": int(usd is None)}
