"""What happened, in execution order, cut into blocks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from vigil_sandbox.markets import Coin
from vigil_sandbox.prices import HOUR_MS

_MERGE_MS = 70
"""Actions closer together than this share a block."""

_EMPTY_SHARE = 0.42
"""Chance of an empty block before a block with fills: 30 % of all blocks are empty."""

_NS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """Why a trade was forced."""

    victim: str
    mark_price: int
    method: Literal["market", "backstop"]


@dataclass(slots=True, kw_only=True)
class Leg:
    """One trader's side of a trade."""

    trader: str
    oid: int
    crossed: bool
    start: int
    start_decimals: int
    direction: str
    closed_pnl: int
    fee: int
    fee_decimals: int
    fee_token: str
    builder: str | None = None
    builder_fee: int = 0
    cloid: str | None = None
    twap_id: int | None = None
    has_float_noise: bool = False


@dataclass(slots=True, kw_only=True)
class Trade:
    """Two legs that met, or one seller's leg of a dust conversion."""

    coin: Coin
    price: int
    size: int
    size_decimals: int
    order_hash: str
    """Names the taker's transaction; empty for system and TWAP trades."""

    tid: int
    buyer: Leg | None
    seller: Leg
    liquidation: Liquidation | None = None


@dataclass(slots=True, kw_only=True)
class Block:
    """One block of the chain. Times are nanoseconds since the epoch."""

    number: int
    block_time_ns: int
    local_time_ns: int
    trades: list[Trade] = field(default_factory=list)

    @property
    def time_ms(self) -> int:
        return self.block_time_ns // _NS


class Tape:
    """Opens and closes blocks as trades come in."""

    def __init__(self, rng: Random, first_number: int, sink: Callable[[Block], None]) -> None:
        self._rng = rng
        self._number = first_number
        self._sink = sink
        self._open: Block | None = None
        self._last_ms = 0
        self._last_local_ns = 0

    def block_at(self, time_ms: int) -> Block:
        """The block that a trade of this moment belongs to. Moments never go back."""
        block = self._open
        if (
            block is not None
            and time_ms - block.time_ms < _MERGE_MS
            and time_ms // HOUR_MS == block.time_ms // HOUR_MS
        ):
            return block
        self.cut()
        time_ms = max(time_ms, self._last_ms + 1)
        gap_ms = time_ms - self._last_ms
        if self._last_ms and gap_ms > 3 and self._rng.random() < _EMPTY_SHARE:
            before_ms = self._last_ms + 1 + self._rng.randrange(min(gap_ms - 2, HOUR_MS))
            self._sink(self._new_block(before_ms))
        self._open = self._new_block(time_ms)
        return self._open

    def cut(self) -> None:
        """Close the open block: whatever comes next is in a later one."""
        if self._open is not None:
            self._sink(self._open)
            self._open = None

    def _new_block(self, time_ms: int) -> Block:
        block_time_ns = time_ms * _NS + self._rng.randrange(_NS)
        lag_ns = self._rng.randrange(150 * _NS, 1_500 * _NS)
        local_time_ns = max(block_time_ns + lag_ns, self._last_local_ns + 1_000)
        block = Block(
            number=self._number,
            block_time_ns=block_time_ns,
            local_time_ns=local_time_ns,
        )
        self._number += 1
        self._last_ms = time_ms
        self._last_local_ns = local_time_ns
        return block
