"""Funding and transfers of single accounts, from the exchange's API into the warehouse.

No source has them of all accounts. Those of the watchlist are asked for, and those that
`VIGIL_ACCOUNTS` names, a stretch of whole UTC days once each: `account_coverage` says which.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from vigil_core.calendar import DAY_MS, day_of, day_start_ms
from vigil_core.metrics.account_flows import core_flow_usd
from vigil_resources.database.warehouse import Warehouse
from vigil_resources.exchange.api import ExchangeApi
from vigil_resources.exchange.cache import FINAL_AFTER_MS
from vigil_resources.statements import query

RELATION = "account_history"
KINDS = ("funding", "ledger")
Stretch = tuple[int, int]
"""Start and end, half-open; ms, midnights."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of asking."""

    accounts: int
    """Those that are wanted."""
    rows: Counter[date]
    """Payments and ledger updates that came, by UTC day."""
    untold: dict[str, int]
    """Ledger updates by kind, of which it is not known what they moved."""


class AccountHistory:
    """Keeps `account_funding`, `account_flows`, `account_coverage` and `account_modes`.

    Args:
        api: Belongs to the fills: nothing real is put beside what is simulated.
        warehouse: Where the rows go.
        accounts: Further addresses, lower case.
    """

    def __init__(self, api: ExchangeApi, warehouse: Warehouse, accounts: tuple[str, ...]) -> None:
        self._api = api
        self._warehouse = warehouse
        self._accounts = accounts

    def wanted(self) -> list[str]:
        """The watchlist's addresses as it stands now, and those that were named."""
        rows = self._warehouse.rows("accounts/wanted", {"addresses": list(self._accounts)})
        return [address for (address,) in rows]

    def is_current(self, day: date) -> bool:
        """Whether the day was asked for of all accounts that are wanted now."""
        stretch = day_start_ms(day), day_start_ms(day) + DAY_MS
        return not any(
            self._missing(address, kind, stretch) for address in self.wanted() for kind in KINDS
        )

    def take_in(self, days: Sequence[date]) -> Taken:
        """Ask for what is missing of these days, which are in a row.

        A stretch of one account is one transaction, with the record that it is covered: what was
        taken in stays, whatever happens to the next. A day that may still change is not asked for.

        Raises:
            ExchangeRefused, ExchangeSilent, UnexpectedAnswer, CrowdedInstant: As `ExchangeApi`.
        """
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        settled = (now_ms - FINAL_AFTER_MS) // DAY_MS * DAY_MS
        stretch = day_start_ms(days[0]), min(day_start_ms(days[-1]) + DAY_MS, settled)
        wanted = self.wanted()
        rows: Counter[date] = Counter()
        untold: Counter[str] = Counter()
        for address in wanted:
            funding = self._missing(address, "funding", stretch)
            ledger = self._missing(address, "ledger", stretch)
            if funding or ledger:
                # First: what is covered is not asked for again.
                self._take_mode(address, now_ms)
            for gap in funding:
                rows += self._take_funding(address, gap)
            for gap in ledger:
                days_of, kinds = self._take_ledger(address, gap)
                rows += days_of
                untold += kinds
        return Taken(len(wanted), rows, dict(untold))

    def _missing(self, address: str, kind: str, stretch: Stretch) -> list[Stretch]:
        asked = {"address": address, "kind": kind, "start": stretch[0], "end": stretch[1]}
        return list(_gaps(stretch, self._warehouse.rows("accounts/coverage", asked)))

    def _take_funding(self, address: str, gap: Stretch) -> Counter[date]:
        payments = self._api.user_funding(address, *gap)
        rows = [
            payment
            | {"address": address}
            # Rows that were summed carry the start of their day; others say when they were made.
            | {"until": payment["time"] + (1 if payment["samples"] is None else DAY_MS)}
            for payment in payments.iter_rows(named=True)
        ]
        self._replace(address, "funding", gap, "accounts/delete_funding", rows)
        return Counter(day_of(row["time"]) for row in rows)

    def _take_ledger(self, address: str, gap: Stretch) -> tuple[Counter[date], Counter[str]]:
        """Updates by day, and those that do not tell what they moved by kind."""
        updates = self._api.user_ledger(address, *gap)
        seen: Counter[tuple[int, str]] = Counter()
        rows: list[dict[str, Any]] = []
        for update in updates:
            seen[update.time, update.hash] += 1
            rows.append(
                {
                    "address": address,
                    "time": update.time,
                    "hash": update.hash,
                    "seq": seen[update.time, update.hash],
                    "kind": update.kind,
                    "usd": core_flow_usd(address, update.delta),
                    "delta": Jsonb(dict(update.delta)),
                }
            )
        self._replace(address, "ledger", gap, "accounts/delete_flows", rows)
        untold = Counter(row["kind"] for row in rows if row["usd"] is None)
        return Counter(day_of(row["time"]) for row in rows), untold

    def _replace(
        self, address: str, kind: str, gap: Stretch, delete: str, rows: list[dict[str, Any]]
    ) -> None:
        """Make these the rows of the stretch, whatever was there: the exchange sums old ones."""
        at = {"address": address, "kind": kind, "start": gap[0], "end": gap[1]}
        insert = _INSERTS[kind]
        with self._warehouse.connect() as connection, connection.transaction():
            connection.execute(query("artemis/lock_relation"), {"relation": RELATION})
            connection.execute(query(delete), at)
            _insert(connection, insert, rows)
            connection.execute(query("accounts/extend_coverage"), at)

    def _take_mode(self, address: str, now_ms: int) -> None:
        mode = self._api.user_mode(address)
        seen = {"address": address, "observed_at": now_ms, "mode": mode}
        with self._warehouse.connect() as connection, connection.transaction():
            connection.execute(query("accounts/save_mode"), seen)


_INSERTS = {"funding": "accounts/insert_funding", "ledger": "accounts/insert_flow"}


def _insert(connection: psycopg.Connection, statement: str, rows: list[dict[str, Any]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(query(statement), rows)


def _gaps(stretch: Stretch, covered: Sequence[Stretch]) -> Iterator[Stretch]:
    """What of a stretch is not in these, which are in order and do not meet.

    >>> list(_gaps((0, 10), [(0, 2), (5, 6)]))
    [(2, 5), (6, 10)]
    """
    start, end = stretch
    for covered_from, covered_until in covered:
        if start < covered_from:
            yield start, covered_from
        start = max(start, covered_until)
    if start < end:
        yield start, end
