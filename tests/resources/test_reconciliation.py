"""Every invariant of a day: planted to fail, and seen to fail alone, with the keys of the rows."""

import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.conftest import Installation, installed
from tests.reference.hostile_lines import make_block, make_fill
from tests.resources.loading import load_day, take_in, write_hour
from vigil_core.calendar import day_start_ms
from vigil_core.errors import NotLoaded
from vigil_core.fills.schema import MONEY
from vigil_core.fills.source_keys import SourceHour
from vigil_resources.database.day_tables import DayTables
from vigil_resources.health.reconciliation import Finding
from vigil_resources.wiring import open_perp_balances, open_raw_fills, open_reconciliation

Block = dict[str, Any]

DAY = date(2026, 3, 16)
BEFORE = DAY - timedelta(days=1)
ANN, BOB, CY = ("0x" + letter * 40 for letter in "abc")
FIRST_BLOCK = 900_000_000


@pytest.fixture(scope="module")
def vigil(
    tmp_path_factory: pytest.TempPathFactory, module_patch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """One for all tests: each loads its day anew."""
    folder = tmp_path_factory.mktemp("reconciliation")
    (folder / "raw").mkdir()
    module_patch.setenv("VIGIL_ARTEMIS_DATA", str(folder / "balances"))
    with installed(folder, folder / "raw", module_patch) as installation:
        yield installation


def fill(user: str, side: str, start: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    """A fill of size 1, its order named by the user."""
    made = make_fill(side=side, startPosition=start, sz="1", oid=int(user[2:10], 16))
    return user, made | {"crossed": side == "B"} | changes


def trade(number: int, buyer: tuple[str, str], seller: tuple[str, str], **changes: Any) -> Block:
    """A block of one trade between two users, given with where they start."""
    return block(number, fill(*_with("B", buyer)), fill(*_with("A", seller)), tid=number, **changes)


def _with(side: str, party: tuple[str, str]) -> tuple[str, str, str]:
    return party[0], side, party[1]


def block(number: int, *events: tuple[str, dict[str, Any]], **changes: Any) -> Block:
    """A block that many seconds after the beginning of the day; changes are of all its fills."""
    at = {"time": day_start_ms(DAY) + 1_000 * number}
    made = [[user, one | at | changes] for user, one in events]
    return make_block(events=made, block_number=FIRST_BLOCK + number)


def clean() -> list[Block]:
    """Three trades: each trader's fills follow one another."""
    return [
        trade(1, (ANN, "0"), (BOB, "0")),
        trade(2, (ANN, "1"), (CY, "0")),
        trade(3, (CY, "-1"), (ANN, "2")),
    ]


def changed(blocks: list[Block], number: int, place: int, **changes: Any) -> list[Block]:
    """Blocks of which one fill differs."""
    blocks[number - 1]["events"][place][1].update(changes)
    return blocks


def load(vigil: Installation, blocks: list[Block], day: date = DAY) -> None:
    write_hour(vigil, SourceHour(day, 0), blocks)
    take_in(vigil, day)
    load_day(vigil, day)


def ask(vigil: Installation, day: date = DAY) -> dict[str, Finding]:
    """What the day is found to be, but for the 23 hours that no test writes."""
    findings = open_reconciliation(vigil.settings).build(day)
    return {one.invariant: one for one in findings if one.invariant != "source_hours_present"}


def failed(findings: dict[str, Finding]) -> set[str]:
    return {name for name, one in findings.items() if one.failed}


def change(vigil: Installation, statement: str) -> None:
    with vigil.warehouse.connect() as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def test_a_clean_day_fails_nothing(vigil: Installation) -> None:
    load(vigil, clean())

    found = ask(vigil)

    assert failed(found) == set()
    checked = {name: one.checked for name, one in found.items() if one.failed is not None}
    assert checked == {
        "key_unique": 6,
        "rows_agree": 2,
        "hashes_agree": 2,
        "one_buyer_one_seller": 3,
        "one_taker": 3,
        "sizes_balance": 1,
        "positions_sum_to_zero": 1,
        "positions_chain": 3,
        "fees_priced": 6,
    }


def test_what_cannot_be_checked_says_why(vigil: Installation) -> None:
    load(vigil, clean())

    ask(vigil)

    rows = vigil.records(
        "SELECT invariant, reason, failed FROM reconciliation WHERE status = 'not_checked' "
        "ORDER BY invariant"
    )
    assert [(row["invariant"], row["reason"], row["failed"]) for row in rows] == [
        ("equity_reconciles", "insufficient_coverage", None),
        ("pnl_sums_to_zero", "not_available_from_fills", None),
        ("positions_match_balances", "insufficient_coverage", None),
    ]


def without_a_seller() -> list[Block]:
    blocks = clean()
    del blocks[1]["events"][1]
    return blocks[:2]


PLANTED = {
    # A row that is missing is missing from the sums, too.
    "no counterparty": (
        without_a_seller(),
        {"one_buyer_one_seller", "sizes_balance", "positions_sum_to_zero"},
        2,
    ),
    "another size": (
        changed(clean(), 3, 1, sz="0.9"),
        {"one_buyer_one_seller", "sizes_balance", "positions_sum_to_zero"},
        3,
    ),
    "another price": (changed(clean(), 2, 1, px="99999"), {"one_buyer_one_seller"}, 2),
    "two takers": (changed(clean(), 2, 1, crossed=True), {"one_taker"}, 2),
    "no taker": (changed(clean(), 2, 0, crossed=False), {"one_taker"}, 2),
    "a whole trade is missing": (
        [*clean(), trade(4, (ANN, "2"), (CY, "-1"))],
        {"positions_chain"},
        4,
    ),
    "one position moved": (
        changed(clean(), 3, 1, startPosition="2.5"),
        {"positions_chain", "positions_sum_to_zero"},
        3,
    ),
    "a token without a price": (changed(clean(), 1, 0, feeToken="HYPE"), {"fees_priced"}, 1),
}
"""Blocks, what fails, and the trade that the first example of each but the sums names."""


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_failure_is_found_alone_with_its_keys(vigil: Installation, plant: str) -> None:
    blocks, expected, tid = PLANTED[plant]
    load(vigil, blocks)

    found = ask(vigil)

    assert failed(found) == expected
    for name in expected - {"positions_sum_to_zero"}:
        assert found[name].examples[0]["tid"] == tid, name
        assert found[name].examples[0]["coin"] == "BTC", name


def test_an_example_has_every_key_of_its_row(vigil: Installation) -> None:
    load(vigil, without_a_seller())

    [example] = ask(vigil)["one_buyer_one_seller"].examples

    assert example == {
        "time": day_start_ms(DAY) + 2_000,
        "coin": "BTC",
        "tid": 2,
        "user_address": ANN,
        "block_number": FIRST_BLOCK + 2,
        "event_index": 0,
        "source_object": f"hyperliquid/node_fills_by_block/{DAY:%Y%m%d}/00",
    }


def test_the_noise_of_floats_is_no_break(vigil: Installation) -> None:
    load(vigil, changed(clean(), 3, 1, startPosition="2.0000000008"))

    assert failed(ask(vigil)) == set()


def test_a_chain_is_followed_over_midnight(vigil: Installation) -> None:
    before = trade(1, (ANN, "0"), (BOB, "0"))
    for _, one in before["events"]:
        one["time"] -= 60_000
    load(vigil, [before], BEFORE)
    load(vigil, [trade(2, (ANN, "1"), (BOB, "-3"))])

    found = ask(vigil)["positions_chain"]

    assert (found.checked, found.failed, found.counts["broken_over_midnight"]) == (2, 1, 1)
    assert (found.examples[0]["user_address"], found.measure) == (BOB, 2)
    change(vigil, f"DELETE FROM day_state WHERE day = {day_start_ms(BEFORE)}")
    change(vigil, f"DELETE FROM fills WHERE time < {day_start_ms(DAY)}")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("dust", {"coin": "@107", "dir": "Spot Dust Conversion", "tid": 0}),
        ("settlement", {"coin": "OLD", "dir": "Settlement"}),
        ("deleveraging", {"coin": "ETH", "dir": "Auto-Deleveraging"}),
        ("outcome", {"coin": "#1890", "dir": "Split Outcome"}),
    ],
)
def test_what_stands_alone_by_nature_is_explained_and_counted(
    vigil: Installation, kind: str, changes: dict[str, Any]
) -> None:
    load(vigil, [*clean(), block(4, fill(BOB, "A", "5"), **({"tid": 4} | changes))])

    found = ask(vigil)

    assert failed(found) == set()
    assert found["one_buyer_one_seller"].counts["explained"] == {kind: 1}
    assert found["one_buyer_one_seller"].checked == 3


