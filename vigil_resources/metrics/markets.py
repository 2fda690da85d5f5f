"""What happened in markets, and to the data: lists by the page, rows as dictionaries by column."""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from vigil_core.calendar import day_start_ms
from vigil_core.errors import NotFound
from vigil_resources.database.warehouse import CLASSIFIED_BY
from vigil_resources.statements import query, template

Row = dict[str, Any]
Rows = list[Row]

ProfileSort = Literal[
    "net_pnl",
    "total_volume",
    "realized_pnl",
    "sharpe_ratio",
    "win_rate",
    "mtm_tv",
    "maker_pct",
    "trading_days",
    "total_fills",
    "last_trade_time",
]


class Markets:
    """Reads, within one transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def coins(
        self, day: date | None, *, after: tuple[Decimal, str] | None = None, limit: int = 50
    ) -> Rows:
        """Coins of a UTC day, the last one by default, by volume, behind (volume, coin)."""
        return self._all(query("markets/coins"), _of_day(day, after, limit))

    def builders(
        self, day: date | None, *, after: tuple[Decimal, str] | None = None, limit: int = 50
    ) -> Rows:
        """The same of builders."""
        return self._all(query("markets/builders"), _of_day(day, after, limit))

    def liquidations(
        self,
        *,
        start: int | None = None,
        end: int | None = None,
        coin: str | None = None,
        user: str | None = None,
        least: Decimal | None = None,
        after: tuple[int, str, int, str] | None = None,
        limit: int = 50,
    ) -> Rows:
        """Liquidation trades of [start, end), the last day by default, newest first.

        `after` is the time, coin, trade and victim of the one before.
        """
        names = ("after_time", "after_coin", "after_tid", "after_user")
        asked = {
            "start": start,
            "end": end,
            "coin": coin,
            "user": user,
            "least": least,
            "limit": limit,
        }
        key = dict(zip(names, after or (None,) * 4, strict=True))
        return self._all(query("markets/liquidations"), asked | key)

    def smart_money(
        self,
        *,
        start: int | None = None,
        end: int | None = None,
        coin: str | None = None,
        after: tuple[int, str] | None = None,
        limit: int = 50,
    ) -> Rows:
        """Positions by hour of [start, end), the last day by default, newest first."""
        hour, name = after or (None, None)
        asked = {"start": start, "end": end, "coin": coin, "limit": limit}
        return self._all(
            query("markets/smart_money"), asked | {"after_hour": hour, "after_coin": name}
        )

    def profiles(
        self,
        *,
        sort: ProfileSort,
        trader_type: str | None = None,
        min_trading_days: int | None = None,
        min_volume: Decimal | None = None,
        coin: str | None = None,
        after: tuple[Decimal, str] | None = None,
        limit: int = 50,
    ) -> Rows:
        """Profiles over all loaded days, highest first, behind (sort key, address)."""
        key, address = after or (None, None)
        asked = {
            "trader_type": trader_type,
            "min_trading_days": min_trading_days,
            "min_volume": min_volume,
            "coin": coin,
            "after_key": key,
            "after_address": address,
            "limit": limit,
        }
        return self._all(template("profiles/page", key=sql.Identifier(sort)), asked)

    def profile(self, address: str, as_of: date | None = None) -> Row:
        """One profile: over all loaded days, or by what was known at a midnight.

        Raises:
            NotFound: No fill of this address was seen by then.
        """
        if as_of is None:
            rows = self._all(query("profiles/one"), {"address": address})
        else:
            asked = {"address": address, "at": day_start_ms(as_of), "rule_set": CLASSIFIED_BY}
            rows = self._all(query("profiles/as_of"), asked)
        if not rows:
            raise NotFound("profile", address if as_of is None else f"{address} as of {as_of}")
        return rows[0]

    def labels(self, address: str, at: int) -> Rows:
        """What a trader was called, of what was decided by a moment, newest first."""
        return self._all(query("markets/labels"), {"address": address, "at": at})

    def explanation(self, address: str, day: date) -> Rows:
        """The figures of a trader's day: formula, inputs, and the objects they came from.

        Raises:
            NotFound: There are no figures of him on this day.
        """
        rows = self._all(query("markets/explain"), {"address": address, "day": day_start_ms(day)})
        if not rows:
            raise NotFound("figure", f"of {address} on {day}")
        for row in rows:
            row["inputs"] = _exact(row["inputs"])
            row["objects"] = _exact(row["objects"]) or []
        return rows

    def known_until(self) -> int | None:
        """The midnight until which traders' figures are built; None before the first day."""
        row = self._connection.execute(query("markets/known_until")).fetchone()
        return None if row is None else row[0]

    def tokens(self, address: str, before: int, days: int | None) -> tuple[Rows, Row | None]:
        """What a trader did in each perp over some days, and how it is concentrated."""
        asked = {"address": address, "at": before, "days": days}
        concentration = self._all(query("markets/concentration"), asked)
        return self._all(query("markets/tokens"), asked), next(iter(concentration), None)

    def data_days(self, *, before: str | None = None, limit: int = 50) -> Rows:
        """Loaded days, newest first: what came, what is missing, what is stale."""
        return self._all(query("health/data_days"), {"before": before, "limit": limit})

    def _all(self, statement: str | sql.Composed, values: Mapping[str, Any]) -> Rows:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, values).fetchall()


def _of_day(day: date | None, after: tuple[Decimal, str] | None, limit: int) -> Row:
    volume, name = after or (None, None)
    return {
        "day": None if day is None else day_start_ms(day),
        "after_volume": volume,
        "after_name": name,
        "limit": limit,
    }


def _exact(text: str | None) -> Any:
    """JSON whose fractions keep all their digits."""
    return None if text is None else json.loads(text, parse_float=Decimal)
