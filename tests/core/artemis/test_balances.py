"""Lines of balances: both layouts, hostile lines, the probe, collapses and the address table."""

import csv
import json
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tests.core.artemis.test_tape import Row, assert_rows, vector
from tests.reference.shared_files import shared_file
from vigil_core.artemis.balances import (
    ACCOUNT_SCHEMA,
    ADDRESS_SCHEMA,
    POSITION_SCHEMA,
    BalancesDay,
    BalancesRefused,
    collapsed,
    merge_addresses,
    merged,
    probe,
    read_line,
    read_lines,
    seeded_addresses,
)
from vigil_core.artemis.open_interest import snapshot_rows
from vigil_core.calendar import DAY_MS, iso_ns
from vigil_core.errors import VigilError

DAY = 1_762_041_600_000
RECORDED = "data/real/artemis_balances/perps_account_summary_0xee16_part1.csv"
ADDRESS = "0x" + "ab" * 20
POSITION = {
    "coin": "BTC",
    "szi": "-1.5",
    "positionValue": "150000.25",
    "liquidationPx": "3139259.083496369",
    "entryPx": "99000.1",
    "marginUsed": "7500.0125",
    "leverage": {"type": "cross", "value": 20},
    "maxLeverage": 40,
    "unrealizedPnl": "-1",
    "cumFunding": {"allTime": "442.5"},
}
MARGIN = {
    "accountValue": "58526426.0666060001",
    "totalNtlPos": "150000.25",
    "totalMarginUsed": "7500.0125",
    "totalRawUsd": "-5.5",
}


def record(address: str = ADDRESS, time: object = DAY, *positions: Row, **more: Any) -> Row:
    entries = [{"type": "oneWay", "position": position} for position in positions]
    perpetual = {"assetPositions": entries, "marginSummary": MARGIN}
    response = {"perpetual": perpetual, "spot": {"balances": []}}
    return {"address": address, "timestamp": time, "response": response, **more}


def text(value: object) -> bytes:
    return json.dumps(value).encode()


def read(*values: object) -> BalancesDay:
    return read_lines([text(value) for value in values])


def no_addresses() -> pl.DataFrame:
    return pl.DataFrame(schema=ADDRESS_SCHEMA)


# --- vectors -------------------------------------------------------------------------------


@pytest.mark.parametrize("case_id", ["real_layout", "documented_layout"])
def test_day_of_the_vector(case_id: str) -> None:
    case = vector("balances", case_id)
    day, expected = case["inputs"]["day"], case["expected"]

    found = read(*case["inputs"]["lines"])
    recorded_at = found.recorded_at(day + DAY_MS)
    seeded = seeded_addresses(found.positions, case["inputs"]["min_position_usd"])

    probe(found)
    assert found.rejected == []
    assert found.metadata_lines + found.lines_without_positions == expected["skipped_lines"]
    assert (recorded_at, found.accounts.height) == (expected["recorded_at"], expected["accounts"])
    assert_rows(snapshot_rows(found.positions, recorded_at), expected["oi_history"])
    assert_rows(merge_addresses(no_addresses(), day, seeded), expected["addresses"])


def test_addresses_of_the_vector() -> None:
    case = vector("history_tables", "addresses")
    rows = [
        row | {"total_size_usd": Decimal(row["total_size_usd"])}
        for row in case["inputs"]["existing"]
    ]
    table = pl.DataFrame(rows, schema=ADDRESS_SCHEMA)
    for day in case["inputs"]["days"]:
        table = merge_addresses(table, day["day"], pl.Series(day["addresses"]))
    assert_rows(table, case["expected"])


# --- one line ------------------------------------------------------------------------------