def test_rows_that_vanished_are_missed(vigil: Installation) -> None:
    load(vigil, clean())
    change(vigil, "DELETE FROM fills WHERE tid = 3")

    found = ask(vigil)

    assert failed(found) == {"rows_agree"}
    assert found["rows_agree"].measure == -2
    assert found["rows_agree"].examples == [
        {"day": str(DAY), "fills": 4, "recorded": 6, "lake": 6, "repeated": 0}
    ]


def test_an_object_of_which_other_rows_were_recorded_is_named(vigil: Installation) -> None:
    load(vigil, clean())
    change(vigil, "UPDATE day_parts SET row_count = 7")

    found = ask(vigil)

    assert failed(found) == {"rows_agree"}
    [example] = found["rows_agree"].examples
    assert (example["ledger"], example["parquet"], example["loaded"]) == (6, 6, 7)


@pytest.mark.parametrize(
    ("statement", "differs"),
    [
        ("UPDATE day_parts SET sha256 = 'other'", "loaded part"),
        ("UPDATE load_progress SET etag = 'other'", "loaded object"),
    ],
)
def test_a_digest_that_was_not_loaded_is_named(
    vigil: Installation, statement: str, differs: str
) -> None:
    load(vigil, clean())
    change(vigil, statement)

    found = ask(vigil)

    assert failed(found) == {"hashes_agree"}
    assert found["hashes_agree"].examples[0]["differs"] == differs


