"""What goes in and comes out of the routes about traders.

The bounds of numbers stand in `vigil_core.desk.parameters` and nowhere here: `Models` makes the
schemas of one application from them.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model, field_serializer

from vigil_api.etags import etag
from vigil_api.problems import Problem
from vigil_api.values import Address, Coin, Line, Money, Ratio, Text, Time, bounded, rfc3339
from vigil_core.desk.parameters import SOURCES, STATES, Bounds
from vigil_resources.desk import traders
from vigil_resources.desk.traders import Trader

Item = TypeVar("Item")


class Body(BaseModel):
    """What callers send: of the right types, and nothing unknown."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Out(BaseModel):
    """What is answered; made from the rows of the resources."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    @classmethod
    def of(cls, row: Any) -> Self:
        """From a row."""
        return cls.model_validate(row)


class Page(Out, Generic[Item]):
    """Some items of a list, and where it goes on."""

    items: list[Item]
    next: str | None
    """Cursor of the next page; null on the last."""


class TokensIn(Body):
    """Which coins are copied: an empty whitelist is all of them; the blacklist comes first."""

    token_whitelist: list[Coin] = Field(default=[], max_length=500)
    token_blacklist: list[Coin] = Field(default=[], max_length=500)

    def refuse_contradiction(self) -> None:
        """Raises `Problem` where a coin is on both lists."""
        both = {c.upper() for c in self.token_whitelist} & {c.upper() for c in self.token_blacklist}
        if both:
            raise Problem("contradiction", f"on both lists: {', '.join(sorted(both))}")


class AlertsIn(Body):
    """What is to be reported; null: nothing."""

    drawdown_limit: Decimal | None = None
    win_rate_limit: Decimal | None = None
    win_rate_min_trades: int = 10
    consecutive_losses_limit: int | None = None
    pause_automatically: bool = False


class MultiplierIn(Body):
    """Size of a position, times the base size."""

    position_multiplier: Decimal


class SettingsIn(TokensIn, AlertsIn):
    """All that may be set of a trader; what is left out gets its default."""

    name: Line
    note: Text = ""
    state: Literal["evaluating", "paper"] | None = None
    """Null: as it is. Live-ready is a decision of its own (`promote`); this takes it back."""
    priority: int
    position_multiplier: Decimal
    base_size_usd: Decimal
    paper_capital_usd: Decimal
    max_leverage: Decimal
    min_confidence: Decimal
    promotion_days: int
    promotion_trades: int

    def settings(self) -> traders.TraderSettings:
        """As the resource takes them. Raises `Problem` where they contradict one another."""
        self.refuse_contradiction()
        names = traders.TraderSettings.__dataclass_fields__
        return traders.TraderSettings(**{name: getattr(self, name) for name in names})


class TraderIn(SettingsIn):
    """A further trader."""

    user_address: Address
    source: Literal[SOURCES] = "manual"  # type: ignore[valid-type]
    source_ref: str = Field(default="", max_length=200, pattern="^[ -~]*$")


class DuplicateIn(Body):
    """For whom the settings are to be copied; nobody: a further variant of the same trader."""

    user_address: Address | None = None
    name: Line | None = None


class SwitchIn(Body):
    """On or off; null: the other way."""

    active: bool | None = None


class TraderOut(Out):
    """A followed trader, with the settings in force."""

    trader_id: int
    user_address: str | None
    variant: int
    name: str
    source: Literal[SOURCES]  # type: ignore[valid-type]
    source_ref: str
    state: Literal[STATES]  # type: ignore[valid-type]
    active: bool
    priority: int
    position_multiplier: Ratio
    base_size_usd: Money
    paper_capital_usd: Money
    token_whitelist: list[str]
    token_blacklist: list[str]
    max_leverage: Ratio
    min_confidence: Ratio
    paper_trade_only: bool
    drawdown_limit: Ratio | None
    win_rate_limit: Ratio | None
    win_rate_min_trades: int
    consecutive_losses_limit: int | None
    pause_automatically: bool
    promotion_days: int
    promotion_trades: int
    note: str
    followed_from: Time
    version: int
    effective_at: Time
    created_at: Time
    updated_at: Time
    updated_by: str
    archived_at: Time | None


class SettingsVersionOut(Out):
    """One change of a trader's settings."""

    version: int
    effective_at: Time
    changed_at: Time
    changed_by: str
    old_values: dict[str, Any] | None
    new_values: dict[str, Any]

    @field_serializer("old_values", "new_values")
    def _as_elsewhere(self, values: dict[str, Any] | None) -> dict[str, Any] | None:
        """Money and times as the trader himself has them."""
        if values is None:
            return None
        return {column: _SHOWN.get(column, _same)(value) for column, value in values.items()}


def _same(value: Any) -> Any:
    return value


def _moment(value: int | None) -> str | None:
    return None if value is None else rfc3339(value)


_SHOWN: dict[str, Callable[[Any], Any]] = {
    "base_size_usd": str,
    "paper_capital_usd": str,
    "followed_from": _moment,
    "created_at": _moment,
    "archived_at": _moment,
}


class Models:
    """The schemas of bodies whose bounds an installation may choose."""

    def __init__(self, bounds: Bounds) -> None:
        self.settings = _with_bounds(SettingsIn, bounds)
        self.trader = _with_bounds(TraderIn, bounds)
        self.alerts = _with_bounds(AlertsIn, bounds)
        self.multiplier = _with_bounds(MultiplierIn, bounds)
        self._bounds = bounds

    def backtest(self, request: type[Body], settings: type[Body]) -> type[Body]:
        """The request of a backtest: of settings that could be set, and the capital as well."""
        capital = bounded(self._bounds["paper_capital_usd"], whole=False)
        model = _with_bounds(settings, self._bounds)
        fields: dict[str, Any] = {
            "settings": (model, Field(default_factory=model)),
            "initial_capital_usd": (capital, Field(default=Decimal(10000))),
        }
        return create_model(
            request.__name__,
            __base__=_with_bounds(request, self._bounds),
            __doc__=request.__doc__,
            **fields,
        )


def _with_bounds(model: type[Body], bounds: Bounds) -> type[Body]:
    fields: dict[str, Any] = {}
    for name in model.model_fields.keys() & bounds.keys():
        bound = bounds[name]
        whole = model.model_fields[name].annotation in (int, int | None)
        kind = bounded(bound, whole=whole)
        if model is MultiplierIn:
            fields[name] = (kind, ...)
        elif bound.default is None:
            fields[name] = (kind | None, None)
        else:
            default = int(bound.default) if whole else bound.default
            # As a caller would write it.
            shown: Any = (
                default if whole else str(default) if bound.unit == "USD" else float(default)
            )
            fields[name] = (kind, Field(default=default, json_schema_extra={"default": shown}))
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)


def versioned(trader: Trader) -> dict[str, str]:
    """The headers of an answer that holds a trader."""
    return {"ETag": etag(trader)}