def test_every_figure_is_kept_to_the_last_digit() -> None:
    found = read_line(text(record(ADDRESS.upper(), DAY, POSITION)))

    assert dict(found.positions.schema) == POSITION_SCHEMA
    assert dict(found.accounts.schema) == ACCOUNT_SCHEMA
    [position], [account] = found.positions.to_dicts(), found.accounts.to_dicts()
    assert position == {
        "address": ADDRESS,
        "coin": "BTC",
        "szi": Decimal("-1.5"),
        "position_value": Decimal("150000.25"),
        "liquidation_px": Decimal("3139259.083496369"),
        "recorded_at": DAY,
        "entry_px": Decimal("99000.1"),
        "leverage": 20,
        "margin_used": Decimal("7500.0125"),
        "max_leverage": 40,
    }
    assert account == {
        "address": ADDRESS,
        "recorded_at": DAY,
        "account_value": Decimal("58526426.0666060001"),
        "total_ntl_pos": Decimal("150000.25"),
        "total_margin_used": Decimal("7500.0125"),
        "total_raw_usd": Decimal("-5.5"),
    }


def test_numbers_that_are_no_text_are_exact_too() -> None:
    line = text(record(ADDRESS, DAY, POSITION | {"szi": 7}))
    line = line.replace(b'"150000.25"', b"0.30000000001", 1)
    [row] = read_line(line).positions.to_dicts()
    assert (row["szi"], row["position_value"]) == (7, Decimal("0.30000000001"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2025-11-02T02:15:00.911999", DAY + 8_100_911),
        ("2025-11-02T02:15:00", DAY + 8_100_000),
        ("2025-11-02T02:15:00Z", DAY + 8_100_000),
        (DAY + 5, DAY + 5),
        (None, None),
    ],
)
def test_times(given: object, expected: int | None) -> None:
    assert read(record(ADDRESS, given)).accounts["recorded_at"].to_list() == [expected]


@pytest.mark.parametrize(
    "given",
    [
        0,
        1_762_041_600,
        "1762041600000",
        "2025-11-02",
        "",
        True,
        1.5,
        [],
        2**70,
        "2019-12-31T00:00:00",
    ],
)
def test_impossible_times_are_rejected_and_counted(given: object) -> None:
    found = read(record(ADDRESS, given, POSITION))
    assert (found.impossible_times, found.records, found.positions.height) == (1, 0, 0)
    assert found.rejected[0].reason.startswith("timestamp:")


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"7",
        b"\xff\xfe",
        b'{"address": "0x"}' * 2,
        b"[" * 100_000,
        text(record("0x12", DAY)),
        text(record("", DAY)),
        text({**record(), "address": None}),
        text({**record(), "address": 7}),
        text({**record(), "response": {"perpetual": {"assetPositions": {}}}}),
        text({**record(), "response": {"perpetual": {"assetPositions": [{}]}}}),
        text(record(ADDRESS, DAY, POSITION, POSITION)),
        text(record(ADDRESS, DAY, POSITION | {"coin": ""})),
        text(record(ADDRESS, DAY, POSITION | {"coin": None})),
        text(record(ADDRESS, DAY, POSITION | {"szi": None})),
        text(record(ADDRESS, DAY, POSITION | {"szi": "1e5"})),
        text(record(ADDRESS, DAY, POSITION | {"szi": "NaN"})),
        text(record(ADDRESS, DAY, POSITION | {"szi": True})),
        text(record(ADDRESS, DAY, POSITION | {"szi": "0.1234567890123"})),
        text(record(ADDRESS, DAY, POSITION | {"szi": 10**30})),
        text(record(ADDRESS, DAY, POSITION | {"positionValue": ""})),
        text(record(ADDRESS, DAY, POSITION | {"maxLeverage": "40"})),
        text(record(ADDRESS, DAY, POSITION | {"leverage": {"value": -1}})),
        text(record(ADDRESS, DAY, POSITION)).replace(b'"-1.5"', b"1e999999999"),
        text(record(ADDRESS, DAY, POSITION)).replace(b'"-1.5"', b"1e-999999999"),
        text(record(ADDRESS, DAY, POSITION)).replace(b'"-1.5"', b"1e99999999999999999999"),
        text(record(ADDRESS, DAY, POSITION)).replace(b'"-1.5"', b"1" * 9_999),
    ],
)
def test_lines_that_are_no_record_are_rejected_whole(line: bytes) -> None:
    found = read_lines([b"", line, text(record("0x" + "0" * 40, DAY, POSITION))])
    [rejection] = found.rejected
    assert (rejection.line_number, rejection.byte_offset, rejection.raw) == (2, 1, line)
    assert len(rejection.reason) < 300
    assert (found.lines, found.records, found.blank_lines) == (3, 1, 1)
    assert found.positions["address"].to_list() == ["0x" + "0" * 40]


