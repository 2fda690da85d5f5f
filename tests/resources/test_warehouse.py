"""What the warehouse promises, on a real Postgres, from hand-made blocks."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.conftest import Installation
from tests.reference.hostile_lines import make_block, make_fill
from tests.resources.loading import load_day, take_in, write_hour
from vigil_core.calendar import day_start_ms
from vigil_core.errors import ContradictingFills, MigrationChanged, NotLoaded
from vigil_core.fills.source_keys import SourceHour, hours_of_day
from vigil_resources.database import schema_installer
from vigil_resources.database import warehouse as warehouse_module
from vigil_resources.database.warehouse import BUCKET, DERIVED, LoadedDay
from vigil_resources.statements import SchemaObject, models

DAY = date(2026, 3, 15)
TIME = 1_773_536_400_000


def _load(vigil: Installation, *hours: list[dict[str, Any]]) -> LoadedDay:
    for hour, blocks in zip(hours_of_day(DAY), hours, strict=False):
        write_hour(vigil, hour, blocks)
    take_in(vigil, DAY)
    return load_day(vigil, DAY)


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
    for relation in DERIVED:
        vigil.warehouse.build_day(relation, DAY)

    again = _load(vigil, [_block(1, _fill())])

    assert not again.changed
    assert vigil.warehouse.current_days("trader_daily") == {DAY}


def test_a_changed_reload_makes_aggregates_and_profiles_stale(vigil: Installation) -> None:
    _load(vigil, [_block(1, _fill())])
    for relation in DERIVED:
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
    for relation in DERIVED:
        vigil.warehouse.build_day(relation, DAY)
    vigil.warehouse.publish_profiles()
    before = vigil.digests()["trader_profiles"]

    vigil.warehouse.publish_profiles()

    assert vigil.digests()["trader_profiles"] == before


def test_a_migration_that_was_edited_is_an_error(
    vigil: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited = [SchemaObject("migrations/0002_fills", "SELECT 1")]
    monkeypatch.setattr(schema_installer, "migrations", lambda _: edited)

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


# --- several at once, holes, finality ------------------------------------------------------


def _at(day: date, hour: int, number: int) -> dict[str, Any]:
    """A block at the beginning of an hour, with one fill."""
    ms = day_start_ms(day) + hour * 3_600_000 + number % 1_000
    when = f"{day}T{hour:02}:00:00.{number % 1_000:03}000000"
    return make_block(
        make_fill(time=ms, oid=number), block_number=number, block_time=when, local_time=when
    )


def test_days_loaded_side_by_side_again_and_again_neither_wait_for_ever_nor_differ(
    vigil: Installation,
) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]
    for place, day in enumerate(days):
        write_hour(vigil, SourceHour(day, 1), [_at(day, 1, 100 * place + n) for n in range(50)])
        take_in(vigil, day)
    for day in days:
        load_day(vigil, day)
    before = vigil.digests()["fills"]

    with ThreadPoolExecutor(6) as pool:
        loaded = list(pool.map(lambda day: load_day(vigil, day), days * 6))

    assert {(one.rows, one.changed) for one in loaded} == {(50, False)}
    assert vigil.digests()["fills"] == before


def test_a_load_removes_what_a_killed_one_of_another_day_left(
    vigil: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(warehouse_module, "_swap_in", killed)
        with pytest.raises(KeyboardInterrupt):
            _load(vigil, [_block(1, _fill())])
    left = "SELECT relname FROM pg_class WHERE relname ~ '_new$' AND relkind = 'r'"
    assert vigil.records(left) == [{"relname": "d20260315_new"}]

    take_in(vigil, DAY + timedelta(days=1))
    load_day(vigil, DAY + timedelta(days=1))

    assert vigil.records(left) == []


def test_holes_in_the_block_numbers_are_rows(vigil: Installation) -> None:
    inside = [_at(DAY, 1, n) for n in (10, 11, 15)]
    write_hour(vigil, SourceHour(DAY, 1), inside)
    write_hour(vigil, SourceHour(DAY, 2), [_at(DAY, 2, 16), _at(DAY, 2, 17)])
    write_hour(vigil, SourceHour(DAY, 3), [_at(DAY, 3, 20)])
    take_in(vigil, DAY)
    load_day(vigil, DAY)

    holes = vigil.records(
        "SELECT file_id, next_file_id, after_block, before_block, blocks, after_ms "
        "FROM missing_blocks ORDER BY after_block"
    )

    start = day_start_ms(DAY)
    assert [tuple(hole.values()) for hole in holes] == [
        ("20260315/01", "20260315/01", 11, 15, 3, start + 3_600_011),
        ("20260315/02", "20260315/03", 17, 20, 2, start + 7_200_017),
    ]
    (health,) = vigil.records("SELECT holes_in_blocks, hours_present FROM data_health")
    assert health == {"holes_in_blocks": 2, "hours_present": 3}
    hours = vigil.records("SELECT hour FROM missing_hours ORDER BY hour")
    assert [row["hour"] for row in hours] == [0, *range(4, 24)]


def test_a_day_is_provisional_until_its_last_hour_and_the_next_are_there(
    vigil: Installation,
) -> None:
    for hour in range(24):
        write_hour(vigil, SourceHour(DAY, hour), [_at(DAY, hour, 100 + hour)])
    take_in(vigil, DAY)
    load_day(vigil, DAY)
    (first,) = vigil.records("SELECT is_final, awaits FROM data_health")
    assert first == {"is_final": False, "awaits": ["20260316/00"]}

    # Nothing of the day lies in the next hour's object, yet it says so only by being there.
    write_hour(vigil, SourceHour(DAY + timedelta(days=1), 0), [])
    take_in(vigil, DAY)
    loaded = load_day(vigil, DAY)

    (then,) = vigil.records("SELECT is_final, awaits FROM data_health")
    assert then == {"is_final": True, "awaits": []}
    assert loaded.rows == 24


def test_a_corrected_hour_changes_exactly_its_rows(vigil: Installation) -> None:
    for hour in range(4):
        write_hour(vigil, SourceHour(DAY, hour), [_at(DAY, hour, 100 + hour)])
    take_in(vigil, DAY)
    load_day(vigil, DAY)
    parts = {part.path: part.sha256 for part in vigil.lake.day(DAY).parts}
    select = "SELECT * FROM fills ORDER BY time"
    before = vigil.records(select)

    write_hour(vigil, SourceHour(DAY, 2), [_at(DAY, 2, 102), _at(DAY, 2, 103)])
    take_in(vigil, DAY)
    assert load_day(vigil, DAY).changed

    after = vigil.records(select)
    assert [row for row in after if row not in before] == [after[3]]
    assert [row for row in before if row not in after] == []
    changed = [p.path for p in vigil.lake.day(DAY).parts if parts.get(p.path) != p.sha256]
    assert changed == [f"fills/day={DAY}/20260315-02.node_fills_by_block.parquet"]


def test_every_model_groups_by_the_bucket_that_one_day_s_build_replaces() -> None:
    assert models()
    assert all(model.text.count(BUCKET) == 1 for model in models().values())
