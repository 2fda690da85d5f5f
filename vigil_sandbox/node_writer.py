"""The fills as the exchange's node writes them: one JSON line a block, one lz4 object an hour."""

from datetime import UTC, date, datetime
from pathlib import Path

import lz4.frame

from vigil_sandbox.decimals import text
from vigil_sandbox.tape import Block, Leg, Trade

ZERO_HASH = "0x" + "0" * 64
_SECOND_NS = 1_000_000_000
_HOUR_S = 3_600

_NOISE_DECIMALS = 10
"""A noisy start position is off by one unit in this decimal place."""


class NodeWriter:
    """Writes `node_fills_by_block/hourly/YYYYMMDD/H.lz4` below a root, in time order.

    A block belongs to the hour of the node's clock, which trails the block's own time; so the
    first blocks of an hour hold fills of the hour before.
    """

    def __init__(self, root: Path) -> None:
        self._root = root / "node_fills_by_block" / "hourly"
        self._hour = -1
        self._lines: list[str] = []
        self.object_count = 0

    def write(self, block: Block) -> None:
        hour = block.local_time_ns // _SECOND_NS // _HOUR_S
        if hour != self._hour:
            self.flush()
            self._hour = hour
        self._lines.append(block_line(block))

    def flush(self) -> None:
        """Write the running hour's object. Nothing may follow for that hour."""
        if not self._lines:
            return
        start = datetime.fromtimestamp(self._hour * _HOUR_S, UTC)
        path = self._root / f"{start:%Y%m%d}" / f"{start.hour}.lz4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(compressed("".join(self._lines).encode()))
        self._lines.clear()
        self.object_count += 1


def compressed(content: bytes) -> bytes:
    """One lz4 frame as the archive has it: independent blocks, checksum, no content size."""
    # One call of `lz4.frame.compress` would choose smaller blocks for a small hour.
    compressor = lz4.frame.LZ4FrameCompressor(
        block_size=lz4.frame.BLOCKSIZE_MAX4MB, block_linked=False, content_checksum=True
    )
    frame: bytes = compressor.begin() + compressor.compress(content) + compressor.flush()
    return frame


def block_line(block: Block) -> str:
    """One line, with its line feed."""
    events = ",".join(_events(block))
    return (
        f'{{"local_time":"{_iso(block.local_time_ns)}","block_time":"{_iso(block.block_time_ns)}",'
        f'"block_number":{block.number},"events":[{events}]}}\n'
    )


def _events(block: Block) -> list[str]:
    events = []
    for trade in block.trades:
        shared = _SharedText(trade, block.time_ms)
        if trade.buyer is not None:
            events.append(shared.leg(trade.buyer, "B"))
        events.append(shared.leg(trade.seller, "A"))
    return events


class _SharedText:
    """The parts that both legs of a trade have in common, formatted once."""

    def __init__(self, trade: Trade, time_ms: int) -> None:
        price = text(trade.price, trade.coin.price_decimals)
        size = text(trade.size, trade.size_decimals)
        self._head = f'"coin":"{trade.coin.name}","px":"{price}","sz":"{size}","side":"'
        self._time = time_ms
        self._hash = trade.order_hash or ZERO_HASH
        self._tid = trade.tid
        self._money_decimals = trade.coin.money_decimals
        liquidation = trade.liquidation
        self._liquidation = (
            ""
            if liquidation is None
            else f'"liquidation":{{"liquidatedUser":"{liquidation.victim}","markPx":"'
            f'{text(liquidation.mark_price, trade.coin.price_decimals)}",'
            f'"method":"{liquidation.method}"}},'
        )

    def leg(self, leg: Leg, side: str) -> str:
        builder_fee = (
            f'"builderFee":"{text(leg.builder_fee, leg.fee_decimals)}",' if leg.builder_fee else ""
        )
        cloid = f'"cloid":"{leg.cloid}",' if leg.cloid else ""
        builder = f'"builder":"{leg.builder}",' if leg.builder else ""
        twap_id = "null" if leg.twap_id is None else leg.twap_id
        return (
            f'["{leg.trader}",{{{self._head}{side}","time":{self._time},'
            f'"startPosition":"{_start_text(leg)}","dir":"{leg.direction}",'
            f'"closedPnl":"{text(leg.closed_pnl, self._money_decimals)}",'
            f'"hash":"{self._hash}","oid":{leg.oid},'
            f'"crossed":{"true" if leg.crossed else "false"},'
            f'"fee":"{text(leg.fee, leg.fee_decimals)}",{builder_fee}"tid":{self._tid},{cloid}'
            f'{self._liquidation}"feeToken":"{leg.fee_token}",{builder}"twapId":{twap_id}}}]'
        )


def _start_text(leg: Leg) -> str:
    if not leg.has_float_noise or leg.start == 0:
        return text(leg.start, leg.start_decimals)
    fine = leg.start * int(10 ** (_NOISE_DECIMALS - leg.start_decimals))
    return text(fine + (1 if leg.oid % 2 else -1), _NOISE_DECIMALS)


def _iso(time_ns: int) -> str:
    """Naive UTC text with nanoseconds."""
    seconds, nanoseconds = divmod(time_ns, _SECOND_NS)
    days, second = divmod(seconds, 86_400)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    day = date.fromordinal(_EPOCH_ORDINAL + days)
    return f"{day.isoformat()}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}"


_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
