"""Taking days of market contexts into the lake, on local folders."""

import hashlib
import json
from datetime import date
from pathlib import Path

import lz4.frame
import pyarrow.parquet as pq
import pytest

from tests.reference.shared_files import shared_file
from vigil_core.errors import LakeIncomplete, ObjectMissing, UnreadableObject
from vigil_core.snapshots.asset_ctxs import OBLIGATORY, SCHEMA, decode_day
from vigil_resources.files import asset_ctxs
from vigil_resources.files.asset_ctxs import AssetCtxs, Entry
from vigil_resources.files.store import Store
from vigil_resources.settings import Settings

DAY = date(2025, 1, 1)
RECORDED = "data/real/asset_ctxs/20250101_head.csv"
KEY = "asset_ctxs/20250101.csv.lz4"
PARQUET = "asset_ctxs/day=2025-01-01/asset_ctxs.parquet"
QUARANTINE = "quarantine/asset_ctxs-20250101.jsonl"
LEDGER = "ledger/asset_ctxs-20250101.json"
HEADER = ",".join(OBLIGATORY)


def line(minute: int = 0, coin: str = "BTC", mark: str = "93620") -> str:
    stamp = f"2025-01-01T{minute // 60:02}:{minute % 60:02}:00Z"
    return f"{stamp},{coin},0.0000125,8026.12074,92827,15.08,,93576,{mark},93619.5,93619,93620"


OLD = [line(0), line(1), line(0, "ETH"), "broken"]
NEW = [line(0), line(2, mark="1.5"), line(2, "SOL")]


class Bench:
    """An archive and a lake beside it."""

    def __init__(self, folder: Path) -> None:
        self.archive = Store(str(folder / "archive"))
        self.lake_folder = folder / "lake"
        self.scratch = folder / "scratch"
        self.ctxs = AssetCtxs(self.archive, Store(str(self.lake_folder)), self.scratch)

    def put(self, data: bytes, key: str = KEY) -> None:
        self.archive.write(key, data)

    def put_lines(self, lines: list[str]) -> None:
        self.put(lz4.frame.compress("\n".join([HEADER, *lines, ""]).encode()))

    def take_in(self) -> Entry:
        return self.ctxs.take_in(DAY, self.ctxs.listing())

    def is_current(self) -> bool:
        return self.ctxs.is_current(DAY, self.ctxs.listing())

    def files(self) -> dict[str, str]:
        """SHA-256 of every file of the lake."""
        return {
            path.relative_to(self.lake_folder).as_posix(): hashlib.sha256(
                path.read_bytes()
            ).hexdigest()
            for path in sorted(self.lake_folder.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class Interrupted(Exception):
    """Stands for a process that ends here."""


class StoreThatStops(Store):
    """Ends the process at the n-th change, counted from 1."""

    def __init__(self, root: str, at: int) -> None:
        super().__init__(root)
        self.left = at

    def _count(self, key: str) -> None:
        self.left -= 1
        if not self.left:
            raise Interrupted(key)

    def write(self, key: str, content: bytes | Path) -> None:
        self._count(key)
        super().write(key, content)

    def delete(self, key: str) -> None:
        self._count(key)
        super().delete(key)


def interrupt(bench: Bench, at: int) -> None:
    """Take the day in until its n-th change of the lake."""
    stopping = StoreThatStops(str(bench.lake_folder), at)
    cut_off = AssetCtxs(bench.archive, stopping, bench.scratch)
    with pytest.raises(Interrupted):
        cut_off.take_in(DAY, cut_off.listing())


# --- what becomes of an object -------------------------------------------------------------


def test_recorded_object_comes_back_as_it_was(bench: Bench) -> None:
    bench.put(shared_file(f"{RECORDED}.lz4").read_bytes())

    entry = bench.take_in()

    lines = shared_file(RECORDED).read_bytes().splitlines()
    assert bench.ctxs.read(DAY).equals(decode_day([lines], DAY).rows)
    assert dict(bench.ctxs.read(DAY).schema) == SCHEMA
    assert (entry.lines, entry.rows, entry.rejected, entry.coins) == (9, 8, 0, 2)
    assert (entry.minutes_present, entry.missing_minutes) == (4, [["00:04", "23:59"]])
    assert list(bench.files()) == [PARQUET, LEDGER]


def test_ledger_entry_counts_what_the_object_held(bench: Bench) -> None:
    bench.put_lines([*OLD, "", line(125), line(125), line(125, mark="1")])
    [listed] = bench.archive.list("asset_ctxs")

    entry = bench.take_in()

    assert (entry.key, entry.size, entry.etag) == (KEY, listed.size, listed.etag)
    assert (entry.lines, entry.rows, entry.coins) == (9, 4, 2)
    assert (entry.blank_lines, entry.repeated, entry.rejected) == (1, 1, 2)
    assert entry.rows_by_hour == [3, 0, 1, *[0] * 21]
    assert entry.minutes_present == 3
    assert entry.missing_minutes == [["00:02", "02:04"], ["02:06", "23:59"]]
    assert entry.source == "hyperliquid"
    assert bench.ctxs.entry(DAY) == entry


def test_rejected_lines_lie_in_quarantine_with_their_places(bench: Bench) -> None:
    text = "\n".join([HEADER, line(0), "bad", line(1)]).encode() + b"\n\xff\x00"
    bench.put(lz4.frame.compress(text))

    bench.take_in()

    first, second = bench.ctxs.rejections(DAY)
    assert (first["key"], first["line_number"], first["raw"]) == (KEY, 3, "bad")
    assert text[first["byte_offset"] :].startswith(b"bad")
    assert (second["line_number"], second["raw_base64"]) == (5, "/wA=")
    assert second["byte_offset"] == len(text) - 2
    assert all(record["reason"] for record in (first, second))


def test_parquet_is_sorted_compressed_and_has_statistics(bench: Bench) -> None:
    bench.put_lines([line(1), line(0, "ETH"), line(0)])
    bench.take_in()
    group = pq.read_metadata(bench.lake_folder / PARQUET).row_group(0)
    time = group.column(0)
    assert (time.compression, time.statistics.min, time.statistics.max) == (
        "ZSTD",
        1_735_689_600_000,
        1_735_689_660_000,
    )
    assert [column.column_index for column in group.sorting_columns] == [0, 1]
    assert bench.ctxs.read(DAY)["coin"].to_list() == ["BTC", "ETH", "BTC"]


def test_a_day_of_header_only_has_no_rows(bench: Bench) -> None:
    bench.put_lines([])
    entry = bench.take_in()
    assert (entry.rows, entry.minutes_present, entry.coins) == (0, 0, 0)
    assert bench.ctxs.read(DAY).height == 0
    assert bench.is_current()


def test_a_second_frame_is_read_too(bench: Bench) -> None:
    text = "\n".join([HEADER, *NEW]).encode()
    bench.put(lz4.frame.compress(text[:150]) + lz4.frame.compress(text[150:]))
    assert bench.take_in().rows == 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (lz4.frame.compress(HEADER.encode() * 99)[:-3], "LZ4 stream"),
        (b"not lz4", "LZ4 stream"),
        (b"", "the file is empty"),
        (lz4.frame.compress(HEADER.replace("mark_px", "mark").encode()), "mark_px missing"),
    ],
    ids=["truncated", "no_lz4", "empty", "missing_column"],
)
def test_an_unreadable_object_leaves_what_was_there(bench: Bench, data: bytes, reason: str) -> None:
    bench.put_lines(OLD)
    bench.take_in()
    before = bench.files()
    bench.put(data)

    with pytest.raises(UnreadableObject, match=f"{KEY}: .*{reason}"):
        bench.take_in()

    assert bench.files() == before
    assert list(bench.scratch.iterdir()) == []
    assert not bench.is_current()


