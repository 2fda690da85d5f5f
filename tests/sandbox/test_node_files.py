"""The node's files: envelope, cut, order, pairs and field forms."""

import json
import re
from collections import Counter
from datetime import UTC, datetime

import lz4.frame

from vigil_sandbox.world import TINY, World

from .oracle import DAY_MS, HOUR_MS, ZERO_HASH, WorldFiles

KEY_ORDER = [
    "coin", "px", "sz", "side", "time", "startPosition", "dir", "closedPnl", "hash", "oid",
    "crossed", "fee", "builderFee", "tid", "cloid", "liquidation", "feeToken", "builder", "twapId",
]  # fmt: skip
DECIMAL = re.compile(r"-?(0|[1-9]\d*)\.(0|\d*[1-9])")


def nanoseconds(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    assert len(fraction) == 9
    return int(datetime.fromisoformat(seconds).replace(tzinfo=UTC).timestamp()) * 10**9 + int(
        fraction
    )


def test_every_day_has_24_objects_and_the_day_after_has_the_spill(tiny: World) -> None:
    folder = tiny.root / "node_fills_by_block" / "hourly"

    names = {day.name: sorted(int(path.stem) for path in day.iterdir()) for day in folder.iterdir()}

    assert names == {
        "20250901": [*range(24)],
        "20250902": [*range(24)],
        "20250903": [0],
    }
    assert not (folder / "20250901" / "01.lz4").exists()


def test_objects_are_single_frames_like_the_archives(tiny: World) -> None:
    for path in (tiny.root / "node_fills_by_block").rglob("*.lz4"):
        content = path.read_bytes()
        frame = lz4.frame.get_frame_info(content)
        decoder = lz4.frame.LZ4FrameDecompressor()

        assert content[:4].hex() == "04224d18"
        assert content[4:6].hex() == "6470"
        assert frame["content_size"] == 0
        assert decoder.decompress(content).endswith(b"}\n")
        assert decoder.eof
        assert not decoder.unused_data


def test_lines_are_compact_json_with_four_keys(tiny: World) -> None:
    path = tiny.root / "node_fills_by_block" / "hourly" / "20250902" / "13.lz4"

    for line in lz4.frame.decompress(path.read_bytes()).decode().splitlines():
        block = json.loads(line)
        assert line == json.dumps(block, separators=(",", ":"))
        assert list(block) == ["local_time", "block_time", "block_number", "events"]


def test_block_numbers_rise_by_one_within_and_across_objects(files: WorldFiles) -> None:
    numbers = [block["block_number"] for _, _, block in files.blocks]

    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_both_clocks_rise_and_the_node_trails(files: WorldFiles) -> None:
    block_times = [nanoseconds(block["block_time"]) for _, _, block in files.blocks]
    local_times = [nanoseconds(block["local_time"]) for _, _, block in files.blocks]
    lags = [local - at for at, local in zip(block_times, local_times, strict=True)]

    assert block_times == sorted(set(block_times))
    assert local_times == sorted(set(local_times))
    assert min(lags) >= 150_000_000
    assert max(lags) <= 1_500_000_000


def test_objects_are_cut_by_the_nodes_clock(files: WorldFiles) -> None:
    for day, hour, block in files.blocks:
        assert block["local_time"].startswith(f"{day[:4]}-{day[4:6]}-{day[6:]}T{hour:02}:")


def test_every_hour_begins_with_fills_of_the_hour_before(files: WorldFiles) -> None:
    spilled: Counter[tuple[str, int]] = Counter()
    for day, hour, block in files.blocks:
        local_hour = nanoseconds(block["local_time"]) // 10**9 // 3600
        spilled[day, hour] += sum(row["time"] // HOUR_MS < local_hour for _, row in block["events"])
    after_the_first = [key for key in spilled if key != ("20250901", 0)]

    assert len(after_the_first) == 48
    assert all(spilled[key] > 0 for key in after_the_first)


def test_the_day_after_the_last_holds_nothing_else(files: WorldFiles) -> None:
    times = [
        row["time"] for day, _, block in files.blocks if day == "20250903"
        for _, row in block["events"]
    ]  # fmt: skip

    assert times
    assert max(fill["time"] for fill in files.fills) < TINY.end_ms
    assert min(times) >= TINY.end_ms - HOUR_MS


def test_fill_time_is_block_time_cut_to_milliseconds(files: WorldFiles) -> None:
    for _, _, block in files.blocks:
        assert {row["time"] for _, row in block["events"]} <= {
            nanoseconds(block["block_time"]) // 10**6
        }


def test_about_a_third_of_the_blocks_is_empty(files: WorldFiles) -> None:
    empty = sum(not block["events"] for _, _, block in files.blocks)

    assert 0.2 < empty / len(files.blocks) < 0.4


def test_both_legs_of_a_trade_stand_together_buyer_first(files: WorldFiles) -> None:
    for buyer, seller in files.trades:
        assert (buyer["side"], seller["side"]) == ("B", "A")
        assert (buyer.block, buyer.index + 1) == (seller.block, seller.index)
        for key in ("coin", "px", "sz", "time", "hash", "tid"):
            assert buyer[key] == seller[key]
        assert {buyer["crossed"], seller["crossed"]} == {True, False}
        assert buyer.trader != seller.trader
        assert buyer["oid"] != seller["oid"]
        assert buyer.row.get("liquidation") == seller.row.get("liquidation")


def test_the_takers_order_is_the_younger_one(files: WorldFiles) -> None:
    for buyer, seller in files.trades:
        taker, maker = (buyer, seller) if buyer["crossed"] else (seller, buyer)
        assert taker["oid"] > maker["oid"]


def test_trade_ids_are_distinct_50_bit_numbers(files: WorldFiles) -> None:
    ids = [buyer["tid"] for buyer, _ in files.trades]

    assert len(set(ids)) == len(ids)
    assert all(0 < tid < 2**50 for tid in ids)


def test_hashes_embed_their_block(files: WorldFiles) -> None:
    for fill in files.fills:
        text = fill["hash"]
        assert re.fullmatch(r"0x[0-9a-f]{64}", text)
        if text != ZERO_HASH:
            assert bytes.fromhex(text[2:])[10:15] == b"\x04" + fill.block.to_bytes(4, "big")


def test_one_hash_covers_several_trades_of_one_order(files: WorldFiles) -> None:
    trades: Counter[str] = Counter(buyer["hash"] for buyer, _ in files.trades)
    takers = {
        (leg["hash"], leg["oid"])
        for pair in files.trades for leg in pair
        if leg["crossed"] and leg["hash"] != ZERO_HASH
    }  # fmt: skip

    assert max(count for text, count in trades.items() if text != ZERO_HASH) > 1
    assert len(takers) == len({text for text, _ in takers})


def test_keys_come_in_the_nodes_order(files: WorldFiles) -> None:
    for fill in files.fills:
        assert list(fill.row) == [key for key in KEY_ORDER if key in fill.row]
        assert {"feeToken", "twapId", "tid"} <= fill.row.keys()
        assert "builder" in fill.row or "builderFee" not in fill.row


def test_decimals_are_shortest_text_with_a_point(files: WorldFiles) -> None:
    for fill in files.fills:
        for key in ("px", "sz", "startPosition", "closedPnl", "fee"):
            assert DECIMAL.fullmatch(fill[key]), (key, fill[key])
            assert fill[key] != "-0.0"


def test_prices_have_at_most_five_digits_or_none_after_the_point(
    files: WorldFiles,
) -> None:
    for buyer, _ in files.trades:
        whole, _, fraction = buyer["px"].partition(".")
        digits = (whole + fraction).strip("0")
        assert len(digits) <= 5 or fraction == "0"


def test_the_first_fill_falls_on_the_first_day(files: WorldFiles) -> None:
    first_ms = files.fills[0]["time"]

    assert TINY.start_ms <= first_ms < TINY.start_ms + DAY_MS
