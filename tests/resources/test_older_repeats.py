"""Repeated trades of the oldest generation, as the slow reader tells them."""

import random
from datetime import date
from pathlib import Path
from typing import Any

import lz4.frame

from tests.reference.hostile_lines import to_line
from tests.reference.hostile_older_lines import make_trade
from tests.reference.slow_older_generations import (
    distinct_trades,
    read_older_lines,
    read_trade_line,
)
from vigil_core.fills.source_keys import Generation, SourceHour
from vigil_resources.files.lake import Lake
from vigil_resources.files.store import Store

HOUR = SourceHour(date(2025, 6, 24), 2, Generation.TRADES)


def trade(chance: random.Random) -> dict[str, Any]:
    """One of few trades, so that some are the same and many are alike."""
    made = make_trade(sz=chance.choice(["1.0", "2.0"]), px=chance.choice(["10", "11"]))
    for party in made["side_info"]:
        party |= {"oid": chance.choice([1, 2]), "start_pos": chance.choice(["0.0", "5.0"])}
    return made


def test_repeated_trades_are_kept_once_and_no_other_leg_is_lost(tmp_path: Path) -> None:
    chance = random.Random(3)
    content = b"".join(to_line(trade(chance)) + b"\n" for _ in range(300))
    raw, lake = Store(str(tmp_path / "raw")), Lake(Store(str(tmp_path / "lake")), tmp_path)
    raw.write(HOUR.key, lz4.frame.compress(content))

    entry = lake.take_in(raw, HOUR, raw.list("node_trades")[0], "hyperliquid")

    expected = distinct_trades(read_older_lines(content, read_trade_line).rows)
    (part,) = entry.parts
    assert lake.read_part(part)["event_index"].to_list() == [r["event_index"] for r in expected]
    assert (entry.rows, entry.repeated) == (len(expected), 600 - len(expected))
    assert entry.rows > 8
