"""Taking days of balances into the lake, on local folders."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from obstore.exceptions import PermissionDeniedError

from vigil_core.artemis.balances import ACCOUNT_SCHEMA, POSITION_SCHEMA
from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.errors import LakeIncomplete, ObjectMissing, StoreFailed, UnreadableObject
from vigil_resources.files import perp_balances
from vigil_resources.files.perp_balances import DOCUMENTED, REAL, Entry, PerpBalances
from vigil_resources.files.store import Listed, Store
from vigil_sandbox.world import TINY, World, write_world

DAY = date(2025, 11, 2)
START = day_start_ms(DAY)
REAL_KEY = "perp_and_spot_balances/2025/11/02/part-0.jsonl"
SECOND_KEY = "perp_and_spot_balances/2025/11/02/part-1.jsonl"
DOCUMENTED_KEY = "perp_balances/2025-11-02/part-0.json.gz"
POSITIONS = "perp_balances/day=2025-11-02/positions.parquet"
ACCOUNTS = "perp_balances/day=2025-11-02/accounts.parquet"
ENTRY = "perp_balances/day=2025-11-02/entry.json"
QUARANTINE = "quarantine/perp_balances-20251102.jsonl"
A, B, C = ("0x" + letter * 40 for letter in "abc")
HEAD = b'{"_metadata":true,"records":1}'


def state(sizes: dict[str, str]) -> dict[str, Any]:
    """Positions at a price of 100 USD."""
    positions = [
        {"coin": coin, "szi": size, "positionValue": str(abs(Decimal(size)) * 100)}
        for coin, size in sizes.items()
    ]
    entries = [{"type": "oneWay", "position": position} for position in positions]
    return {"assetPositions": entries, "marginSummary": {"accountValue": "1000.5"}}


def line(address: str = A, time: object = START, **sizes: str) -> bytes:
    """One record where the files have it."""
    response = {"perpetual": state(sizes), "spot": {"balances": []}}
    return json.dumps({"address": address, "timestamp": time, "response": response}).encode()


def documented_line(address: str = A, **sizes: str) -> bytes:
    return json.dumps({"user": address, **state(sizes)}).encode()


OLD = [line(A, START + 5, BTC="1"), line(B, START + 9, BTC="-1"), b"broken"]
NEW = [line(A, START + 5, BTC="2", ETH="3"), line(C, START + 8, BTC="-2")]


class Bench:
    """Artemis' copies and a lake beside them."""

    def __init__(self, folder: Path) -> None:
        self.artemis = Store(str(folder / "artemis"))
        self.lake_folder = folder / "lake"
        self.scratch = folder / "scratch"
        self.balances = PerpBalances(self.artemis, Store(str(self.lake_folder)), self.scratch)

    def put(self, *lines: bytes, key: str = REAL_KEY, packed: bool = False) -> None:
        content = b"".join(line + b"\n" for line in lines)
        self.artemis.write(key, gzip.compress(content) if packed else content)

    def take_in(self) -> Entry:
        return self.balances.take_in(DAY)

    def sizes(self) -> dict[tuple[str, str], Decimal]:
        rows = self.balances.positions(DAY).select("address", "coin", "szi").rows()
        return {(address, coin): size for address, coin, size in rows}

    def files(self) -> dict[str, str]:
        """SHA-256 of every file of the lake."""
        return {
            path.relative_to(self.lake_folder).as_posix(): hashlib.sha256(
                path.read_bytes()
            ).hexdigest()
            for path in sorted(self.lake_folder.rglob("*"))
            if path.is_file()
        }

    def times(self) -> list[int]:
        """When each file of the lake was written, ns."""
        paths = sorted(self.lake_folder.rglob("*"))
        return [path.stat().st_mtime_ns for path in paths if path.is_file()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(TINY, tmp_path_factory.mktemp("tiny"))


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

    def take_file(self, key: str, path: Path) -> None:
        self._count(key)
        super().take_file(key, path)

    def delete(self, key: str) -> None:
        self._count(key)
        super().delete(key)


# --- a simulated day -----------------------------------------------------------------------


@pytest.mark.parametrize("day", [date(2025, 9, 1), date(2025, 9, 2)])
def test_a_simulated_day_is_taken_in_completely(tiny: World, tmp_path: Path, day: date) -> None:
    artemis = Store(str(tiny.root / "artemis" / "raw"))
    balances = PerpBalances(artemis, Store(str(tmp_path / "lake")), tmp_path / "scratch")

    entry = balances.take_in(day)

    folder = tiny.root / "artemis/raw/perp_and_spot_balances" / f"{day:%Y/%m/%d}"
    raw = [text for path in sorted(folder.iterdir()) for text in path.read_text().splitlines()]
    records = [record for record in map(json.loads, raw) if "address" in record]
    assert (entry.lines, entry.records, entry.metadata_lines) == (len(raw), len(records), 2)
    assert (entry.rejected, entry.lines_without_positions, entry.record_share) == (0, 0, 1.0)
    assert entry.accounts == len({record["address"] for record in records}) < len(records)
    assert entry.accounts_of_other_days == 0
    assert day_start_ms(day) + 8_100_000 <= entry.first_ms <= entry.recorded_at == entry.last_ms  # type: ignore[operator]
    # The exchange is closed: what one holds long another holds short.
    net = balances.positions(day).group_by("coin").agg(pl.col("szi").sum(), pl.len())
    assert net["szi"].to_list() == [Decimal(0)] * net.height
    assert net["len"].sum() == entry.positions > 20


def test_the_source_is_simulated_where_the_root_says_so(bench: Bench) -> None:
    bench.put(*NEW)
    assert bench.take_in().source == "hyperliquid"
    version = bench.balances.version(DAY)
    bench.artemis.write("sandbox.json", b"{}")
    assert bench.take_in().source == "sandbox"
    assert bench.balances.version(DAY) != version


# --- what becomes of the objects -----------------------------------------------------------


def test_of_several_objects_the_latest_record_of_an_address_is_kept(bench: Bench) -> None:
    bench.put(HEAD, line(A, START + 9, BTC="1"), line(B, START + 5, ETH="2", BTC="-1"))
    bench.put(HEAD, line(A, START + 3, BTC="7"), line(B, START + 6, ETH="4"), key=SECOND_KEY)

    entry = bench.take_in()

    assert bench.sizes() == {(A, "BTC"): 1, (B, "ETH"): 4}
    assert bench.balances.accounts(DAY).select("address", "recorded_at").rows() == [
        (A, START + 9),
        (B, START + 6),
    ]
    assert dict(bench.balances.positions(DAY).schema) == POSITION_SCHEMA
    assert dict(bench.balances.accounts(DAY).schema) == ACCOUNT_SCHEMA
    assert (entry.records, entry.accounts, entry.positions) == (4, 2, 2)
    assert (entry.first_ms, entry.last_ms, entry.recorded_at) == (START + 3, START + 9, START + 9)
    assert list(bench.files()) == [ACCOUNTS, ENTRY, POSITIONS]
    assert list(bench.scratch.iterdir()) == []


def test_entry_tells_what_each_object_held(bench: Bench) -> None:
    bench.put(HEAD, b"", b'{"address":"0x"}', line(A, START + 1, BTC="1"), b"bad")
    bench.put(line(B, "2025-11-02T02:15:00", BTC="-1"), key=SECOND_KEY, packed=True)
    listed = bench.balances.listing(DAY)

    entry = bench.take_in()

    first, second = entry.objects
    assert [Listed(one.key, one.size, one.etag) for one in entry.objects] == listed
    assert first.sha256 == hashlib.sha256(bench.artemis.read(REAL_KEY)).hexdigest()
    assert (first.lines, first.records, first.metadata_lines, first.blank_lines) == (5, 1, 1, 1)
    assert (first.lines_without_positions, first.rejected, first.record_share) == (1, 1, 1 / 3)
    assert (first.compression, second.compression) == ("none", "gzip")
    assert (first.time_encodings, second.time_encodings) == ({"ms": 1}, {"iso": 1})
    assert (second.first_ms, second.last_ms) == (START + 8_100_000, START + 8_100_000)
    assert (entry.lines, entry.records, entry.rejected, entry.record_share) == (6, 2, 1, 0.5)
    assert entry.compressions == {"none": 1, "gzip": 1}
    assert entry.time_encodings == {"ms": 1, "iso": 1}
    assert entry.positions_at == {"response.perpetual.assetPositions": 2}
    assert (entry.layout, entry.ignored, entry.version) == (REAL, [], perp_balances.READER_VERSION)
    assert bench.balances.finished(DAY) == entry


def test_iso_without_offset_and_ms_are_the_same_instant(bench: Bench) -> None:
    bench.put(line(A, "2025-11-02T02:15:00.911999", BTC="1"), line(B, START + 8_100_911, BTC="-1"))
    assert bench.take_in().time_encodings == {"iso": 1, "ms": 1}
    times = bench.balances.accounts(DAY)["recorded_at"].to_list()
    assert times == [START + 8_100_911] * 2


def test_records_of_other_days_are_counted(bench: Bench) -> None:
    bench.put(line(A, START, BTC="1"), line(B, START - 1), line(C, START + DAY_MS))
    assert bench.take_in().accounts_of_other_days == 2


def test_hostile_lines_lie_in_quarantine_with_their_places(bench: Bench) -> None:
    good = line(A, START, BTC="1")
    nested = b'{"address":' + b"[" * 5_000
    hostile = [
        b"\xff\x00",
        nested,
        line(B, START, BTC="NaN"),
        line("0x12", START, BTC="1"),
        line(B, START, BTC="1").replace(b'"1"', b"1e999999999"),
    ]
    bench.put(good, *hostile[:2], key=REAL_KEY)
    bench.put(*hostile[2:], line(C, START, BTC="-1"), key=SECOND_KEY)

    entry = bench.take_in()

    kept = list(bench.balances.rejections(DAY))
    assert entry.rejected == 5
    assert [(one["key"], one["line_number"]) for one in kept] == [
        (REAL_KEY, 2), (REAL_KEY, 3), (SECOND_KEY, 1), (SECOND_KEY, 2), (SECOND_KEY, 3),
    ]  # fmt: skip
    assert kept[0]["raw_base64"] == "/wA="
    assert [one["raw"].encode() for one in kept[1:]] == hostile[1:]
    assert kept[1]["byte_offset"] == len(good) + 1 + 3
    assert all(one["reason"] for one in kept)
    assert bench.sizes() == {(A, "BTC"): 1, (C, "BTC"): -1}


def test_parquet_is_sorted_compressed_and_has_statistics(bench: Bench) -> None:
    bench.put(line(B, START, ETH="1", BTC="2"), line(A, START, SOL="3"))
    bench.take_in()
    for key, columns in ((POSITIONS, [0, 1]), (ACCOUNTS, [0])):
        group = pq.read_metadata(bench.lake_folder / key).row_group(0)
        address = group.column(0)
        assert (address.compression, address.statistics.min, address.statistics.max) == (
            "ZSTD",
            A,
            B,
        )
        assert [column.column_index for column in group.sorting_columns] == columns
    assert bench.balances.positions(DAY)["coin"].to_list() == ["SOL", "BTC", "ETH"]


# --- layouts and compression ---------------------------------------------------------------


def test_documented_layout_without_times_is_known_at_the_end_of_the_day(bench: Bench) -> None:
    lines = [documented_line(A, BTC="1"), documented_line(B.upper(), BTC="-1")]
    bench.put(*lines, key=DOCUMENTED_KEY, packed=True)

    entry = bench.take_in()

    assert bench.sizes() == {(A, "BTC"): 1, (B, "BTC"): -1}
    assert (entry.layout, entry.compressions) == (DOCUMENTED, {"gzip": 1})
    assert entry.positions_at == {"assetPositions": 2}
    assert (entry.recorded_at, entry.first_ms, entry.last_ms) == (START + DAY_MS, None, None)


@pytest.mark.parametrize(
    ("key", "packed"),
    [
        (REAL_KEY, True),
        (REAL_KEY + ".gz", False),
        (DOCUMENTED_KEY, False),
        (DOCUMENTED_KEY.removesuffix(".gz"), True),
        ("perp_balances/2025-11-02/000000", True),
    ],
)
def test_first_bytes_tell_the_compression_not_the_name(
    bench: Bench, key: str, *, packed: bool
) -> None:
    bench.put(*NEW, key=key, packed=packed)
    assert bench.take_in().compressions == {"gzip" if packed else "none": 1}
    assert bench.sizes() == {(A, "BTC"): 2, (A, "ETH"): 3, (C, "BTC"): -2}


def test_several_members_of_a_gzip_are_read(bench: Bench) -> None:
    bench.artemis.write(REAL_KEY, b"".join(gzip.compress(one + b"\n") for one in NEW))
    assert bench.take_in().records == 2


def test_the_real_layout_is_preferred_and_the_entry_says_so(bench: Bench) -> None:
    bench.put(documented_line(B, BTC="5"), key=DOCUMENTED_KEY, packed=True)
    assert bench.take_in().layout == DOCUMENTED
    bench.put(*NEW)

    entry = bench.take_in()

    assert [one.key for one in bench.balances.listing(DAY)] == [REAL_KEY]
    assert (entry.layout, entry.ignored) == (REAL, [DOCUMENTED_KEY])
    assert bench.sizes() == {(A, "BTC"): 2, (A, "ETH"): 3, (C, "BTC"): -2}


def test_deeper_folders_and_empty_markers_are_named_not_read(bench: Bench) -> None:
    folder = "perp_and_spot_balances/2025/11/02"
    bench.put(*NEW)
    bench.put(line(B, START, BTC="9"), key=f"{folder}/03/part-0.jsonl")
    bench.put(key=f"{folder}/_SUCCESS")
    bench.put(line(B, START, SOL="1"), key=f"{folder}/_part")
    bench.put(b"?", key="perp_and_spot_balances/2025/11/020/part-0.jsonl")
    assert bench.take_in().ignored == [f"{folder}/03/part-0.jsonl", f"{folder}/_SUCCESS"]
    assert bench.sizes().keys() == {(A, "BTC"), (A, "ETH"), (C, "BTC"), (B, "SOL")}


# --- refusals ------------------------------------------------------------------------------


def altered(content: bytes) -> bytes:
    """With another last byte of the check sum."""
    return content[:-5] + bytes([content[-5] ^ 1]) + content[-4:]


PACKED = gzip.compress(b"\n".join(NEW))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (PACKED[:-9], "gzip stream broken.*ended before the end-of-stream"),
        (altered(PACKED), "gzip stream broken: CRC"),
        (PACKED[:20] + b"\xff" * 20 + PACKED[40:], "gzip stream broken"),
        (PACKED + b"rest", "gzip stream broken"),
        (b"", "there is no line"),
        (gzip.compress(b""), "there is no line"),
        (HEAD, "no account in 1 lines: 1 metadata"),
        (b'{"address":"0x"}\n', "no account in 1 lines.*1 without a list of positions"),
        (b"PAR1\x00\n", "no account in 1 lines.*1 rejected"),
        (line(A) + b"\n" + line(B), "2 accounts, and not one position"),
        (b"\n".join([*NEW, line(B, 5, BTC="1")]), "1 of 3 records have an impossible time"),
    ],
    ids=[
        "truncated",
        "altered",
        "garbled",
        "trailing",
        "empty",
        "empty_gzip",
        "metadata_only",
        "no_list",
        "not_json",
        "zero_positions",
        "impossible_time",
    ],
)
def test_one_refused_object_fails_the_day_and_leaves_what_was_there(
    bench: Bench, content: bytes, reason: str
) -> None:
    bench.put(*OLD)
    bench.take_in()
    before = bench.files()
    bench.put(*NEW)
    bench.artemis.write(SECOND_KEY, content)

    with pytest.raises(UnreadableObject, match=f"{SECOND_KEY}: .*{reason}"):
        bench.take_in()

    assert bench.files() == before
    assert list(bench.scratch.iterdir()) == []


