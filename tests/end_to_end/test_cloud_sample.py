"""A sample of one Postgres, loaded into another: whole traders on whole days, to the last digit."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import Installation, installed
from vigil_cli.__main__ import main
from vigil_cli.backfill import backfill
from vigil_resources.wiring import DATABASE, embedded_postgres
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

FIRST = TINY.first_day
LAST = FIRST + timedelta(days=TINY.day_count - 1)
CHOSEN = "('x' || substr(md5(user_address), 1, 8))::bit(32)::bigint % 3 = 0"
COLUMNS = "time, user_address, coin, px, sz, side, closed_pnl, fee, oid, tid, liquidation, extra"


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["vigil", *words])
    return main()


def test_sample_of_one_server_is_loaded_into_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_world(TINY, tmp_path / "raw")
    (tmp_path / "remote").mkdir()
    with installed(tmp_path / "remote", tmp_path / "raw", monkeypatch) as remote:
        backfill(remote.settings, FIRST, LAST)
        traders = remote.records(f"SELECT * FROM trader_daily WHERE {CHOSEN} ORDER BY day, 2")
        fills = remote.records(f"SELECT {COLUMNS} FROM fills WHERE {CHOSEN} ORDER BY {COLUMNS}")
        url = embedded_postgres(remote.settings).url(DATABASE)
        monkeypatch.setenv("DATABASE_URL", url)
        sample = tmp_path / "sample"

        words = ["cloud-sample", str(FIRST), str(LAST), "--one-in", "3", "--to", str(sample)]
        assert run(monkeypatch, *words) == 0
        first = {path: path.read_bytes() for path in sample.rglob("*") if path.is_file()}
        assert run(monkeypatch, *words) == 0

        assert {p: p.read_bytes() for p in sample.rglob("*") if p.is_file()} == first
        assert f"PARQUET_S3={sample} ./vigil local-load {FIRST} {LAST}" in capsys.readouterr().out
        (count,) = remote.records("SELECT count(*) AS n FROM fills")
        assert 0 < len(fills) < count["n"]

    (tmp_path / "home").mkdir()
    with installed(tmp_path / "home", tmp_path / "raw", monkeypatch) as home:
        monkeypatch.setenv("PARQUET_S3", str(sample))
        settings = replace(home.settings, lake=str(sample))
        assert backfill(settings, FIRST, LAST, select="fills") == TINY.day_count
        for day in (FIRST, LAST):
            home.warehouse.build_day("trader_daily", day)
        assert home.records(f"SELECT {COLUMNS} FROM fills ORDER BY {COLUMNS}") == fills
        assert home.records("SELECT * FROM trader_daily ORDER BY day, 2") == traders
        health = home.records("SELECT source, is_simulated, hours_present, fills FROM data_health")
        assert {row["source"] for row in health} == {"sandbox, one trader in 3"}
        assert all(row["is_simulated"] and row["hours_present"] == 24 for row in health)
        assert sum(row["fills"] for row in health) == len(fills)


def test_what_cannot_be_sampled_is_said(
    vigil: Installation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "cloud-sample", "2026-01-01", "2026-01-02") == 1
    assert "DATABASE_URL" in capsys.readouterr().err

    monkeypatch.setenv("DATABASE_URL", embedded_postgres(vigil.settings).url(DATABASE))
    assert run(monkeypatch, "cloud-sample", "2026-01-01", "2026-01-02") == 1
    assert "2026-01-01" in capsys.readouterr().err
    assert run(monkeypatch, "cloud-sample", "2026-01-02", "2026-01-01") == 1
    assert "START <= END" in capsys.readouterr().err
    assert run(monkeypatch, "cloud-sample", "2026-01-01", "2026-01-01", "--one-in", "0") == 1
