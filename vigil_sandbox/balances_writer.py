"""Daily snapshots of every account, in the form of the public balances archive."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vigil_sandbox.books import Account, Position
from vigil_sandbox.decimals import quotient, text
from vigil_sandbox.exchange import Exchange
from vigil_sandbox.markets import COIN_BY_NAME, TOKEN_DECIMALS, Coin

_TOKEN_INDEX = {"USDC": 0, "PURR": 1, "HYPE": 150, "UBTC": 197}
_PART_COUNT = 2
_ENTRY_DIGITS = 6
_RETURN_DECIMALS = 10


def write_balances(root: Path, exchange: Exchange) -> int:
    """Write the books as they stand now, and give the number of accounts.

    Two files, `artemis/raw/perp_and_spot_balances/YYYY/MM/DD/part-N.jsonl`. `perpetual` covers
    the core clearing house alone, as one call of the info API does; positions on other dexes
    are not in it. Every fortieth account stands in both files, the second time a little later.
    """
    taken_at = datetime.fromtimestamp(exchange.now_ms // 1000, UTC) + timedelta(
        milliseconds=exchange.now_ms % 1000
    )
    folder = root / "artemis" / "raw" / "perp_and_spot_balances" / f"{taken_at:%Y/%m/%d}"
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[list[str]] = [[] for _ in range(_PART_COUNT)]
    for index, account in enumerate(exchange.accounts.values()):
        state = {
            "perpetual": _perp_state(exchange, account),
            "spot": _spot_state(account),
        }
        stamps = [(index % _PART_COUNT, index)]
        if index % 40 == 0:
            stamps.append((_PART_COUNT - 1, index + 500))
        for part, microseconds in stamps:
            stamp = (taken_at + timedelta(microseconds=microseconds)).replace(tzinfo=None)
            record = {
                "address": account.address,
                "timestamp": stamp.isoformat(timespec="microseconds"),
                "response": state,
            }
            parts[part].append(json.dumps(record, separators=(",", ":")))
    for part, lines in enumerate(parts):
        head = {
            "_metadata": True,
            "date": f"{taken_at:%Y-%m-%d}",
            "part": part,
            "records": len(lines),
        }
        content = "\n".join([json.dumps(head, separators=(",", ":")), *lines]) + "\n"
        (folder / f"part-{part}.jsonl").write_text(content, encoding="utf-8")
    return len(exchange.accounts)


def _perp_state(exchange: Exchange, account: Account) -> dict[str, object]:
    equity = exchange.equity(account)
    open_positions = [
        (COIN_BY_NAME[name], position)
        for name, position in account.positions.items()
        if position.size and not COIN_BY_NAME[name].dex
    ]
    marks = {
        coin.name: exchange.paths[coin.name].mark(exchange.now_ms) for coin, _ in open_positions
    }
    values = [abs(position.size) * marks[coin.name] for coin, position in open_positions]
    margins = [
        value // _leverage(account, coin)
        for value, (coin, _) in zip(values, open_positions, strict=True)
    ]
    needed = [
        value // (2 * coin.max_leverage)
        for value, (coin, _) in zip(values, open_positions, strict=True)
    ]
    summary = {
        "accountValue": text(equity, 6),
        "totalNtlPos": text(sum(values), 6),
        "totalRawUsd": text(account.margin("").raw_usd, 6),
        "totalMarginUsed": text(sum(margins), 6),
    }
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": text(sum(needed), 6),
        "withdrawable": text(max(0, equity - sum(margins)), 6),
        "assetPositions": [
            {
                "type": "oneWay",
                "position": _position(
                    account, coin, position, marks[coin.name], equity - sum(needed)
                ),
            }
            for coin, position in open_positions
        ],
        "time": exchange.now_ms,
    }


def _position(
    account: Account, coin: Coin, position: Position, mark: int, spare: int
) -> dict[str, object]:
    """One open position; `spare` is the equity above maintenance, 10^-6 USD."""
    value = abs(position.size) * mark
    unrealized = position.size * mark - position.cost
    leverage = _leverage(account, coin)
    margin = value // leverage
    return {
        "coin": coin.name,
        "szi": text(position.size, coin.size_decimals),
        "leverage": {"type": "cross", "value": leverage},
        "entryPx": _entry_price(coin, position),
        "positionValue": text(value, 6),
        "unrealizedPnl": text(unrealized, 6),
        "returnOnEquity": text(
            quotient(unrealized * 10**_RETURN_DECIMALS, max(1, margin)),
            _RETURN_DECIMALS,
        ),
        "liquidationPx": _liquidation_price(coin, position, mark, spare),
        "marginUsed": text(margin, 6),
        "maxLeverage": coin.max_leverage,
        "cumFunding": {
            "allTime": text(position.funding_paid, 6),
            "sinceOpen": text(position.funding_paid_since_open, 6),
            "sinceChange": text(position.funding_paid_since_change, 6),
        },
    }


def _leverage(account: Account, coin: Coin) -> int:
    return min(account.leverage, coin.max_leverage)


def _entry_price(coin: Coin, position: Position) -> str:
    """The average entry, rounded for show to six digits beyond the leading one."""
    entry = quotient(abs(position.cost) * 1000, abs(position.size))
    step = 10 ** max(0, len(str(entry)) - _ENTRY_DIGITS - 1)
    return text(quotient(entry, step) * step, coin.price_decimals + 3)


def _liquidation_price(coin: Coin, position: Position, mark: int, spare: int) -> str | None:
    """Where this coin alone would bring the account to maintenance; null if at no price."""
    # Each price step costs the position's size and frees half a margin unit of maintenance.
    doubled = 2 * coin.max_leverage
    sign = 1 if position.size > 0 else -1
    shift = spare * doubled // (abs(position.size) * (doubled - sign))
    price = mark - sign * shift
    return text(price, coin.price_decimals) if price > 0 else None


def _spot_state(account: Account) -> dict[str, object]:
    return {
        "balances": [
            {
                "coin": token,
                "token": _TOKEN_INDEX[token],
                "total": text(units, TOKEN_DECIMALS),
                "hold": "0.0",
                "entryNtl": text(account.spot_costs.get(token, 0), TOKEN_DECIMALS),
            }
            for token, units in account.balances.items()
            if units
        ]
    }
