"""Exports of public leaderboards, kept as they came, beside our own figures of their traders."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from vigil_core.desk.leaderboard import LeaderboardEntry, RejectedEntry, read_leaderboard
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.statements import query

KIND = "leaderboard"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedLeaderboard:
    """What became of a file."""

    import_id: int
    rows: int
    rejected: int
    is_new: bool
    """False: the same file was imported before, and is as it was."""


class Leaderboards:
    """`imports` and `leaderboard_entries`."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse

    def import_file(self, file_name: str, content: bytes, by: str) -> ImportedLeaderboard:
        """Take a file, once.

        Raises:
            UnreadableLeaderboard: It is none.
        """
        read = read_leaderboard(content)
        entries = [entry for entry in read if isinstance(entry, LeaderboardEntry)]
        rejected = [
            {"line": entry.n, "reason": entry.reason}
            for entry in read
            if isinstance(entry, RejectedEntry)
        ]
        sha256 = hashlib.sha256(content).hexdigest()
        record = {
            "kind": KIND,
            "file_name": file_name,
            "sha256": sha256,
            "imported_by": by,
            "rows": len(entries),
            "rejected": json.dumps(rejected),
        }
        columns = {
            "n": [entry.n for entry in entries],
            "user_address": [entry.user_address for entry in entries],
            "display_name": [entry.display_name for entry in entries],
            "figures": [json.dumps(entry.figures) for entry in entries],
        }
        with self._warehouse.connect() as connection, connection.transaction():
            added = connection.execute(query("imports/add"), record).fetchone()
            if added is not None:
                at = {"import_id": added[0]} | columns
                connection.execute(query("imports/add_leaderboard_entries"), at)
            at = {"kind": KIND, "sha256": sha256}
            found = connection.execute(query("imports/find"), at).fetchone()
        assert found is not None
        import_id, rows, rejected_count = found
        return ImportedLeaderboard(
            import_id=import_id, rows=rows, rejected=rejected_count, is_new=added is not None
        )

    def entries(self, import_id: int, *, after: int = 0, most: int = 100) -> list[dict[str, Any]]:
        """The board's lines beside our own figures, in its order; `after` is a line's `n`."""
        at = {"import_id": import_id, "after": after, "most": most}
        return [
            dict(zip(_ENTRY, row, strict=True))
            for row in self._warehouse.rows("imports/leaderboard", at)
        ]


_ENTRY = (
    "n",
    "user_address",
    "display_name",
    "figures",
    "trader_type",
    "net_pnl",
    "sharpe_ratio",
    "trading_days",
    "trader_id",
)