def test_metadata_and_records_without_positions_are_counted_apart() -> None:
    found = read(
        {"_metadata": True, "timestamp": "whenever", "response": 7},
        {"_metadata": False, "user": ADDRESS, "assetPositions": []},
        {"address": ADDRESS, "response": None},
        {"address": ADDRESS, "response": {"perpetual": None, "spot": {}}},
        {"address": ADDRESS, "response": {"perpetual": {"assetPositions": None}}},
    )
    assert (found.metadata_lines, found.lines_without_positions, found.records) == (1, 3, 1)
    assert found.rejected == []


def test_what_is_listed_with_size_0_is_no_position() -> None:
    closed = [POSITION | {"szi": size, "positionValue": "0"} for size in ("0", "-0.0", "0.000")]
    assert sizes(read(record(ADDRESS, DAY, *closed, POSITION))) == [("BTC", Decimal("-1.5"))]
    with pytest.raises(BalancesRefused, match="not one position"):
        probe(read(record(ADDRESS, DAY, *closed)))


# --- several records -----------------------------------------------------------------------


def sizes(found: BalancesDay) -> list[tuple[Any, ...]]:
    return found.positions.select("coin", "szi").rows()


@pytest.mark.parametrize(("first", "second"), [(DAY, DAY), (DAY, DAY + 1), (None, None), (None, 0)])
def test_later_record_of_an_address_replaces_all_of_the_earlier(
    first: int | None, second: int | None
) -> None:
    both = [POSITION, POSITION | {"coin": "ETH"}]
    early = record(ADDRESS, first, *both)
    late = record(ADDRESS.upper(), DAY if second == 0 else second, POSITION | {"szi": "9"})
    assert sizes(read(early, late)) == [("BTC", 9)]
    assert sizes(merged([read(early), read(late)])) == [("BTC", 9)]
    if first != second:
        assert sizes(read(late, early)) == [("BTC", 9)]
        assert sizes(merged([read(late), read(early)])) == [("BTC", 9)]


def test_account_that_closed_everything_holds_nothing() -> None:
    found = read(record(ADDRESS, DAY, POSITION), record(ADDRESS, DAY + 1))
    assert (found.positions.height, found.accounts.height, found.positions_read) == (0, 1, 1)


def test_objects_add_up() -> None:
    parts = [read({"_metadata": True}, record(ADDRESS, DAY, POSITION)), read("x"), read()]
    found = merged(parts)
    assert (found.lines, found.records, found.metadata_lines) == (3, 1, 1)
    assert len(found.rejected) == 1
    assert found.positions.equals(parts[0].positions)
    assert merged([]).accounts.schema == ACCOUNT_SCHEMA


def test_all_of_it_is_known_when_its_last_record_is() -> None:
    other = "0x" + "0" * 40
    assert read(record(ADDRESS, DAY + 5), record(other, DAY + 3)).recorded_at(0) == DAY + 5
    assert read(record(ADDRESS, DAY), record(other, None)).recorded_at(DAY + DAY_MS) == DAY + DAY_MS
    assert read().recorded_at(7) == 7


# --- probe ---------------------------------------------------------------------------------


def test_probe_says_what_the_object_looks_like() -> None:
    older = {"user": "0x" + "0" * 40, "assetPositions": []}
    found = probe(read({"_metadata": True}, record(ADDRESS, DAY, POSITION), older, "x", "y"))
    assert found.layouts == {"response.perpetual.assetPositions": 1, "assetPositions": 1}
    assert found.time_encodings == {"ms": 1, "none": 1}
    assert (found.record_share, found.first_ms, found.last_ms) == (0.5, DAY, DAY)


def test_accounts_without_any_position_are_refused() -> None:
    with pytest.raises(BalancesRefused, match="not one position"):
        probe(read(record(), record("0x" + "0" * 40)))


