"""What readers ask of the warehouse: lists, one trader as of a day, comparisons, health.

Every method is one or a few statements of `sql/queries/explorer`, read-only; rows are dictionaries
by column name, times milliseconds since the epoch, UTC, money exact.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from vigil_core.calendar import DAY_MS, HOUR_MS
from vigil_core.errors import VigilError
from vigil_core.metrics.catalogue import WINDOWS
from vigil_core.metrics.comparison import LEAST_COMMON_DAYS, REDUNDANT_ABOVE
from vigil_resources.database.warehouse import CLASSIFIED_BY
from vigil_resources.metrics.trader_report import FoundFamily, families
from vigil_resources.statements import query, template

Row = dict[str, Any]
Rows = list[Row]
Connect = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]

SORTS = (
    "net_pnl",
    "roi_30d",
    "roi_90d",
    "roi_all",
    "sharpe_ratio",
    "win_rate",
    "max_drawdown",
    "volume_usd",
)
"""Columns that lists are sorted by; each has an index for both directions."""


class CursorNotOurs(VigilError):
    """A page was asked for by a cursor that was made for another list, or by somebody else."""

    def __init__(self) -> None:
        super().__init__("this cursor belongs to another list: start again without one")


@dataclass(frozen=True, slots=True)
class Sort:
    """A column of `SORTS`, from high to low or from low to high."""

    column: str
    is_down: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """`-net_pnl` is from high to low. Raises ValueError for any other column."""
        column = text.removeprefix("-")
        if column not in SORTS:
            raise ValueError(f"sort={text!r}: expected one of {', '.join(SORTS)}, or - before it")
        return cls(column, text.startswith("-"))

    def __str__(self) -> str:
        return ("-" if self.is_down else "") + self.column


DEFAULT_SORT = Sort("net_pnl", is_down=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderFilter:
    """What a trader must be to be listed; None asks nothing."""

    trader_type: str | None = None
    state: str | None = None
    """`followed` for all that are, or one of the states."""
    coin: str | None = None
    q: str | None = None
    """Part of the address, or of the name."""
    publishable: bool = False
    """Only with enough observations."""
    min_volume: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a list, and where it goes on."""

    rows: Rows
    next: str | None


@dataclass(frozen=True, slots=True)
class Pair:
    """How alike two traders are."""

    correlation: float | None
    correlation_reason: str | None
    n_days: int
    token_overlap: float | None
    token_overlap_reason: str | None

    @property
    def is_redundant(self) -> bool:
        """Whether following both is following one twice."""
        return self.correlation is not None and self.correlation > REDUNDANT_ABOVE


