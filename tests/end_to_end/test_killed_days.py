"""A week of the feature line: in one go, or a day at a time with a kill in each."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_sandbox.info_server import UNHURRIED, Answers, InfoServer, settings_unhurried
from vigil_sandbox.world import TINY, write_world

WEEK = replace(TINY, day_count=7)
FIRST = WEEK.first_day
LAST = FIRST + timedelta(days=WEEK.day_count - 1)
DAYS = [FIRST + timedelta(days=n) for n in range(WEEK.day_count)]

RELATIONS = (
    "account_balances",
    "addresses",
    "artemis_day_results",
    "artemis_state",
    "account_equity",
    "candles",
    "co_occurrences",
    "feature_snapshots",
    "funding_history",
    "liquidation_events",
    "oi_changes",
    "oi_history",
    "snapshot_labels",
    "trade_flow_history",
    "volume_history",
    "wallet_profiles",
    "held_positions",
    "trader_totals",
    "metric_state",
    "trader_labels",
)


@contextmanager
def a_vigil(folder: Path, raw: Path, api: str) -> Iterator[Installation]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIGIL_COINS", "BTC,ETH")
        patch.setenv("VIGIL_ARTEMIS_DATA", str(raw / "artemis" / "raw"))
        for name, value in settings_unhurried(api).items():
            patch.setenv(name, value)
        with installed(folder, raw, patch) as vigil:
            yield vigil


AUDITS = ("persistence_test", "persistence_rolls", "reconciliation")
"""Are about a load, and as of whatever day was the last one then."""


def rows(vigil: Installation) -> dict[str, object]:
    """A digest of each relation, but for how long things took."""
    found = {}
    for name in RELATIONS:
        row = "(to_jsonb(t) - 'elapsed_seconds')::text"
        which = (
            f"WHERE relation <> ALL ('{{{','.join(AUDITS)}}}')" if name == "artemis_state" else ""
        )
        digest = f"md5(string_agg({row}, '|' ORDER BY {row}))"
        statement = f"SELECT count(*), {digest} FROM {name} AS t {which}"
        found[name] = tuple(vigil.records(statement)[0].values())
    return found


def files(vigil: Installation) -> dict[str, bytes]:
    """The lake's, but for those that say when something was read or asked for."""
    lake = Path(vigil.settings.lake)
    folders = ("wallets", "training_set", "perp_balances", "exchange")
    return {
        str(path.relative_to(lake)): path.read_bytes()
        for folder in folders
        for path in (lake / folder).rglob("*.*")
        if path.name not in {"asked.json", "entry.json"}
    }


def killed_after(seconds: float, *arguments: str) -> bool:
    """Whether a backfill was still at work then, and so was killed."""
    with subprocess.Popen(
        [sys.executable, "-m", "vigil_cli", "backfill", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=dict(os.environ),
    ) as worker:
        time.sleep(seconds)
        was_at_work = worker.poll() is None
        if was_at_work:
            os.killpg(worker.pid, signal.SIGKILL)
    return was_at_work


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_week_at_once_equals_its_days_with_a_kill_in_each(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_world(WEEK, raw)
    with InfoServer(Answers.of_world(raw), UNHURRIED) as api:
        with a_vigil(tmp_path / "whole", raw, api.url) as vigil:
            backfill(vigil.settings, FIRST, LAST)
            whole_rows, whole_files = rows(vigil), files(vigil)
        chance = random.Random("kills")
        kills = 0
        with a_vigil(tmp_path / "days", raw, api.url) as vigil:
            for day in DAYS:
                kills += killed_after(chance.uniform(5, 14), str(FIRST), str(day))
                # Of the days before, what the new one tells more of: labels that were pending.
                backfill(vigil.settings, FIRST, day)
            days_rows, days_files = rows(vigil), files(vigil)

    assert kills >= len(DAYS) - 2
    assert days_rows == whole_rows
    assert all(count > 0 for count, _ in whole_rows.values()), whole_rows  # type: ignore[attr-defined]
    assert days_files.keys() == whole_files.keys()
    assert [name for name, content in days_files.items() if content != whole_files[name]] == []
