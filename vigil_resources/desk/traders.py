"""Followed traders: their settings, the versions of those, and who made them.

Works on a connection that somebody else opened: what it does is part of that transaction, and is
there once that is committed. `trader_settings_history` is written by a trigger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from vigil_core.desk.parameters import BOUNDS
from vigil_core.errors import Duplicate, IsArchived, NotFound, OutOfBounds, StaleVersion
from vigil_resources.statements import query, template

Which = int | str
"""A trader's id; or his address, lower case: the first variant of it that is not archived."""

Sort = Literal["priority", "name", "created", "updated"]
SORTS: Mapping[Sort, tuple[str, bool]] = {
    "priority": ("priority", True),
    "name": ("name", True),
    "created": ("created_at", False),
    "updated": ("updated_at", False),
}
"""Column, and whether the least comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderSettings:
    """What may be set of a trader; `state` None leaves it as it is."""

    name: str
    note: str = ""
    state: str | None = None
    priority: int
    position_multiplier: Decimal
    base_size_usd: Decimal
    paper_capital_usd: Decimal
    token_whitelist: list[str]
    token_blacklist: list[str]
    max_leverage: Decimal
    min_confidence: Decimal
    drawdown_limit: Decimal | None
    win_rate_limit: Decimal | None
    win_rate_min_trades: int
    consecutive_losses_limit: int | None
    pause_automatically: bool
    promotion_days: int
    promotion_trades: int

    def columns(self) -> dict[str, Any]:
        """By the column of `traders`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def default_settings(name: str) -> TraderSettings:
    """The settings of a trader about whom nothing was said but a name."""
    numbers: dict[str, Any] = {column: bound.default for column, bound in BOUNDS.items()}
    return TraderSettings(
        name=name, token_whitelist=[], token_blacklist=[], pause_automatically=False, **numbers
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who a trader is, and where he was found."""

    user_address: str | None
    """Lower case; None: a source of signals without an address, such as a chat."""
    source: str = "manual"
    source_ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trader:
    """A row of `traders`; times in ms."""

    trader_id: int
    user_address: str | None
    variant: int
    name: str
    source: str
    source_ref: str
    state: str
    active: bool
    priority: int
    position_multiplier: Decimal
    base_size_usd: Decimal
    paper_capital_usd: Decimal
    token_whitelist: list[str]
    token_blacklist: list[str]
    max_leverage: Decimal
    min_confidence: Decimal
    paper_trade_only: bool
    drawdown_limit: Decimal | None
    win_rate_limit: Decimal | None
    win_rate_min_trades: int
    consecutive_losses_limit: int | None
    pause_automatically: bool
    promotion_days: int
    promotion_trades: int
    note: str
    followed_from: int
    version: int
    effective_at: int
    created_at: int
    updated_at: int
    updated_by: str
    archived_at: int | None

    def settings(self) -> TraderSettings:
        """What could be set again as it is."""
        names = [field.name for field in fields(TraderSettings)]
        return replace(TraderSettings(**{name: getattr(self, name) for name in names}), state=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsVersion:
    """One change of a trader's settings: the columns that changed, before and after."""

    version: int
    effective_at: int
    changed_at: int
    changed_by: str
    old_values: dict[str, Any] | None
    """None: the first version."""
    new_values: dict[str, Any]


class TraderFilter(NamedTuple):
    """Which traders are asked for; None asks nothing. Archived ones only where `state` says so."""

    state: str | None = None
    active: bool | None = None
    trader_type: str | None = None
    """As `trader_profiles` has it."""
    coin: str | None = None
    """He traded it on a loaded day."""
    text: str | None = None
    """Part of the name or the address."""


class Traders:
    """The rows of `traders`, within one transaction."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def get(self, which: Which) -> Trader:
        """Raises `NotFound`."""
        if isinstance(which, int):
            found = self._one(query("desk/trader_by_id"), {"trader_id": which})
        else:
            found = self._one(query("desk/trader_by_address"), {"user_address": which})
        if found is None:
            raise NotFound("trader", which)
        return found

    def page(
        self,
        wanted: TraderFilter,
        *,
        sort: Sort = "priority",
        after: tuple[Any, int] | None = None,
        limit: int = 50,
    ) -> list[Trader]:
        """At most `limit` traders in the order of `sort`, of those behind `after` (key, id)."""
        column, ascending = SORTS[sort]
        statement = template(
            "desk/traders",
            key=sql.Identifier("t", column),
            direction=sql.SQL("ASC" if ascending else "DESC"),
            comparison=sql.SQL(">" if ascending else "<"),
        )
        key, trader_id = after or (None, None)
        values = wanted._asdict() | {"after_key": key, "after_id": trader_id, "limit": limit}
        with self._connection.cursor(row_factory=class_row(Trader)) as cursor:
            return cursor.execute(statement, values).fetchall()

    def add(self, origin: Origin, settings: TraderSettings, *, by: str, variant: int = 1) -> Trader:
        """Follow somebody, from the end of the data known on.

        Raises:
            Duplicate: The address is followed already in this variant, or the name is taken.
            OutOfBounds: A setting is not within its bounds.
        """
        values = settings.columns() | {
            "user_address": origin.user_address,
            "source": origin.source,
            "source_ref": origin.source_ref,
            "state": settings.state or "evaluating",
            "variant": variant,
            "by": by,
        }
        added = self._one(query("desk/add_trader"), values)
        assert added is not None
        return added

    def replace(
        self, which: Which, version: int | None, settings: TraderSettings, *, by: str
    ) -> Trader:
        """Set all that may be set, of one version, or of whichever is there.

        Whoever is set back from live-ready trades on paper only.

        Raises:
            NotFound, StaleVersion, IsArchived, Duplicate, OutOfBounds: As said there.
        """
        values = settings.columns()
        if settings.state is None:
            del values["state"]
        else:
            values["paper_trade_only"] = True
        return self._change(which, version, values, by)

    def set_multiplier(
        self, which: Which, version: int | None, multiplier: Decimal, *, by: str
    ) -> Trader:
        """Set the position's size; raises as `replace`."""
        return self._change(which, version, {"position_multiplier": multiplier}, by)

    def set_tokens(
        self,
        which: Which,
        version: int | None,
        *,
        whitelist: Sequence[str],
        blacklist: Sequence[str],
        by: str,
    ) -> Trader:
        """Set which coins are copied: an empty whitelist is all of them; raises as `replace`."""
        values = {"token_whitelist": list(whitelist), "token_blacklist": list(blacklist)}
        return self._change(which, version, values, by)

    def set_alerts(
        self,
        which: Which,
        version: int | None,
        *,
        drawdown_limit: Decimal | None,
        win_rate_limit: Decimal | None,
        win_rate_min_trades: int,
        consecutive_losses_limit: int | None,
        pause_automatically: bool,
        by: str,
    ) -> Trader:
        """Set what is to be reported, None: nothing; raises as `replace`."""
        values = {
            "drawdown_limit": drawdown_limit,
            "win_rate_limit": win_rate_limit,
            "win_rate_min_trades": win_rate_min_trades,
            "consecutive_losses_limit": consecutive_losses_limit,
            "pause_automatically": pause_automatically,
        }
        return self._change(which, version, values, by)

    def switch(
        self, which: Which, active: bool | None, *, by: str, version: int | None = None
    ) -> Trader:
        """Switch on or off; None: the other way. As it is already, nothing changes.

        Raises:
            NotFound, IsArchived, StaleVersion: As said there.
        """
        trader = self.get(which)
        values = {
            "trader_id": trader.trader_id,
            "active": active,
            "version": version,
            "by": by,
        }
        changed = self._one(query("desk/set_active"), values)
        return changed or self._unchangeable(trader.trader_id, version)

    def archive(self, which: Which, *, by: str, version: int | None = None) -> Trader:
        """Follow no more, and keep all that was; raises as `switch`."""
        trader_id = self.get(which).trader_id
        values = {"trader_id": trader_id, "version": version, "by": by}
        archived = self._one(query("desk/archive_trader"), values)
        return archived or self._unchangeable(trader_id, version)

    def duplicate(
        self, which: Which, *, user_address: str | None = None, name: str | None = None, by: str
    ) -> Trader:
        """The same settings for another address, or as a further variant of the same one.

        The copy is evaluated anew, and switched off. Raises as `add`.
        """
        trader = self.get(which)
        address = user_address or trader.user_address
        is_variant = address is not None and address == trader.user_address
        variant = self._next_variant(str(address)) if is_variant else 1
        settings = replace(trader.settings(), name=name or _copied(trader.name, variant))
        origin = Origin(
            user_address=address,
            source=trader.source if is_variant else "manual",
            source_ref=trader.source_ref if is_variant else "",
        )
        return self.add(origin, settings, by=by, variant=variant)

    def history(
        self, which: Which, *, before: int | None = None, limit: int = 50
    ) -> list[SettingsVersion]:
        """Versions of the settings, newest first, of those before a version."""
        values = {"trader_id": self.get(which).trader_id, "before": before, "limit": limit}
        with self._connection.cursor(row_factory=class_row(SettingsVersion)) as cursor:
            return cursor.execute(query("desk/settings_history"), values).fetchall()

    # --- below: one statement each, and what it means that it changed nothing ----------------

    def _next_variant(self, user_address: str) -> int:
        asked = {"user_address": user_address}
        row = self._connection.execute(query("desk/next_variant"), asked).fetchone()
        assert row is not None
        return int(row[0])

    def _change(self, which: Which, version: int | None, values: dict[str, Any], by: str) -> Trader:
        trader_id = self.get(which).trader_id
        assignments = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column))
            for column in values
        )
        asked = values | {"trader_id": trader_id, "version": version, "by": by}
        changed = self._one(template("desk/change_trader", assignments=assignments), asked)
        if changed is None:
            self._unchangeable(trader_id, version)
            raise AssertionError("a row of the version asked for was not changed")
        return changed

    def _unchangeable(self, trader_id: int, version: int | None) -> Trader:
        """The row that a statement left alone: why, unless it was as wanted."""
        current = self.get(trader_id)
        if current.state == "archived":
            raise IsArchived("trader", trader_id)
        if version is not None and version != current.version:
            raise StaleVersion("trader", current, version, current.version)
        return current

    def _one(self, statement: str | sql.Composed, values: Mapping[str, Any]) -> Trader | None:
        try:
            with self._connection.cursor(row_factory=class_row(Trader)) as cursor:
                return cursor.execute(statement, values).fetchone()
        except psycopg.errors.UniqueViolation as error:
            raise Duplicate(_ALREADY[str(error.diag.constraint_name)]) from None
        except psycopg.errors.CheckViolation as error:
            raise OutOfBounds(_setting(str(error.diag.constraint_name))) from None


_ALREADY = {
    "traders_followed": "this variant of the address",
    "traders_named": "a trader of this name",
}


def _setting(constraint: str) -> str:
    return constraint.removeprefix("traders_").removesuffix("_check").removesuffix("_bounds")


def _copied(name: str, variant: int) -> str:
    mark = f" ({variant})" if variant > 1 else " (copy)"
    return name[: 80 - len(mark)] + mark
