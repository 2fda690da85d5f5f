"""What both engines promise: installation, upgrades, readers and builders at the same time."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vigil_core.calendar import day_start_ms
from vigil_resources.database import schema_installer
from vigil_resources.database.warehouse import DERIVED, Warehouse
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.files.raw_fills import RawFills
from vigil_resources.files.store import Store
from vigil_resources.statements import SchemaObject, migrations
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

NewDatabase = Callable[[], str]

DAY = TINY.first_day
NEXT_DAY = DAY + timedelta(days=1)

CATALOG = """
    SELECT 'column' AS kind, table_name || '.' || column_name AS name,
        concat_ws(' ', data_type, is_nullable, column_default) AS text
    FROM information_schema.columns
    WHERE table_schema = 'public'
    UNION ALL
    SELECT 'index', tablename || '.' || indexname, indexdef
    FROM pg_indexes
    WHERE schemaname = 'public'
    UNION ALL
    SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
    UNION ALL
    SELECT 'function', proname, md5(prosrc)
    FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    ORDER BY 1, 2, 3
"""


def _catalog(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    with warehouse.connect(read_only=True) as connection:
        return connection.execute(CATALOG).fetchall()  # type: ignore[arg-type]


def test_three_installers_at_once_leave_one_schema(new_database: NewDatabase) -> None:
    warehouse = Warehouse(new_database())

    with ThreadPoolExecutor(3) as pool:
        applied = list(pool.map(lambda _: warehouse.install(), range(3)))

    assert sorted(map(bool, applied)) == [False, False, True]
    assert warehouse.install() == []


def test_an_upgrade_from_any_migration_ends_as_a_fresh_installation(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Warehouse(new_database())
    fresh.install()
    expected = _catalog(fresh)
    count = len(migrations(fresh.backend))

    for known in range(1, count):
        url = new_database()
        # Bounds are of a table that the first migrations do not have.
        before, database = Warehouse(url, {}), Warehouse(url)

        def first_ones(backend: str, known: int = known) -> list[SchemaObject]:
            return migrations(backend)[:known]

        with monkeypatch.context() as patch:
            patch.setattr(schema_installer, "migrations", first_ones)
            patch.setattr(schema_installer, "manifest", list)
            assert len(before.install()) == known
        applied = database.install()
        assert [name for name in applied if name.startswith("migrations/")] == [
            migration.name for migration in migrations(database.backend)[known:]
        ]
        assert _catalog(database) == expected


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """The first day of a small world, decoded."""
    write_world(TINY, tmp_path / "raw")
    lake = Lake(Store(str(tmp_path / "lake")), tmp_path / "scratch")
    raw = RawFills(Store(str(tmp_path / "raw")))
    for day in (DAY, NEXT_DAY):
        lake.take_in_stale(raw.store, raw.manifest(day), lambda _: None)
    return lake


def _load(warehouse: Warehouse, lake: Lake, content: DayOfLake) -> int:
    return warehouse.load_day(lake, content, source="test", missing_hours=[]).rows


def test_readers_see_the_old_day_or_the_new(new_database: NewDatabase, lake: Lake) -> None:
    warehouse = Warehouse(new_database())
    warehouse.install()
    whole = lake.day(DAY)
    half = replace(whole, parts=whole.parts[::2])
    counts = {_load(warehouse, lake, content) for content in (half, whole)}
    assert len(counts) == 2
    seen = set()
    ended = threading.Event()

    def read() -> None:
        bounds = (day_start_ms(DAY), day_start_ms(NEXT_DAY))
        with warehouse.connect(read_only=True, autocommit=True) as connection:
            while not ended.is_set():
                row = connection.execute(
                    "SELECT count(*) FROM fills WHERE time >= %s AND time < %s", bounds
                ).fetchone()
                assert row is not None
                seen.add(row[0])

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for _ in range(6):
                _load(warehouse, lake, half)
                _load(warehouse, lake, whole)
        finally:
            ended.set()
        for reader in readers:
            reader.result()
    assert seen == counts


def test_builders_of_one_day_at_once_all_end_well(new_database: NewDatabase, lake: Lake) -> None:
    warehouse = Warehouse(new_database())
    warehouse.install()
    for day in (DAY, NEXT_DAY):
        _load(warehouse, lake, lake.day(day))

    for relation in DERIVED:
        with ThreadPoolExecutor(4) as pool:
            days = [DAY, NEXT_DAY, DAY, DAY]
            rows = list(pool.map(lambda day, r=relation: warehouse.build_day(r, day), days))
        assert rows[0] == rows[2] == rows[3] > 0
        assert warehouse.stale_days(relation) == set()
