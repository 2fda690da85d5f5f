"""From blocks to loaded days, the way every day goes."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import lz4.frame

from tests.conftest import Installation
from vigil_core.fills.source_keys import SourceHour
from vigil_resources.database.warehouse import LoadedDay
from vigil_resources.wiring import open_raw_fills


def write_hour(vigil: Installation, hour: SourceHour, blocks: list[dict[str, Any]]) -> None:
    """Put an object of these blocks where the raw ones lie."""
    path = Path(vigil.settings.node_data) / hour.key
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(block) + "\n" for block in blocks)
    path.write_bytes(lz4.frame.compress(text.encode()))


def take_in(vigil: Installation, day: date) -> None:
    """List the day and decode its objects into the lake."""
    raw = open_raw_fills(vigil.settings)
    manifest = raw.manifest(day)
    vigil.lake.write_manifest(manifest)
    vigil.lake.take_in_stale(raw.store, manifest, lambda _: None)


def load_day(vigil: Installation, day: date) -> LoadedDay:
    """Load what the lake holds of the day."""
    manifest = vigil.lake.manifest(day)
    return vigil.warehouse.load_day(
        vigil.lake,
        vigil.lake.day(day),
        source=manifest.source,
        missing_hours=manifest.missing_hours,
    )
