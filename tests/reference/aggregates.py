"""The daily tables of the contract, from fill rows, one plain loop per figure."""

import decimal
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

Row = dict[str, Any]

DAY_MS = 86_400_000
ZERO = Decimal(0)
USD_TOKENS = ("USDC", "USDT", "USDT0", "USDH", "USDE", "USDXL", "FEUSD", "USDHL", "USR")
EXACT = decimal.Context(
    prec=400, traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow]
)


def day_of(time_ms: int) -> int:
    """Midnight UTC, in ms, of the day of a time in ms."""
    return time_ms - time_ms % DAY_MS


def is_spot(coin: str) -> bool:
    """Spot pairs start with `@` or hold a `/`."""
    return coin.startswith("@") or "/" in coin


def add(left: Decimal, right: Decimal) -> Decimal:
    """left + right, exact or an error."""
    return EXACT.add(left, right)


def times(left: Decimal, right: Decimal) -> Decimal:
    """left x right, exact or an error."""
    return EXACT.multiply(left, right)


def total(values: Iterable[Decimal]) -> Decimal:
    """The exact sum; 0 of nothing."""
    result = ZERO
    for value in values:
        result = add(result, value)
    return result


def notional(row: Row) -> Decimal:
    """px x sz."""
    return times(row["px"], row["sz"])


def usd(amount: Decimal, row: Row) -> Decimal | None:
    """The USD value of a fee-like amount of a row, None where it has no price."""
    if amount == 0:
        return ZERO
    if row["fee_token"] in USD_TOKENS:
        return amount
    if is_spot(row["coin"]) and row["side"] == "B" and amount > 0:
        return times(amount, row["px"])
    return None


def usd_total(rows: list[Row], column: str) -> Decimal:
    """Sum of what can be priced of `fee` or `builder_fee`; absent amounts add nothing."""
    priced = [usd(row[column], row) for row in rows if row[column] is not None]
    return total(value for value in priced if value is not None)


def grouped(rows: list[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Rows by key, keys in order."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return {name: groups[name] for name in sorted(groups)}


def trader_daily(rows: list[Row]) -> list[Row]:
    """One dict per (day, user_address)."""
    result = []
    groups = grouped(rows, lambda row: (day_of(row["time"]), row["user_address"]))
    for (day, user), own in groups.items():
        liquidations = [row for row in own if row["liquidation"] is not None]
        twaps = [row for row in own if row["twap_id"] is not None]
        result.append(
            {
                "day": day,
                "user_address": user,
                "fill_count": len(own),
                "volume": total(notional(row) for row in own),
                "unique_coins": len({row["coin"] for row in own}),
                "realized_pnl": total(row["closed_pnl"] for row in own),
                "fees_paid": usd_total(own, "fee"),
                "builder_fees_paid": usd_total(own, "builder_fee"),
                "unpriced_fee_fills": sum(usd(row["fee"], row) is None for row in own),
                "taker_fills": sum(row["crossed"] for row in own),
                "maker_fills": sum(not row["crossed"] for row in own),
                "winning_fills": sum(row["closed_pnl"] > 0 for row in own),
                "losing_fills": sum(row["closed_pnl"] < 0 for row in own),
                "closing_fills": sum(row["closed_pnl"] != 0 for row in own),
                "open_long_count": sum(row["dir"] == "Open Long" for row in own),
                "open_short_count": sum(row["dir"] == "Open Short" for row in own),
                "liquidation_fills": len(liquidations),
                "liquidation_volume": total(notional(row) for row in liquidations),
                "twap_fills": len(twaps),
                "twap_volume": total(notional(row) for row in twaps),
            }
        )
    return result


def coin_daily(rows: list[Row]) -> list[Row]:
    """One dict per (day, coin); volumes by the taker's row only, dust left out."""
    result = []
    groups = grouped(rows, lambda row: (day_of(row["time"]), row["coin"]))
    for (day, coin), own in groups.items():
        takers = [row for row in own if row["crossed"]]
        trades = [row for row in takers if row["dir"] != "Spot Dust Conversion"]
        liquidations = [row for row in takers if row["liquidation"] is not None]
        result.append(
            {
                "day": day,
                "coin": coin,
                "fill_count": len(own),
                "unique_traders": len({row["user_address"] for row in own}),
                "volume": total(notional(row) for row in trades),
                "buy_volume": total(notional(row) for row in trades if row["side"] == "B"),
                "sell_volume": total(notional(row) for row in trades if row["side"] == "A"),
                "total_pnl": total(row["closed_pnl"] for row in own),
                "total_fees": usd_total(own, "fee"),
                "liquidation_count": len(liquidations),
                "liquidation_volume": total(notional(row) for row in liquidations),
            }
        )
    return result


def builder_daily(rows: list[Row]) -> list[Row]:
    """One dict per (day, builder), `direct` where a row names none."""
    result = []
    groups = grouped(
        rows,
        lambda row: (
            day_of(row["time"]),
            "direct" if row["builder"] is None else row["builder"],
        ),
    )
    for (day, builder), own in groups.items():
        result.append(
            {
                "day": day,
                "builder": builder,
                "fill_count": len(own),
                "unique_traders": len({row["user_address"] for row in own}),
                "volume": total(notional(row) for row in own),
                "total_fees": usd_total(own, "fee"),
                "builder_fees": usd_total(own, "builder_fee"),
            }
        )
    return result
