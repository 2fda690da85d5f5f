"""Holding times of positions that outlive a day, tied only where no fill is missing."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

from tests.conftest import Installation
from tests.end_to_end.comparison import assert_equal_everywhere
from tests.reference.hostile_lines import make_fill
from tests.reference.slow_reader import read_object
from vigil_cli.backfill import backfill
from vigil_core.calendar import HOUR_MS, day_start_ms
from vigil_core.fills.source_keys import SourceHour

pytestmark = pytest.mark.slow

FIRST, LAST = date(2025, 9, 1), date(2025, 9, 3)
CARRIED, GAP, TWO_NIGHTS, REOPENED = (f"0x{digit * 40}" for digit in "abcd")


def _event(user: str, oid: int, at: int, side: str, start: str, size: str) -> list[Any]:
    changes = {"time": at, "side": side, "startPosition": start, "sz": size, "oid": oid}
    return [user, make_fill(coin="BTC", **changes)]


def _write(root: Path, day: date, number: int, *events: list[Any]) -> Path:
    block = {
        "local_time": f"{day}T01:00:01",
        "block_time": f"{day}T01:00:00",
        "block_number": number,
        "events": list(events),
    }
    path = root / SourceHour(day, 1).key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lz4.frame.compress(json.dumps(block).encode() + b"\n"))
    return path


def test_a_position_is_held_from_its_opening_to_its_close_or_not_counted(
    vigil: Installation,
) -> None:
    root = Path(vigil.settings.node_data)
    at = {offset: day_start_ms(FIRST) + offset * HOUR_MS for offset in (1, 2, 25, 49)}
    paths = [
        _write(
            root,
            date(2025, 9, 1),
            1,
            _event(CARRIED, 1, at[1], "B", "0.0", "5.0"),
            _event(GAP, 2, at[1], "B", "0.0", "5.0"),
            _event(TWO_NIGHTS, 3, at[2], "A", "0.0", "2.0"),
            _event(REOPENED, 4, at[1], "B", "0.0", "1.0"),
        ),
        _write(
            root,
            date(2025, 9, 2),
            2,
            _event(CARRIED, 5, at[25], "A", "5.0", "5.0"),
            # Two bought in between were never seen: since when is not known.
            _event(GAP, 6, at[25], "A", "7.0", "7.0"),
            _event(TWO_NIGHTS, 7, at[25], "A", "-2.0", "1.0"),
            # Closed unseen, opened anew: the old opening must not count for the new close.
            _event(REOPENED, 8, at[25], "B", "0.0", "3.0"),
        ),
        _write(
            root,
            date(2025, 9, 3),
            3,
            _event(TWO_NIGHTS, 9, at[49], "B", "-3.0", "3.0"),
            _event(REOPENED, 10, at[49], "A", "3.0", "3.0"),
        ),
    ]

    backfill(vigil.settings, FIRST, LAST)

    held = vigil.records("SELECT user_address, avg_hold_hours FROM trader_profiles")
    assert {row["user_address"]: row["avg_hold_hours"] for row in held} == {
        CARRIED: 24,
        GAP: None,
        TWO_NIGHTS: 47,
        REOPENED: 24,
    }
    assert_equal_everywhere(vigil, [row for path in paths for row in read_object(path).rows])
