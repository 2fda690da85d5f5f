"""Failed runs and late assets, on their way to whoever is to know."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import query

MOST_CHARACTERS = 300
"""Of a cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailure:
    """What is to be said of a failed run."""

    run_id: str
    job: str
    assets: Sequence[str]
    """Whose steps failed; where none did, those that were to be built."""
    days: str
    """One, or the first and the last; empty where the run had none."""
    cause: str


class RunFailures:
    """Puts them into the outbox: to a channel once, however often it is told."""

    def __init__(
        self, warehouse: Warehouse, channels: Sequence[str], dagster_url: str | None
    ) -> None:
        self._warehouse, self._channels, self._url = warehouse, channels, dagster_url

    def tell(self, failure: RunFailure) -> None:
        """Write a message for each channel; returns once they are kept."""
        what = " ".join([*failure.assets, failure.days]).strip()
        payload = {
            "kind": "failure",
            "rule": "run failed",
            "name": what or failure.job,
            "assets": list(failure.assets),
            "days": failure.days,
            "cause": failure.cause[:MOST_CHARACTERS],
            "run_id": failure.run_id,
            "link": f"{self._url}/runs/{failure.run_id}" if self._url else None,
        }
        self._put(failure.run_id, payload)

    def tell_late(self, assets: Sequence[str], since: datetime) -> None:
        """Write a message for each channel about assets that their freshness policy calls late.

        Args:
            assets: Names, at least one.
            since: When the last of them became late.
        """
        payload = {
            "kind": "failure",
            "rule": "late",
            "name": assets[0] if len(assets) == 1 else f"{len(assets)} assets",
            "assets": list(assets),
            "since": since.isoformat(timespec="seconds"),
            "link": f"{self._url}/assets" if self._url else None,
        }
        self._put(f"late {since.isoformat()} {' '.join(assets)}", payload)

    def _put(self, subject: str, payload: dict[str, Any]) -> None:
        message = {
            "kind": "failure",
            "subject_id": number_of(subject),
            "payload": Jsonb(payload),
        }
        with self._warehouse.connect() as connection, connection.transaction():
            for channel in self._channels:
                connection.execute(query("desk/add_delivery"), message | {"channel": channel})


def number_of(subject: str) -> int:
    """63 bits that no other run, or lateness, has."""
    return int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8]) >> 1
