"""Traders who are known by how long they hold: their profiles must say so."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Installation, installed
from vigil_cli.backfill import backfill
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_sandbox.world import RHYTHMS, write_world

pytestmark = pytest.mark.slow

FIRST = RHYTHMS.first_day
LAST = FIRST + timedelta(days=RHYTHMS.day_count - 1)
END = day_start_ms(LAST) + DAY_MS


@pytest.fixture(scope="module")
def profiles(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[dict[tuple[str, str], list[dict[str, Any]]]]:
    """By behaviour and window, the profiles at the end of the world."""
    folder = tmp_path_factory.mktemp("rhythms")
    write_world(RHYTHMS, folder / "raw")
    planted = json.loads((folder / "raw/truth.json").read_text())["planted"]
    with installed(folder, folder / "raw", module_patch) as vigil:
        backfill(vigil.settings, FIRST, LAST, select="+key:wallet_profiles")
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for trader in planted:
            for row in of_wallet(vigil, trader["address"]):
                found.setdefault((trader["behaviour"], row["window"]), []).append(row)
        yield found


def of_wallet(vigil: Installation, address: str) -> list[dict[str, Any]]:
    return vigil.records(
        f"SELECT * FROM wallet_profiles WHERE address = '{address}' AND as_of = {END}"
    )


@pytest.mark.parametrize(
    ("behaviour", "style", "is_bot"),
    [
        ("scalper", "scalper", False),
        ("bot", "scalper", True),
        ("day_trader", "day_trader", False),
        ("keeper", "position", False),
    ],
)
def test_a_planted_rhythm_comes_out_as_such(
    profiles: dict[tuple[str, str], list[dict[str, Any]]],
    behaviour: str,
    style: str,
    is_bot: bool,
) -> None:
    rows = profiles[behaviour, "all"]
    assert len(rows) == RHYTHMS.rhythms_each
    for row in rows:
        assert (row["style"], row["is_bot"]) == (style, is_bot), row
        assert row["censored_qty"] == 0
        assert row["continuity_breaks"] == 0


def test_a_day_alone_says_of_a_keeper_what_was_closed_in_it(
    profiles: dict[tuple[str, str], list[dict[str, Any]]],
) -> None:
    for row in profiles["keeper", "1d"]:
        assert row["reason"] == "too_few_fills"
        assert row["style"] is None


def test_trips_are_counted_as_they_were_made(
    profiles: dict[tuple[str, str], list[dict[str, Any]]],
) -> None:
    for row in profiles["bot", "all"]:
        assert row["trade_count"] == 80 * RHYTHMS.day_count
        assert 15 / 3600 < row["avg_hold_hours"] < 80 / 3600