def test_a_part_that_is_not_what_was_written_is_named(vigil: Installation) -> None:
    load(vigil, clean())
    [part] = vigil.lake.day(DAY).parts
    path = Path(vigil.settings.lake) / part.path
    pq.write_table(pq.read_table(path), path, compression="none")

    found = ask(vigil)

    assert failed(found) == {"hashes_agree"}
    assert found["hashes_agree"].examples[0]["path"] == part.path
    assert found["hashes_agree"].examples[0]["differs"] == "parquet"


def test_an_object_that_came_anew_is_not_what_was_loaded(vigil: Installation) -> None:
    load(vigil, clean())
    write_hour(vigil, SourceHour(DAY, 0), clean()[:2])
    vigil.lake.write_manifest(open_raw_fills(vigil.settings).manifest(DAY))

    found = ask(vigil)

    assert failed(found) == {"hashes_agree"}
    assert found["hashes_agree"].examples[0]["differs"] == "listing"


def test_two_fills_in_one_place_of_a_block_are_an_error(vigil: Installation) -> None:
    load(vigil, clean())
    change(vigil, "UPDATE fills SET event_index = 0 WHERE tid = 3")

    found = ask(vigil)

    assert failed(found) == {"key_unique"}
    assert [example["user_address"] for example in found["key_unique"].examples] == [ANN, CY]


def test_a_day_is_stale_when_its_fills_changed(vigil: Installation) -> None:
    load(vigil, clean())
    audit = open_reconciliation(vigil.settings)
    audit.build(DAY)
    assert audit.is_current(DAY)
    load_day(vigil, DAY)
    assert audit.is_current(DAY)
    # As a load into an empty database counts anew.
    with vigil.warehouse.connect() as connection:
        connection.execute("UPDATE day_state SET generation = nextval('generation')")
    assert audit.is_current(DAY)

    load(vigil, changed(clean(), 1, 0, fee="12"))

    assert not audit.is_current(DAY)


def test_a_day_that_is_not_loaded_is_refused(vigil: Installation) -> None:
    take_in(vigil, date(2026, 5, 1))

    with pytest.raises(NotLoaded, match="reconciliation"):
        open_reconciliation(vigil.settings).build(date(2026, 5, 1))


# --- balances ------------------------------------------------------------------------------