def test_an_object_of_another_size_than_listed_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put(*NEW)
    truly = Store.list

    def longer(store: Store, prefix: str) -> list[Listed]:
        return [Listed(one.key, one.size + 1, one.etag) for one in truly(store, prefix)]

    monkeypatch.setattr(Store, "list", longer)
    with pytest.raises(UnreadableObject, match=rf"{REAL_KEY}: .* bytes came, .* are listed"):
        bench.take_in()
    assert bench.files() == {}
    assert list(bench.scratch.iterdir()) == []


def test_an_object_gone_since_it_was_listed_is_no_missing_day(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put(*NEW)
    listed = bench.balances.listing(DAY)
    bench.put(*NEW, key=SECOND_KEY)
    bench.artemis.delete(REAL_KEY)
    monkeypatch.setattr(Store, "list", lambda _, prefix: listed if REAL in prefix else [])
    with pytest.raises(UnreadableObject, match=f"{REAL_KEY}: it is gone since"):
        bench.take_in()


def test_a_missing_day_is_named_with_both_places(bench: Bench) -> None:
    bench.put(*NEW)
    places = r"perp_and_spot_balances/2025/11/03/\* or perp_balances/2025-11-03/\*"
    with pytest.raises(ObjectMissing, match=f"{places}.*artemis, found none"):
        bench.balances.take_in(date(2025, 11, 3))
    assert bench.balances.listing(date(2025, 11, 3)) == []
    assert bench.files() == {}


def test_a_root_that_cannot_be_listed_is_an_error_not_a_missing_day(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: object) -> list[Listed]:
        raise PermissionDeniedError("403 Forbidden\nand more")

    monkeypatch.setattr(Store, "list", denied)
    for ask in (bench.balances.listing, bench.balances.take_in):
        with pytest.raises(StoreFailed, match="artemis did not answer: 403 Forbidden"):
            ask(DAY)


def test_one_object_at_a_time_is_on_disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put(*OLD)
    bench.put(*NEW, key=SECOND_KEY)
    truly = Store.download
    before: list[list[str]] = []

    def watched(store: Store, listed: Listed, target: Path) -> bool:
        before.append([path.name for path in target.parent.iterdir()])
        return truly(store, listed, target)

    monkeypatch.setattr(Store, "download", watched)
    bench.take_in()
    assert before == [["quarantine.jsonl"]] * 2


# --- again ---------------------------------------------------------------------------------


def test_a_current_day_is_left_alone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.put(*OLD)
    first = bench.take_in()
    files, times = bench.files(), bench.times()
    monkeypatch.setattr(Store, "download", lambda *_: pytest.fail("it was read again"))

    assert bench.take_in() == first

    assert (bench.files(), bench.times()) == (files, times)


def test_the_same_objects_give_the_same_bytes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put(*OLD)
    bench.take_in()
    before = bench.files()
    monkeypatch.setattr(PerpBalances, "_is_current", lambda *_: False)
    bench.take_in()
    assert bench.files() == before


def test_a_changed_object_replaces_the_day(bench: Bench) -> None:
    bench.put(*OLD)
    bench.take_in()
    version = bench.balances.version(DAY)
    bench.put(*NEW)

    entry = bench.take_in()

    assert (entry.records, entry.rejected) == (2, 0)
    assert bench.sizes() == {(A, "BTC"): 2, (A, "ETH"): 3, (C, "BTC"): -2}
    assert list(bench.files()) == [ACCOUNTS, ENTRY, POSITIONS]
    assert bench.balances.version(DAY) not in {None, version}


def test_the_same_content_under_a_new_etag_is_read_again_and_is_the_same_version(
    bench: Bench,
) -> None:
    bench.put(*NEW)
    first, version = bench.take_in(), bench.balances.version(DAY)
    bench.artemis.delete(REAL_KEY)  # else the same content would not be written again
    bench.put(*NEW)

    second = bench.take_in()

    assert second.objects[0].etag != first.objects[0].etag
    assert bench.balances.version(DAY) == version


def lose(key: str) -> Callable[[Bench, pytest.MonkeyPatch], None]:
    return lambda bench, _: (bench.lake_folder / key).unlink()


def newer_reader(_: Bench, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(perp_balances, "READER_VERSION", perp_balances.READER_VERSION + 1)


def other_fields(bench: Bench, _: pytest.MonkeyPatch) -> None:
    (bench.lake_folder / ENTRY).write_text('{"day": "2025-11-02", "objects": []}')


def further_object(bench: Bench, _: pytest.MonkeyPatch) -> None:
    bench.put(line(C, START, SOL="1"), key=SECOND_KEY)


@pytest.mark.parametrize(
    "change",
    [lose(POSITIONS), lose(ACCOUNTS), lose(ENTRY), newer_reader, other_fields, further_object],
    ids=["positions", "accounts", "entry", "reader", "other_fields", "further_object"],
)
def test_a_stale_day_is_read_again(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Bench, pytest.MonkeyPatch], None],
) -> None:
    bench.put(*OLD)
    bench.take_in()
    change(bench, monkeypatch)
    reads: list[str] = []
    truly = Store.download

    def counted(store: Store, listed: Listed, target: Path) -> bool:
        reads.append(listed.key)
        return truly(store, listed, target)

    monkeypatch.setattr(Store, "download", counted)
    bench.take_in()
    bench.take_in()

    assert reads == [one.key for one in bench.balances.listing(DAY)]
    assert set(bench.files()) == {POSITIONS, ACCOUNTS, ENTRY, QUARANTINE}


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("lines", [NEW, [*NEW, b"bad"]], ids=["clean", "with_a_bad_line"])
@pytest.mark.parametrize("older", [None, OLD], ids=["first", "replacing"])
def test_an_interrupted_day_is_not_finished_and_repaired_by_the_next_run(
    bench: Bench, tmp_path: Path, at: int, lines: list[bytes], older: list[bytes] | None
) -> None:
    # given: perhaps an older content, and the newer one cut off while it was taken in
    if older is not None:
        bench.put(*older)
        bench.take_in()
    before = bench.balances.finished(DAY)
    bench.put(*lines)
    stopping = StoreThatStops(str(bench.lake_folder), at)
    with pytest.raises(Interrupted):
        PerpBalances(bench.artemis, stopping, bench.scratch).take_in(DAY)
    assert list(bench.scratch.iterdir()) == []
    if at > 1:
        assert bench.balances.finished(DAY) is None
        assert bench.balances.version(DAY) is None
        assert bench.balances.days() == []
        for read in (bench.balances.positions, bench.balances.accounts):
            with pytest.raises(LakeIncomplete, match=f"perp_balances_parquet for {DAY}"):
                read(DAY)
    else:
        # Nothing was changed yet: what was there is whole.
        assert bench.balances.finished(DAY) == before

    # when
    bench.take_in()

    # then: as if nothing had happened
    other = Bench(tmp_path / "fresh")
    PerpBalances(bench.artemis, other.balances.lake, other.scratch).take_in(DAY)
    assert bench.files() == other.files()


