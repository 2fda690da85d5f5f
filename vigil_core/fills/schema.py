"""The columns of a fill, as the lake stores them and the warehouse receives them."""

import polars as pl

MONEY_SCALE = 12
"""Decimals kept. Recorded data carry up to 10; a longer text is rejected, never rounded."""

MONEY = pl.Decimal(38, MONEY_SCALE)

KEY = ("time", "user_address", "coin", "oid", "tid")
"""What the recorded data prove unique. `tid` is 0 on every dust conversion, and shared by
the two sides of a trade; the order id keeps the two rows of a self-trade apart."""

LAKE_SCHEMA: dict[str, pl.DataType] = {
    "time": pl.Int64(),
    "user_address": pl.String(),
    "coin": pl.String(),
    "px": MONEY,
    "sz": MONEY,
    "side": pl.String(),
    "dir": pl.String(),
    "start_position": MONEY,
    "closed_pnl": MONEY,
    "fee": MONEY,
    "fee_token": pl.String(),
    "crossed": pl.Boolean(),
    "hash": pl.String(),
    "oid": pl.Int64(),
    "tid": pl.Int64(),
    "cloid": pl.String(),
    "twap_id": pl.Int64(),
    "builder": pl.String(),
    "builder_fee": MONEY,
    "deployer_fee": MONEY,
    "priority_gas": MONEY,
    "liquidation": pl.String(),
    "extra": pl.String(),
    "block_number": pl.Int64(),
    "event_index": pl.Int32(),
    "block_time": pl.Int64(),
    "local_time": pl.Int64(),
    "block_extra": pl.String(),
}
"""One row per side of a trade, in the order of execution: (`block_number`, `event_index`).

`time` in ms, `block_time` (consensus) and `local_time` (the writing node's clock) in ns since
the epoch, UTC. `liquidation`, `extra` (keys of the fill that Vigil does not know) and
`block_extra` (likewise, of its block) are JSON text. Prices and fees as the exchange gives
them: `fee` in `fee_token`, negative for a rebate, `builder_fee` and `deployer_fee` inside it.
"""

WAREHOUSE_COLUMNS = tuple(c for c in LAKE_SCHEMA if c not in {"local_time", "block_extra"})
"""What `fills` in the warehouse holds: all but the writing node's own circumstances."""

COLUMN_DESCRIPTIONS: dict[str, str] = {
    "time": "ms since the epoch, UTC; the block's time",
    "user_address": "trader, lower case",
    "coin": "market as the exchange writes it: BTC, @107 (spot), xyz:TSLA (builder perp)",
    "px": "price in the quote token",
    "sz": "size in base units, never negative",
    "side": "B: this trader bought, A: sold",
    "dir": "the exchange's label; an open set, never a source of signs",
    "start_position": "signed position (perps) or balance (spot) before this fill",
    "closed_pnl": "realized PnL of the closed part, before fees and funding",
    "fee": "in fee_token, builder's and deployer's part included; negative is a rebate",
    "fee_token": "token the fee is paid in; often not USDC",
    "crossed": "true: taker",
    "hash": "transaction; shared by many trades, zero for TWAP and system fills",
    "oid": "order of this side",
    "tid": "trade, shared by both sides; 0 on dust conversions",
    "cloid": "client order id, where given",
    "twap_id": "TWAP order, on its owner's side only",
    "builder": "front end the order came through",
    "builder_fee": "its part of fee",
    "deployer_fee": "the HIP-3 deployer's part of fee",
    "priority_gas": "paid beside the fee",
    "liquidation": "JSON {liquidatedUser, markPx, method}, on both sides of the trade",
    "extra": "JSON of keys unknown to Vigil, as they came",
    "block_number": "consensus block",
    "event_index": "0-based place in the block: the order of execution",
    "block_time": "ns since the epoch, UTC",
    "local_time": "ns since the epoch, UTC: clock of the writing node",
    "block_extra": "JSON of unknown keys of the block",
}