def test_positions_are_those_of_the_balances(vigil: Installation) -> None:
    load(vigil, clean())
    # Recorded between the second trade and the third, when Ann held 2.
    write_balances(vigil, DAY, 2_500, {ANN: "2", BOB: "-1", CY: "-7"})

    found = ask(vigil)["positions_match_balances"]

    assert (found.checked, found.failed, found.measure) == (3, 1, 6)
    [example] = found.examples
    assert (example["user_address"], example["from_fills"], example["recorded"]) == (CY, "-1", "-7")


def test_an_account_is_incomplete_where_a_component_is_not_known(vigil: Installation) -> None:
    load(vigil, [], BEFORE)
    load(vigil, clean())
    write_balances(vigil, BEFORE, 0, {ANN: "0", BOB: "0", CY: "1"})
    write_balances(vigil, DAY, 2_500, {ANN: "0", BOB: "0", CY: "1"})
    change(vigil, "UPDATE day_state SET missing_hours = '{}'")

    ask(vigil)

    rows = vigil.records("SELECT * FROM account_reconciliation ORDER BY user_address")
    known = {row["user_address"]: row for row in rows}
    assert {row["status"] for row in rows} == {"incomplete"}
    assert {row["residual_usd"] for row in rows} == {None}
    assert known[ANN]["missing"] == ["funding_usd", "net_flows_usd"]
    # Two fills before the snapshot, one after it.
    assert known[ANN]["gross_realized_pnl_usd"] == -25
    assert known[ANN]["fees_usd"] == pytest.approx(22.5)
    assert known[CY]["unrealized_end_usd"] == 100


def test_nothing_is_said_of_fills_where_an_hour_is_missing(vigil: Installation) -> None:
    load(vigil, [], BEFORE)
    load(vigil, clean())
    write_balances(vigil, BEFORE, 0, {ANN: "1"})
    write_balances(vigil, DAY, 2_500, {ANN: "1"})

    ask(vigil)

    [row] = vigil.records("SELECT missing FROM account_reconciliation")
    assert row["missing"] == [
        "gross_realized_pnl_usd",
        "fees_usd",
        "funding_usd",
        "net_flows_usd",
    ]


def write_balances(vigil: Installation, day: date, ms: int, held: dict[str, str]) -> None:
    """Balances of these accounts in BTC, in the lake and as `account_balances`."""
    at = day_start_ms(day) + ms
    lines = [_balances_line(user, at, szi) for user, szi in held.items()]
    path = Path(vigil.settings.artemis_data) / f"perp_and_spot_balances/{day:%Y/%m/%d}/a.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines))
    open_perp_balances(vigil.settings).take_in(day)
    accounts = open_perp_balances(vigil.settings).accounts(day)
    frame = accounts.with_columns(pl.col("account_value").cast(MONEY))
    tables = DayTables(vigil.warehouse)
    tables.replace_day(day, {"account_balances": frame}, "test", time.monotonic())


def _balances_line(user: str, at: int, szi: str) -> str:
    position = {
        "coin": "BTC",
        "szi": szi,
        "entryPx": "100000",
        "positionValue": str(abs(float(szi)) * 100_100),
        "leverage": {"type": "cross", "value": 5},
        "liquidationPx": None,
        "marginUsed": "20000",
        "maxLeverage": 40,
    }
    held = [{"type": "oneWay", "position": position}] if float(szi) else []
    names = ("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed")
    summary = dict.fromkeys(names, "1000")
    perpetual = {"marginSummary": summary, "assetPositions": held, "time": at}
    record = {"address": user, "timestamp": at, "response": {"perpetual": perpetual}}
    return json.dumps(record) + "\n"


# --- last: it takes the key away ------------------------------------------------------------


def test_a_fill_that_stands_twice_is_an_error_even_without_the_key(vigil: Installation) -> None:
    load(vigil, clean())
    change(vigil, "DROP INDEX fills_key")
    change(vigil, "INSERT INTO fills SELECT * FROM fills WHERE tid = 3")

    broken = open_reconciliation(vigil.settings).broken(DAY)

    assert {one.invariant: one.failed for one in broken} == {"key_unique": 2, "rows_agree": 1}
    assert {example["tid"] for example in broken[0].examples} == {3}