# --- reading -------------------------------------------------------------------------------


def test_days_of_the_lake_are_those_that_are_whole(bench: Bench) -> None:
    assert bench.balances.days() == []
    for day in (date(2025, 11, 3), DAY, date(2025, 9, 30)):
        bench.put(*NEW, key=f"perp_and_spot_balances/{day:%Y/%m/%d}/part-0.jsonl")
        bench.balances.take_in(day)
    shutil.copytree(
        bench.lake_folder / "perp_balances/day=2025-11-02",
        bench.lake_folder / "perp_balances/day=2025-11-04",
        ignore=shutil.ignore_patterns("entry.json"),
    )
    assert bench.balances.days() == [date(2025, 9, 30), DAY, date(2025, 11, 3)]


def test_a_day_that_was_never_taken_in_says_what_to_do(bench: Bench) -> None:
    assert bench.balances.finished(DAY) is None
    assert bench.balances.version(DAY) is None
    with pytest.raises(LakeIncomplete, match="never taken in.*perp_balances_parquet for 2025"):
        bench.balances.positions(DAY)


def test_an_altered_or_lost_file_is_not_read(bench: Bench) -> None:
    bench.put(*OLD)
    bench.take_in()
    content = bytearray((bench.lake_folder / POSITIONS).read_bytes())
    content[100] ^= 1
    (bench.lake_folder / POSITIONS).write_bytes(content)
    (bench.lake_folder / ACCOUNTS).unlink()
    with pytest.raises(LakeIncomplete, match="not what its ledger entry says"):
        bench.balances.positions(DAY)
    with pytest.raises(LakeIncomplete, match="is gone; materialize"):
        bench.balances.accounts(DAY)