class Explorer:
    """Reads; `connect` gives a connection for a while, as a pool's `connection` does."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def age(self) -> Row:
        """How far the data and the figures reach, and whether they are simulated."""
        return self._one(query("explorer/age"), {}) or {}

    def published(self) -> Row | None:
        """What is said of all published traders at once; None before the first publication."""
        return self._one(query("published/state"), {})

    # --- lists ---------------------------------------------------------------------------

    def traders(
        self, asked: TraderFilter, sort: Sort, *, limit: int, cursor: str | None = None
    ) -> Page:
        """A page of the published traders.

        Raises:
            CursorNotOurs: The cursor is none of this sort.
        """
        key, address = _begin(sort) if cursor is None else _cursor_of(cursor, sort)
        values = {
            "key": key,
            "address": address,
            "type": asked.trader_type,
            "state": asked.state,
            "coin": asked.coin,
            "q": asked.q,
            "publishable": asked.publishable,
            "min_volume": asked.min_volume,
            "limit": limit + 1,
        }
        statement = template(
            "explorer/traders",
            key=sql.Identifier(sort.column),
            last=sql.Literal("-Infinity" if sort.is_down else "Infinity"),
            comparison=sql.SQL("<" if sort.is_down else ">"),
            direction=sql.SQL("DESC" if sort.is_down else "ASC"),
        )
        try:
            rows = self._apart(statement, values)
        except (psycopg.errors.InvalidTextRepresentation, psycopg.errors.DataError) as error:
            raise CursorNotOurs from error
        shown = rows[:limit]
        if len(rows) <= limit:
            return Page(shown, None)
        last = shown[-1]
        return Page(shown, _cursor(sort, last["sort_key"], last["user_address"]))

    def coins(self) -> Rows:
        """Every coin traded on the last day known."""
        return self._all(query("explorer/coins"), {})

    def builders(self) -> Rows:
        """Every builder of the last day known."""
        return self._all(query("explorer/builders"), {})

    # --- one trader ----------------------------------------------------------------------

    def address_of(self, trader_id: int) -> str | None:
        """Whose settings these are."""
        row = self._one(query("explorer/address_of"), {"trader_id": trader_id})
        return None if row is None else row["user_address"]

    def trader(self, address: str, at: int, window: str) -> Row | None:
        """All that is known of one trader at the midnight `at`; None where he was not seen by then.

        What takes longer than the connection allows, of a trader with very many fills, is None.
        """
        asked = {"address": address, "at": at, "days": WINDOWS[window]}
        figures = self._one(query("explorer/figures"), asked)
        if figures is None:
            return None
        return {
            "figures": figures,
            "track": self._one(query("explorer/track"), asked) or {},
            "families": self.families(address, at, window),
            "coins": self._patiently(query("explorer/coins_of"), asked),
            "labels": self._all(query("explorer/labels_of"), asked),
            "positions": self._all(query("explorer/positions_of"), asked),
            "trades": self._all(query("explorer/trades_of"), asked | {"limit": 20}),
            "followed": self.followed(address),
        }

    def last_fills(self, address: str, since: int, limit: int = 20) -> Rows:
        """The newest fills since then, with those that were only streamed so far."""
        asked = {"address": address, "since": since, "limit": limit}
        return self._all(query("explorer/last_fills"), asked)

    def families(self, address: str, at: int, window: str) -> list[FoundFamily]:
        """The figures of the catalogue; none of a trader with more fills than there is time for."""
        numbers = [row["trader_id"] for row in self.followed(address)]
        with self._connect() as connection:
            try:
                with connection.transaction():
                    return families(connection, address, at, window, next(iter(numbers), None))
            except psycopg.errors.QueryCanceled:
                return []

    def followed(self, address: str) -> Rows:
        """The settings by which an address is followed."""
        return self._all(query("explorer/followed"), {"address": address})

    def signals(self, address: str, limit: int = 20) -> Rows:
        """The last signals of an address, and what became of them."""
        return self._all(query("explorer/signals_of"), {"address": address, "limit": limit})

    def curve(self, address: str, at: int, window: str) -> Rows:
        """Result, gathered result and drawdown of every calendar day; none while undefined."""
        asked = {"address": address, "at": at, "days": WINDOWS[window]}
        return self._all(query("explorer/curve"), asked)

    def conditions(self) -> dict[tuple[str, str], Rows]:
        """Conditions of each rule, by rule set and rule."""
        found: dict[tuple[str, str], Rows] = {}
        for row in self._all(query("explorer/conditions"), {}):
            found.setdefault((row["rule_set"], row["rule"]), []).append(row)
        return found

    def seed_audit(self, address: str) -> Rows:
        """One trader's figures as the seeds have them, and corrected ones."""
        return self._all(query("explorer/seed_audit_of"), {"address": address})

    # --- comparison ----------------------------------------------------------------------

    def compared(self, addresses: list[str]) -> Rows:
        """The published rows of these traders, in this order; unknown ones are left out."""
        return self._all(query("explorer/published"), {"addresses": addresses})

    def pairs(self, addresses: list[str], at: int) -> dict[tuple[str, str], Pair]:
        """How alike each two of some traders are, by what was known at the midnight `at`."""
        asked = {"addresses": addresses, "at": at, "min_days": LEAST_COMMON_DAYS}
        correlations = {
            (row["address_a"], row["address_b"]): row
            for row in self._all(query("explorer/correlations"), asked)
        }
        overlaps = {
            (row["address_a"], row["address_b"]): row
            for row in self._patiently(query("explorer/overlaps"), asked) or []
        }
        found = {}
        for pair in combinations(sorted(set(addresses)), 2):
            alike, shared = correlations.get(pair, {}), overlaps.get(pair, {})
            found[pair] = Pair(
                alike.get("correlation"),
                alike.get("correlation_reason", None if alike else "unpriced_component"),
                alike.get("n_days", 0),
                shared.get("token_overlap"),
                shared.get("token_overlap_reason", None if shared else "no_data"),
            )
        return found

    # --- markets -------------------------------------------------------------------------

    def liquidations(
        self,
        start: int,
        end: int,
        *,
        coin: str | None = None,
        least_usd: Decimal | None = None,
        limit: int = 50,
    ) -> Rows:
        """The largest liquidation trades in [start, end)."""
        asked = {"from": start, "until": end, "coin": coin, "least": least_usd, "limit": limit}
        return self._all(query("explorer/liquidations"), asked)

    def liquidations_by_hour(
        self, start: int, end: int, *, coin: str | None = None, least_usd: Decimal | None = None
    ) -> Rows:
        """The same, a line per coin and hour."""
        asked = {"from": start, "until": end, "coin": coin, "least": least_usd}
        return self._all(query("explorer/liquidations_by_hour"), asked)

    def liquidators(
        self,
        start: int,
        end: int,
        *,
        coin: str | None = None,
        least_usd: Decimal | None = None,
        limit: int = 15,
    ) -> Rows:
        """Who took over most of them."""
        asked = {"from": start, "until": end, "coin": coin, "least": least_usd, "limit": limit}
        return self._all(query("explorer/liquidators"), asked)

    def positions_now(self) -> Rows:
        """Where smart money leans by the last hour known."""
        return self._all(query("explorer/positions_now"), {})

    def positions_between(self, start: int, end: int, coin: str | None = None) -> Rows:
        """Positions of smart money by hour in [start, end)."""
        return self._all(
            query("explorer/positions_between"), {"from": start, "until": end, "coin": coin}
        )

    def new_smart_money(self, since: int, limit: int = 50) -> Rows:
        """Who became SMART_DIRECTIONAL for the first time since then, and why."""
        asked = {"rule_set": CLASSIFIED_BY, "from": since, "limit": limit}
        return self._all(query("explorer/new_smart_money"), asked)

    # --- health and audit ----------------------------------------------------------------

    def health_days(self, from_day: str = "", limit: int = 60) -> Rows:
        """What came of the last days, the newest first."""
        return self._all(query("explorer/health_days"), {"from_day": from_day, "limit": limit})

    def health_relations(self) -> Rows:
        """How far each relation is built."""
        return self._all(query("explorer/health_relations"), {})

    def health_checks(self, days: int = 14) -> Rows:
        """The invariants of the last days."""
        return self._all(query("explorer/health_checks"), {"days": days})

    def health_now(self) -> Row:
        """How old the data are, what waits to be sent, when the last backup was."""
        return self._one(query("explorer/health_now"), {}) or {}

    def live_streams(self) -> Rows:
        """Streams of the live tail that are wanted; those without a connection first."""
        return self._all(query("explorer/live_streams"), {})

    def hours_by_day(self, start: int) -> Rows:
        """Hours with an object, of every day loaded from `start` on, a midnight in ms."""
        return self._all(query("explorer/hours_by_day"), {"from": start})

    def last_runs(self, now: int, limit: int = 20) -> Rows:
        """Dagster's runs under way, and those that ended last, the newest first."""
        return self._all(query("explorer/last_runs"), {"now": now, "limit": limit})

    def runs_of_day(self, now: int) -> Row:
        """What became of the runs of the last 24 hours."""
        return self._one(query("explorer/runs_of_day"), {"now": now}) or {}

    def quarantined(self, limit: int = 100) -> Rows:
        """Lines that were not taken."""
        return self._all(query("explorer/quarantined"), {"limit": limit})

    def open_alerts(self, limit: int = 20) -> Rows:
        """Alerts that want somebody's eye."""
        return self._all(query("explorer/open_alerts"), {"limit": limit})

    def followed_last_day(self) -> Rows:
        """How those who are followed did."""
        return self._all(query("explorer/followed_last_day"), {})

    def persistence(self) -> Rows:
        """The last persistence test."""
        return self._all(query("explorer/persistence"), {})

    # --- asking --------------------------------------------------------------------------

    @contextmanager
    def _cursor(self) -> Iterator[psycopg.Cursor[Row]]:
        with self._connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
            yield cursor

    def _all(self, statement: str | sql.Composed, values: dict[str, Any]) -> Rows:
        with self._cursor() as cursor:
            return cursor.execute(statement, values).fetchall()

    def _one(self, statement: str, values: dict[str, Any]) -> Row | None:
        with self._cursor() as cursor:
            return cursor.execute(statement, values).fetchone()

    def _apart(self, statement: str | sql.Composed, values: dict[str, Any]) -> Rows:
        """An error leaves the connection as it was: more may be asked of it."""
        with self._connect() as connection, connection.transaction():
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(statement, values).fetchall()

    def _patiently(self, statement: str, values: dict[str, Any]) -> Rows | None:
        try:
            return self._apart(statement, values)
        except psycopg.errors.QueryCanceled:
            return None


def day_before(at: int) -> int:
    """The midnight at which the day that ends at `at` began."""
    return at - DAY_MS


def hour_of(time: int) -> int:
    """The start of the hour that an instant belongs to."""
    return time - time % HOUR_MS


def _begin(sort: Sort) -> tuple[str, str]:
    # Before everything, whatever its key: addresses begin with 0x.
    return ("Infinity", "~") if sort.is_down else ("-Infinity", "")


def _cursor(sort: Sort, key: str, address: str) -> str:
    text = json.dumps([str(sort), key, address], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _cursor_of(cursor: str, sort: Sort) -> tuple[str, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        of, key, address = json.loads(text)
        float(key)
    except (binascii.Error, ValueError, TypeError) as error:
        raise CursorNotOurs from error
    if of != str(sort) or not isinstance(key, str) or not isinstance(address, str):
        raise CursorNotOurs
    return key, address
