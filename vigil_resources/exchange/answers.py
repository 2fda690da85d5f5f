"""What the exchange's answers hold, once they are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from vigil_core.calendar import DAY_MS, HOUR_MS
from vigil_core.fills.schema import LAKE_SCHEMA, MONEY

FUNDING_SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Int64(),
    "coin": pl.String(),
    "rate": MONEY,
    "premium": MONEY,
}
"""One row per settlement. `time` in ms as the exchange stamped it, shortly after the hour it pays
for; `rate` a fraction for that hour (for eight of them until 2023-06-08), positive when longs pay;
`premium` may be null."""

USER_FUNDING_SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Int64(),
    "coin": pl.String(),
    "usdc": MONEY,
    "szi": MONEY,
    "funding_rate": MONEY,
    "samples": pl.Int64(),
    "hash": pl.String(),
}
"""One row per payment of an account. `usdc` is positive when received, `szi` signed. A row with
`samples` is the sum of that many payments of the UTC day that begins with `time`, its size and
rate their means; else `time` is the payment's own, shortly after the hour."""

CANDLE_SCHEMA: dict[str, pl.DataType] = {
    "open_time": pl.Int64(),
    "open": MONEY,
    "high": MONEY,
    "low": MONEY,
    "close": MONEY,
    "volume": MONEY,
    "trades": pl.Int64(),
}
"""One row per closed candle. `open_time` in ms, prices in the quote token, `volume` in base
units."""

META_SCHEMA: dict[str, pl.DataType] = {
    "coin": pl.String(),
    "size_decimals": pl.Int64(),
    "max_leverage": pl.Int64(),
    "is_delisted": pl.Boolean(),
    "only_isolated": pl.Boolean(),
}
"""One row per perpetual, in the exchange's order, which numbers them."""

FILL_FIELDS = {
    "time": "time",
    "coin": "coin",
    "px": "px",
    "sz": "sz",
    "side": "side",
    "dir": "dir",
    "startPosition": "start_position",
    "closedPnl": "closed_pnl",
    "fee": "fee",
    "feeToken": "fee_token",
    "crossed": "crossed",
    "hash": "hash",
    "oid": "oid",
    "tid": "tid",
    "cloid": "cloid",
    "twapId": "twap_id",
    "builder": "builder",
    "builderFee": "builder_fee",
    "deployerFee": "deployer_fee",
    "priorityGas": "priority_gas",
    "liquidation": "liquidation",
}
"""Columns of `FILL_SCHEMA` by the API's names."""

FILL_ALWAYS = {"coin", "px", "sz", "side", "dir", "start_position", "closed_pnl", "fee"}
FILL_ALWAYS |= {"crossed", "hash", "oid"}
"""Never null."""

FILL_SCHEMA: dict[str, pl.DataType] = {
    "time": LAKE_SCHEMA["time"],
    "user_address": LAKE_SCHEMA["user_address"],
    **{name: LAKE_SCHEMA[name] for name in FILL_FIELDS.values() if name != "time"},
    "extra": LAKE_SCHEMA["extra"],
}
"""The columns of `LAKE_SCHEMA` that the API gives, with the same meaning. `fee_token` and `tid` are
null in answers of 2023."""

INTERVALS_MS: dict[str, int] = {
    **{f"{n}m": n * 60_000 for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR_MS for n in (1, 2, 4, 8, 12)},
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
    "1M": 28 * DAY_MS,
}
"""Intervals that candles come in; a month at its shortest."""


@dataclass(frozen=True, slots=True)
class Candles:
    """Closed candles of a window, and what of it the API does not hold any more."""

    rows: pl.DataFrame
    """Columns of `CANDLE_SCHEMA`, by `open_time`. An interval without a row is not known: it is
    not flat."""
    start_ms: int
    end_ms: int
    """Where the closed part of the window ends."""
    unavailable: tuple[tuple[int, int], ...]
    """Parts of it, start <= t < end, that could not be had."""

    @property
    def available_from(self) -> int | None:
        """From this ms on, nothing was refused; None where nothing of the window could be had."""
        start = self.unavailable[-1][1] if self.unavailable else self.start_ms
        return start if start < self.end_ms else None


@dataclass(frozen=True, slots=True)
class UserFills:
    """A trader's fills of a window, and whether earlier ones of it may be out of reach."""

    rows: pl.DataFrame
    """Columns of `FILL_SCHEMA`, by `time`; the order within one is the exchange's, and means
    nothing. Slices of TWAP orders are never among those of other orders."""
    history_complete: bool
    """False where as many fills since the window's start are known as the API keeps: it may have
    dropped some of the window."""


@dataclass(frozen=True, slots=True)
class LedgerUpdate:
    """Money of an account that moved otherwise than by trades and funding."""

    time: int
    """Ms."""
    hash: str
    kind: str
    delta: Mapping[str, Any]
    """As the API wrote it, `type` included; floats as their text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """An open perpetual position. Sizes in base units, money in the dex's collateral."""

    coin: str
    size: Decimal
    """Negative when short."""
    entry_price: Decimal | None
    position_value: Decimal
    """Never negative."""
    unrealized_pnl: Decimal
    leverage_type: str
    """`cross` or `isolated`."""
    leverage: int
    liquidation_price: Decimal | None
    margin_used: Decimal
    max_leverage: int | None
    funding_all_time: Decimal | None
    """Positive when this account paid; likewise the next."""
    funding_since_open: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearinghouseState:
    """One account on one dex at one moment; money in the dex's collateral."""

    time: int | None
    """Ms; answers of 2023 have none."""
    account_value: Decimal
    total_notional: Decimal
    total_raw_usd: Decimal
    """May be negative."""
    margin_used: Decimal
    withdrawable: Decimal
    positions: tuple[Position, ...]
