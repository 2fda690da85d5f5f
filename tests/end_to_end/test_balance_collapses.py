"""An account that the source shows as empty for a day, as it does now and then with funded ones."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import installed
from vigil_cli.backfill import backfill
from vigil_core.calendar import day_start_ms
from vigil_sandbox.world import TINY, write_world

pytestmark = pytest.mark.slow

WORLD = replace(TINY, day_count=3, planted_each=0)
FIRST, SECOND, THIRD = (WORLD.first_day + timedelta(days=n) for n in range(3))
SELECT = "+key:oi_history"
FAULTS = "SELECT * FROM account_equity WHERE collapse_known_at IS NOT NULL"


def emptied(raw: Path) -> str:
    """Let the second day say that a funded account holds nine cents; gives its address."""
    folder = raw / f"artemis/raw/perp_and_spot_balances/{SECOND:%Y/%m/%d}"
    # Some accounts are in both files: one that is not.
    first, second = (path.read_text().splitlines() for path in sorted(folder.glob("*.jsonl")))
    others = {json.loads(line).get("address") for line in second}
    for place, line in enumerate(first):
        record: dict[str, Any] = json.loads(line)
        if "response" not in record or record["address"] in others:
            continue
        margin = record["response"]["perpetual"]["marginSummary"]
        if float(margin["accountValue"]) > 5_000:
            margin["accountValue"] = "0.09"
            first[place] = json.dumps(record)
            (folder / "part-0.jsonl").write_text("\n".join(first) + "\n")
            return str(record["address"])
    raise AssertionError("nobody has that much")


def test_it_is_known_from_the_next_day_on_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_world(WORLD, tmp_path / "raw")
    address = emptied(tmp_path / "raw")
    monkeypatch.setenv("VIGIL_ARTEMIS_DATA", str(tmp_path / "raw" / "artemis" / "raw"))
    with installed(tmp_path, tmp_path / "raw", monkeypatch) as vigil:
        backfill(vigil.settings, FIRST, SECOND, select=SELECT)
        assert vigil.records(FAULTS) == []

        backfill(vigil.settings, FIRST, THIRD, select=SELECT)
        [fault] = vigil.records(FAULTS)
        assert fault["address"] == address
        assert str(fault["account_value"]) == "0.09"
        assert day_start_ms(SECOND) < fault["recorded_at"] < day_start_ms(THIRD)
        assert fault["collapse_known_at"] > day_start_ms(THIRD)
        assert backfill(vigil.settings, FIRST, THIRD, select=SELECT) == 0