@pytest.mark.parametrize(
    "values", [[{"_metadata": True}], [{"address": ADDRESS, "positions": []}], ["x"]]
)
def test_lines_without_any_account_are_refused(values: list[object]) -> None:
    with pytest.raises(BalancesRefused, match="no account in 1 lines"):
        probe(read(*values))


@pytest.mark.parametrize(("impossible", "refused"), [(1, False), (2, True)])
def test_more_than_a_thousandth_of_impossible_times_is_refused(
    impossible: int, refused: bool
) -> None:
    good = [record(f"0x{n:040x}", DAY, POSITION) for n in range(1000 - impossible)]
    found = read(*good, *[record(ADDRESS, 5)] * impossible)
    if not refused:
        assert probe(found).record_share == 0.999
        return
    with pytest.raises(VigilError, match=r"2 of 1000 records have an impossible time"):
        probe(found)


# --- collapses -----------------------------------------------------------------------------


def series(*values: str, address: str = ADDRESS, step: int = DAY_MS) -> pl.DataFrame:
    times = [DAY + n * step for n in range(len(values))]
    rows = [(address, time, Decimal(value)) for time, value in zip(times, values, strict=True)]
    names = ("address", "recorded_at", "account_value")
    return pl.DataFrame(rows, schema={name: ACCOUNT_SCHEMA[name] for name in names}, orient="row")


def found_at(accounts: pl.DataFrame) -> list[int]:
    flags = collapsed(accounts)["collapsed"].to_list()
    return [n for n, flag in enumerate(flags) if flag]


def test_recorded_account_collapses_on_the_day_that_is_known_for_it() -> None:
    with shared_file(RECORDED).open() as source:
        rows = [
            (row["address"], iso_ns(row["timestamp"]) // 1_000_000, Decimal(row["accountValue"]))
            for row in csv.DictReader(source)
        ]
    recorded = pl.DataFrame(rows, schema=series().schema, orient="row")
    assert found_at(recorded) == []
    # The file ends on the day before.
    address, last, value = rows[-1]
    after = [(address, last + DAY_MS, Decimal("7.03")), (address, last + 2 * DAY_MS, value)]
    whole = pl.concat([recorded, pl.DataFrame(after, schema=recorded.schema, orient="row")])
    assert found_at(whole) == [len(rows)]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (("30000", "7", "30000"), [1]),
        (("30000", "300", "30000"), []),
        (("30000", "299.99", "30000"), [1]),
        (("30000", "-7", "30000"), [1]),
        (("30000", "7", "7", "30000"), []),
        (("7", "30000", "7"), []),
        (("30000", "7"), []),
        (("999", "0", "30000"), []),
        (("1000", "0", "30000"), [1]),
    ],
)
def test_only_a_fall_for_one_day_is_a_collapse(values: tuple[str, ...], found: list[int]) -> None:
    assert found_at(series(*values)) == found


def test_days_that_are_missing_around_it_leave_it_undecided() -> None:
    assert found_at(series("30000", "7", "30000", step=2 * DAY_MS)) == []


def test_accounts_do_not_lend_each_other_their_neighbours() -> None:
    both = pl.concat([series("30000", "7"), series("30000", address="0x" + "c" * 40)])
    assert found_at(both) == []


# --- addresses -----------------------------------------------------------------------------


def test_a_single_position_seeds_and_the_sum_does_not() -> None:
    def with_values(address: str, *values: str) -> Row:
        held = [POSITION | {"coin": f"C{n}", "positionValue": v} for n, v in enumerate(values)]
        return record(address, DAY, *held)

    other = "0x" + "0" * 40
    found = read(with_values(ADDRESS, "49999.99", "49999.99"), with_values(other, "50000", "60000"))
    assert seeded_addresses(found.positions).to_list() == [other]
    assert seeded_addresses(found.positions, 40_000).to_list() == [other, ADDRESS]


def test_the_same_day_twice_is_once() -> None:
    seeded = pl.Series([ADDRESS, ADDRESS])
    once = merge_addresses(no_addresses(), DAY, seeded)
    assert once.rows() == [(ADDRESS, 3, DAY, DAY, 0, 0)]
    assert merge_addresses(once, DAY, seeded).equals(once)
    assert merge_addresses(once, DAY, seeded.clear()).equals(once)
