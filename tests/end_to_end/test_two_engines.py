"""The same history on plain Postgres and on TimescaleDB: equal rows in every relation, always."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import lz4.frame
import pytest

from tests.conftest import Installation, installed
from tests.end_to_end.comparison import assert_equal_everywhere
from tests.reference.slow_reader import read_object
from vigil_cli import database
from vigil_cli.backfill import backfill
from vigil_core.errors import BackendChanged
from vigil_resources.database import schema_installer
from vigil_resources.database.backends import Backend
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import SchemaObject, manifest
from vigil_sandbox.world import TINY, write_world

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)

Contents = dict[str, str]


def _objects(vigil: Installation) -> list[Path]:
    found = Path(vigil.settings.node_data).glob("node_fills_by_block/hourly/*/*.lz4")
    return sorted(found, key=lambda path: (path.parent.name, int(path.stem)))


def _without_a_block(path: Path) -> bytes:
    text = lz4.frame.decompress(path.read_bytes()).splitlines(keepends=True)
    full = next(i for i, line in enumerate(text) if b'"events":[[' in line)
    return lz4.frame.compress(b"".join(text[:full] + text[full + 1 :]))


def _loaded(vigil: Installation) -> None:
    backfill(vigil.settings, FIRST, LAST)


def _past_hour_changed(vigil: Installation) -> None:
    path = _objects(vigil)[5]
    path.write_bytes(_without_a_block(path))
    backfill(vigil.settings, FIRST, LAST)


def _killed_again_and_again(vigil: Installation) -> None:
    """Another hour changes; whoever takes it over is killed after ever longer."""
    path = _objects(vigil)[30]
    path.write_bytes(_without_a_block(path))
    for seconds in (3, 4, 5, 6, 7, 8):
        days = [str(FIRST), str(LAST)]
        with subprocess.Popen(
            [sys.executable, "-m", "vigil_cli", "backfill", *days, "--force"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=dict(os.environ),
        ) as worker:
            time.sleep(seconds)
            os.killpg(worker.pid, signal.SIGKILL)
    backfill(vigil.settings, FIRST, LAST)


def _model_changed(vigil: Installation) -> None:
    """As an upgrade that counts volume by thousands, and the one that takes it back."""
    text = "trim_scale(sum(px * sz))  "

    def thousands() -> list[SchemaObject]:
        return [
            SchemaObject(o.name, o.text.replace(text, "trim_scale(sum(px * sz) / 1000)  "), o.key)
            if o.name == "models/trader_daily"
            else o
            for o in manifest()
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema_installer, "manifest", thousands)
        assert vigil.warehouse.install() == ["models/trader_daily"]
    assert vigil.records("SELECT count(*) AS rows FROM trader_daily") == [{"rows": 0}]
    assert vigil.warehouse.install() == ["models/trader_daily"]
    database.refresh(vigil.settings)


def _columns_reloaded(vigil: Installation) -> None:
    """Days as columns, where the engine has them, and one of them loaded anew."""
    if vigil.warehouse.backend is Backend.TIMESCALE:
        chunks = vigil.records("SELECT show_chunks('fills')::text AS name")
        with vigil.warehouse.connect(autocommit=True) as connection:
            for chunk in chunks:
                connection.execute("CALL convert_to_columnstore(%s::regclass)", [chunk["name"]])
        assert all(name.startswith("fill_days.d2") for c in chunks for name in c.values())
    before = vigil.contents()
    path = _objects(vigil)[7]
    original = path.read_bytes()
    path.write_bytes(_without_a_block(path))
    backfill(vigil.settings, FIRST, LAST)
    assert vigil.contents()["fills"] != before["fills"]
    path.write_bytes(original)
    backfill(vigil.settings, FIRST, LAST)
    assert vigil.contents()["fills"] == before["fills"]


STEPS: list[Callable[[Installation], None]] = [
    _loaded,
    _past_hour_changed,
    _killed_again_and_again,
    _model_changed,
    _columns_reloaded,
]


def _history(folder: Path, database_url: str | None) -> dict[str, Contents]:
    """The contents of all relations after each step."""
    folder.mkdir()
    write_world(TINY, folder / "raw")
    contents = {}
    with (
        pytest.MonkeyPatch.context() as patch,
        installed(folder, folder / "raw", patch, database_url) as vigil,
    ):
        expected = Backend.TIMESCALE if database_url else Backend.PLAIN
        assert vigil.warehouse.backend is expected
        for step in STEPS:
            step(vigil)
            rows = [row for item in _objects(vigil) for row in read_object(item).rows]
            assert_equal_everywhere(vigil, rows)
            contents[step.__name__] = vigil.contents()
    return contents


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_reloads_kills_and_changed_models_leave_what_a_slow_reader_finds(tmp_path: Path) -> None:
    contents = _history(tmp_path / "plain", None)

    assert contents["_model_changed"] == contents["_killed_again_and_again"]


@pytest.mark.timeout(1800)
def test_both_engines_hold_equal_rows_through_reloads_kills_and_changed_models(
    tmp_path: Path, timescale_url: str
) -> None:
    plain = _history(tmp_path / "plain", None)
    timescale = _history(tmp_path / "timescale", timescale_url)

    unequal = [
        (step, relation)
        for step, contents in plain.items()
        for relation, digest in contents.items()
        if timescale[step][relation] != digest
    ]
    assert not unequal
    for step, contents in plain.items():
        for relation, digest in contents.items():
            print(f"{step:28}{relation:28}{digest}")


def test_a_database_that_lost_timescaledb_is_refused(timescale_url: str) -> None:
    warehouse = Warehouse(timescale_url)
    warehouse.install()
    with warehouse.connect() as connection:
        connection.execute("UPDATE schema_objects SET backend = 'plain'")

    with pytest.raises(BackendChanged, match="'plain'.*'timescale'"):
        warehouse.install()


def test_a_plain_database_that_claims_to_be_another_is_refused(vigil: Installation) -> None:
    with vigil.warehouse.connect() as connection:
        connection.execute("UPDATE schema_objects SET backend = 'timescale'")

    with pytest.raises(BackendChanged, match="'timescale'.*'plain'"):
        vigil.warehouse.install()