def test_a_missing_object_is_named_and_nothing_is_written(bench: Bench) -> None:
    bench.put_lines(OLD)
    with pytest.raises(ObjectMissing, match=r"asset_ctxs/20250102\.csv\.lz4.*archive, found none"):
        bench.ctxs.take_in(date(2025, 1, 2), bench.ctxs.listing())
    assert bench.files() == {}


def test_listing_holds_days_and_nothing_else(bench: Bench) -> None:
    for name in ("20250101.csv.lz4", "20251399.csv.lz4", "20250102.csv", "x/20250103.csv.lz4"):
        bench.put(b"?", f"asset_ctxs/{name}")
    assert list(bench.ctxs.listing().objects) == [DAY]
    assert bench.ctxs.listing().source == "hyperliquid"
    bench.put(b"{}", "sandbox.json")
    assert bench.ctxs.listing().source == "sandbox"


# --- again ---------------------------------------------------------------------------------


def test_a_current_day_is_left_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put_lines(OLD)
    first = bench.take_in()
    before = bench.files()
    monkeypatch.setattr(Store, "download", lambda *_: pytest.fail("it was read again"))
    monkeypatch.setattr(Store, "write", lambda *_: pytest.fail("something was written"))

    assert bench.take_in() == first

    assert bench.files() == before


def test_the_same_object_gives_the_same_bytes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put_lines(OLD)
    bench.take_in()
    before = bench.files()
    monkeypatch.setattr(AssetCtxs, "is_current", lambda *_: False)
    bench.take_in()
    assert bench.files() == before


