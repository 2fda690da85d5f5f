"""The older generations of a world: every fill once, in the form of their time."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lz4.frame
import pytest

from tests.reference.shared_files import shared_file
from tests.reference.slow_older_generations import (
    distinct_fill_lines,
    distinct_trades,
    hand_over,
    read_fill_line,
    read_older_object,
    read_trade_line,
)
from tests.reference.slow_reader import Row, read_object
from vigil_sandbox.older_writers import (
    BLOCKS,
    hours_from,
    object_path,
    write_fills,
    write_trades,
    written_hours,
)
from vigil_sandbox.world import World

from .oracle import ZERO_HASH, Fill, WorldFiles

SAMPLE = "data/real/node_trades/20250624_02_trades_00-16.jsonl"
TRADE_KEYS = ["coin", "side", "time", "px", "sz", "hash", "trade_dir_override", "side_info"]
PARTY_KEYS = ["user", "start_pos", "oid", "twap_id", "cloid"]

Writer = Callable[[Path, Path, Iterable[datetime]], list[Path]]


@dataclass(frozen=True)
class Older:
    """All hours of the tiny world in both older formats."""

    root: Path
    fills: list[Path]
    trades: list[Path]

    def fill_lines(self) -> list[tuple[str, dict[str, Any]]]:
        return [(line[0], line[1]) for line in lines_of(self.fills)]

    def trade_lines(self) -> list[dict[str, Any]]:
        return lines_of(self.trades)


@pytest.fixture(scope="module")
def older(tiny: World, tmp_path_factory: pytest.TempPathFactory) -> Older:
    root = tmp_path_factory.mktemp("older")
    hours = written_hours(tiny.root)
    return Older(
        root, write_fills(tiny.root, root, hours), write_trades(tiny.root, root, iter(hours))
    )


def text_of(path: Path) -> str:
    content: bytes = lz4.frame.decompress(path.read_bytes())
    return content.decode()


def lines_of(paths: list[Path]) -> list[Any]:
    return [json.loads(line) for path in paths for line in text_of(path).splitlines()]


def test_objects_have_the_names_of_the_newest_ones(tiny: World, older: Older) -> None:
    newest = tiny.root / BLOCKS / "hourly"
    names = {path.relative_to(newest) for path in newest.rglob("*.lz4")}

    assert len(names) == 49
    for folder, paths in (("node_fills", older.fills), ("node_trades", older.trades)):
        assert {path.relative_to(older.root / folder / "hourly") for path in paths} == names
        assert set((older.root / folder).rglob("*.lz4")) == set(paths)


def test_objects_are_frames_and_lines_like_the_archives(older: Older) -> None:
    for path in [*older.fills, *older.trades]:
        assert path.read_bytes()[:6].hex() == "04224d186470"
        for line in text_of(path).splitlines():
            assert line == json.dumps(json.loads(line), separators=(",", ":"))
        assert text_of(path).endswith("\n")


def test_every_leg_is_a_line_once_in_the_order_of_execution(
    older: Older, files: WorldFiles
) -> None:
    expected = [
        (fill.trader, {key: fill[key] for key in fill.row if key != "twapId"})
        for fill in files.fills
    ]
    found = older.fill_lines()

    assert found == expected
    assert [list(fill) for _, fill in found] == [list(fill) for _, fill in expected]
    keys = Counter((f["time"], user, f["coin"], f["oid"], f["tid"]) for user, f in found)
    assert set(keys.values()) == {1}


def test_legs_stand_in_the_hour_of_the_nodes_clock(tiny: World, older: Older) -> None:
    for hour, path in zip(written_hours(tiny.root), older.fills, strict=True):
        newest = lines_of([object_path(tiny.root, BLOCKS, hour)])
        legs = sum(len(block["events"]) for block in newest)
        assert len(lines_of([path])) == legs
        assert path == object_path(older.root, "node_fills", hour)


def test_trades_have_their_keys_in_the_nodes_order(older: Older) -> None:
    assert_key_order(older.trade_lines())


def test_recorded_trades_have_the_same_keys_in_the_same_order() -> None:
    assert_key_order([json.loads(line) for line in shared_file(SAMPLE).read_text().splitlines()])


def assert_key_order(trades: list[dict[str, Any]]) -> None:
    assert trades
    for trade in trades:
        assert list(trade) == TRADE_KEYS
        assert [list(party) for party in trade["side_info"]] == [PARTY_KEYS, PARTY_KEYS]


def test_values_have_the_types_of_the_recorded_ones(older: Older) -> None:
    recorded = [json.loads(line) for line in shared_file(SAMPLE).read_text().splitlines()]

    def kinds(trades: list[dict[str, Any]]) -> set[tuple[str, type]]:
        found = {(key, type(value)) for trade in trades for key, value in trade.items()}
        parties = [party for trade in trades for party in trade["side_info"]]
        return found | {(key, type(value)) for party in parties for key, value in party.items()}

    # The recorded ones hold no TWAP.
    assert kinds(older.trade_lines()) == kinds(recorded) | {("twap_id", int)}
    assert {len(trade["time"]) for trade in recorded} == {29}
    assert {len(trade["time"]) for trade in older.trade_lines()} == {29}


def test_every_trade_is_a_line_once_and_dust_is_none(older: Older, files: WorldFiles) -> None:
    times = {block["block_number"]: block["block_time"] for _, _, block in files.blocks}
    found = older.trade_lines()

    def party(leg: Fill) -> list[Any]:
        row = leg.row
        return [leg.trader, row["startPosition"], row["oid"], row["twapId"], row.get("cloid")]

    assert any(fill.is_dust for fill in files.fills)
    assert len(found) == len(files.trades)
    for trade, (buyer, seller) in zip(found, files.trades, strict=True):
        taker, maker = (buyer, seller) if buyer["crossed"] else (seller, buyer)
        assert trade["time"] == times[buyer.block]
        assert [trade[key] for key in ("coin", "px", "sz", "hash")] == [
            buyer[key] for key in ("coin", "px", "sz", "hash")
        ]
        assert trade["side"] == taker["side"] != maker["side"]
        assert [list(entry.values()) for entry in trade["side_info"]] == [
            party(buyer),
            party(seller),
        ]


def test_trades_of_every_kind_are_among_them(older: Older) -> None:
    trades = older.trade_lines()

    assert {trade["side"] for trade in trades} == {"A", "B"}
    assert {trade["trade_dir_override"] for trade in trades} == {"Na", "LiquidatedMarket"}
    assert {"BTC", "@107", "PURR/USDC", "xyz:TSLA"} <= {trade["coin"] for trade in trades}
    slices = [t for t in trades if any(party["twap_id"] for party in t["side_info"])]
    assert slices
    assert {trade["hash"] for trade in slices} == {ZERO_HASH}
    assert (
        max(Counter(trade["hash"] for trade in trades if trade["hash"] != ZERO_HASH).values()) > 1
    )


def test_readers_take_every_line_and_newer_fills_supersede_all(older: Older, tiny: World) -> None:
    newest: list[Row] = []
    fills: list[Row] = []
    trades: list[Row] = []
    for hour, fill_path, trade_path in zip(
        written_hours(tiny.root), older.fills, older.trades, strict=True
    ):
        newest += read_object(object_path(tiny.root, BLOCKS, hour)).rows
        for rows, reading in (
            (fills, read_older_object(fill_path, read_fill_line)),
            (trades, read_older_object(trade_path, read_trade_line)),
        ):
            assert reading.rejected == []
            assert reading.taken == reading.lines
            rows += reading.rows

    assert (len(newest), len(fills), len(trades)) == (
        tiny.fill_count,
        tiny.fill_count,
        2 * tiny.trade_count,
    )
    assert distinct_fill_lines(fills) == fills
    assert len(distinct_trades(trades)) == len(trades)
    assert hand_over(newest, fills) == []
    assert hand_over(newest, trades) == []
    assert hand_over(fills, trades) == []
    shared = ("time", "user_address", "coin", "px", "sz", "side", "crossed", "hash", "oid")
    of_trades = [row for row in fills if row["tid"]]
    for fill, leg in zip(of_trades, trades, strict=True):
        assert [fill[column] for column in shared] == [leg[column] for column in shared]
        assert fill["start_position"] == leg["start_position"]


@pytest.mark.parametrize("write", [write_fills, write_trades])
def test_only_the_chosen_hours_are_written(tiny: World, tmp_path: Path, write: Writer) -> None:
    paths = write(tiny.root, tmp_path, hours_from(datetime(2025, 9, 1, 22, tzinfo=UTC), 3))

    assert [path.relative_to(tmp_path).as_posix().split("/", 2)[2] for path in paths] == [
        "20250901/22.lz4",
        "20250901/23.lz4",
        "20250902/0.lz4",
    ]
    assert set(tmp_path.rglob("*.lz4")) == set(paths)


def test_the_same_world_gives_the_same_bytes(tiny: World, older: Older, tmp_path: Path) -> None:
    hours = hours_from(datetime(2025, 9, 2, 13, tzinfo=UTC), 1)

    for path in (
        *write_fills(tiny.root, tmp_path, hours),
        *write_trades(tiny.root, tmp_path, hours),
    ):
        assert path.read_bytes() == (older.root / path.relative_to(tmp_path)).read_bytes()


def test_hours_of_a_world_are_in_order_of_time(tiny: World) -> None:
    assert written_hours(tiny.root) == hours_from(datetime(2025, 9, 1, tzinfo=UTC), 49)


def test_an_hour_that_the_world_has_not_is_an_error(tiny: World, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_fills(tiny.root, tmp_path, [datetime(2025, 9, 5, tzinfo=UTC)])
