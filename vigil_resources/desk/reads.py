"""What pages show of the desk: accounts, copies and their costs, imports, chats, rankings.

Read-only, on a connection that somebody else opened; rows are dictionaries by column name, times
milliseconds since the epoch, money exact.
"""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from vigil_resources.metrics.explorer import Row, Rows
from vigil_resources.statements import query

MOST_ACCOUNTS = 500
MOST_ARCHIVED = 100
RANKED_BY = ("net_pnl", "roi_all", "sharpe_ratio", "win_rate")


class Desk:
    """Reads."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def accounts(self, *, archived: bool = False) -> Rows:
        """Followed traders and how their paper accounts stand; active ones first."""
        limit = MOST_ARCHIVED if archived else MOST_ACCOUNTS
        return self._accounts(archived=archived, limit=limit)

    def account(self, trader_id: int) -> Row | None:
        """The same of one trader, archived or not."""
        return next(iter(self._accounts(trader_id=trader_id, limit=1)), None)

    def paper_until(self) -> int | None:
        """Until when paper accounts are built; None: not yet."""
        [row] = self._all(query("desk/account_until"), {})
        return None if row["paper_until"] is None else int(row["paper_until"])

    def curve(self, trader_id: int) -> Rows:
        """A paper account day by day."""
        return self._all(query("desk/account_curve"), {"trader_id": trader_id})

    def copies(self, trader_id: int, *, are_open: bool, limit: int = 100) -> Rows:
        """Copies that are open, or that are closed, newest first."""
        asked = {"trader_id": trader_id, "open": are_open, "limit": limit}
        return self._all(query("desk/copies_of"), asked)

    def costs(self, trader_id: int) -> Row:
        """What the closed copies made and cost."""
        [row] = self._all(query("desk/costs_of"), {"trader_id": trader_id})
        return row

    def outcomes(self, trader_id: int) -> Rows:
        """What became of the signals, by code."""
        return self._all(query("desk/outcomes_of"), {"trader_id": trader_id})

    def intents(self, limit: int = 25) -> Rows:
        """The newest intents; `waiting` of each row counts all that nobody took."""
        return self._all(query("desk/newest_intents"), {"limit": limit})

    def levels(self, trader_id: int, limit: int = 100) -> Rows:
        """Leverage and confidence of the last openings."""
        return self._all(query("desk/stated_levels"), {"trader_id": trader_id, "limit": limit})

    def ranking(self, rule_set: str, trader_type: str, by: str, limit: int = 25) -> Rows:
        """The best of a class by one of `RANKED_BY`."""
        asked = {"rule_set": rule_set, "trader_type": trader_type, "by": by, "limit": limit}
        return self._all(query("desk/ranking"), asked)

    def classes(self) -> Rows:
        """How many bear each label now."""
        return self._all(query("desk/classes"), {})

    def imports(self, limit: int = 20) -> Rows:
        """Files that people brought, newest first."""
        return self._all(query("imports/newest"), {"limit": limit})

    def imported(self, import_id: int) -> Row | None:
        """One of them."""
        return next(iter(self._all(query("imports/one"), {"import_id": import_id})), None)

    def chats(self) -> Rows:
        """Chats that messages came from, and who is followed as each."""
        return self._all(query("chats/known"), {})

    def messages(
        self, trader_id: int, *, before: tuple[int, int] | None = None, limit: int = 100
    ) -> Rows:
        """Messages of a chat, newest first, of those before one (moment, number)."""
        before_time, before_id = before or (None, None)
        asked = {
            "trader_id": trader_id,
            "before_time": before_time,
            "before_id": before_id,
            "limit": limit,
        }
        return self._all(query("chats/messages_of"), asked)

    def _accounts(
        self, *, limit: int, archived: bool = False, trader_id: int | None = None
    ) -> Rows:
        asked = {"archived": archived, "trader_id": trader_id, "limit": limit}
        return self._all(query("desk/accounts"), asked)

    def _all(self, statement: str, values: dict[str, Any]) -> Rows:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, values).fetchall()