def test_a_changed_object_replaces_the_day(bench: Bench) -> None:
    bench.put_lines(OLD)
    bench.take_in()
    bench.put_lines(NEW)
    assert not bench.is_current()

    entry = bench.take_in()

    assert bench.is_current()
    assert (entry.rows, entry.rejected) == (3, 0)
    assert list(bench.files()) == [PARQUET, LEDGER]
    assert bench.ctxs.read(DAY)["coin"].to_list() == ["BTC", "BTC", "SOL"]


def test_older_decoder_other_source_or_lost_file_is_stale(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put_lines(OLD)
    bench.take_in()
    assert bench.is_current()
    with monkeypatch.context() as patch:
        patch.setattr(asset_ctxs, "DECODER_VERSION", 2)
        assert not bench.is_current()
    (bench.lake_folder / PARQUET).unlink()
    assert not bench.is_current()
    bench.take_in()
    assert bench.is_current()
    bench.put(b"{}", "sandbox.json")
    assert not bench.is_current()


@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize("lines", [NEW, [*NEW, "bad"]], ids=["clean", "with_a_bad_line"])
@pytest.mark.parametrize("older", [None, OLD], ids=["first", "replacing"])
def test_an_interrupted_day_is_stale_unread_and_repaired_by_the_next_run(
    bench: Bench, tmp_path: Path, at: int, lines: list[str], older: list[str] | None
) -> None:
    # given: perhaps an older content, and the newer one cut off while it was taken in
    if older is not None:
        bench.put_lines(older)
        bench.take_in()
    bench.put_lines(lines)
    interrupt(bench, at)
    assert not bench.is_current()
    if at > 1:
        with pytest.raises(LakeIncomplete, match="unfinished; materialize asset_ctxs for 2025-01"):
            bench.ctxs.read(DAY)

    # when
    bench.take_in()

    # then: as if nothing had happened
    fresh = AssetCtxs(bench.archive, Store(str(tmp_path / "fresh/lake")), bench.scratch)
    fresh.take_in(DAY, fresh.listing())
    other = Bench(tmp_path / "fresh")
    assert bench.files() == other.files()
    assert bench.is_current()


# --- reading -------------------------------------------------------------------------------


def test_a_day_that_was_never_taken_in_says_what_to_do(bench: Bench) -> None:
    with pytest.raises(LakeIncomplete, match="never taken in; materialize asset_ctxs for 2025-01"):
        bench.ctxs.read(DAY)


def test_an_altered_file_is_not_read(bench: Bench) -> None:
    bench.put_lines(OLD)
    bench.take_in()
    content = bytearray((bench.lake_folder / PARQUET).read_bytes())
    content[100] ^= 1
    (bench.lake_folder / PARQUET).write_bytes(content)
    with pytest.raises(LakeIncomplete, match="not what its ledger entry says"):
        bench.ctxs.read(DAY)


def test_ledger_is_readable_json(bench: Bench) -> None:
    bench.put_lines(OLD)
    bench.take_in()
    kept = json.loads((bench.lake_folder / LEDGER).read_text())
    assert kept["missing_minutes"] == [["00:02", "23:59"]]
    assert kept["decoder_version"] == asset_ctxs.DECODER_VERSION


# --- settings ------------------------------------------------------------------------------


def test_each_public_bucket_has_its_own_region_unless_one_is_given() -> None:
    settings = Settings.from_environment({})
    assert settings.s3_for(settings.node_data)["aws_region"] == "ap-northeast-1"
    assert settings.archive_data == "s3://hyperliquid-archive"
    assert settings.s3_for(settings.archive_data)["aws_region"] == "us-east-1"
    assert settings.s3_for("s3://artemis-hyperliquid-data/raw")["aws_region"] == "us-east-1"
    assert settings.s3_for("s3://a-lake/prefix")["aws_region"] == "ap-northeast-1"
    given = Settings.from_environment({"AWS_REGION": "eu-west-1"})
    assert {given.s3_for(root)["aws_region"] for root in (given.node_data, given.archive_data)} == {
        "eu-west-1"
    }


@pytest.mark.parametrize(
    ("environment", "meant"),
    [
        ({}, True),
        ({"VIGIL_NODE_DATA": "raw"}, False),
        ({"VIGIL_NODE_DATA": "raw", "VIGIL_ARCHIVE_DATA": ""}, False),
        ({"VIGIL_NODE_DATA": "raw", "VIGIL_ARCHIVE_DATA": "raw"}, True),
        ({"VIGIL_ARCHIVE_DATA": "raw"}, True),
    ],
)
def test_the_archive_belongs_to_the_node_data_or_is_named(
    environment: dict[str, str], meant: bool
) -> None:
    assert Settings.from_environment(environment).archive_is_meant is meant
