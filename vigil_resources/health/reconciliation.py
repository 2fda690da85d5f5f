"""What a day of fills is held against: itself, the objects it came from, the balances, money.

Nothing is repaired here. A day gets one row of `reconciliation` per invariant, with what was
checked, what failed and where to look, and one of `account_reconciliation` per account with a
balances snapshot at both ends. Errors are ours, and say that nothing may be built of the day;
warnings are facts of the source.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import polars as pl
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql
from psycopg.types.json import Jsonb

from vigil_core.calendar import DAY_MS, day_start_ms
from vigil_core.errors import NotLoaded
from vigil_resources.database.day_tables import DayTables, as_csv, fingerprint
from vigil_resources.database.warehouse import Warehouse, names_of
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.files.perp_balances import PerpBalances
from vigil_resources.statements import digest_of, query, template

RELATION, ACCOUNTS = "reconciliation", "account_reconciliation"
MOST_EXAMPLES = 10

_TRADES, _STEPS = "reconciliation/create_trades", "reconciliation/create_steps"
_OF_ACCOUNTS = "reconciliation/accounts"
_POSITION_COLUMNS = ["address", "coin", "recorded_at", "szi", "position_value", "entry_px"]
_VERSION = "1"
"""Raise when what is said here in Python changes; the statements speak for themselves."""


class Severity(Enum):
    """What a broken invariant means."""

    ERROR = "error"
    """What is stored is not what came: nothing may be built of the day."""
    WARNING = "warning"
    """What came is not what one would expect: shown, and never filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a question about a day gave: a row of `reconciliation`."""

    invariant: str
    severity: Severity
    checked: int
    failed: int | None
    """None where nothing could be checked; then there is a reason."""
    measure: Decimal | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    examples: list[dict[str, Any]] = field(default_factory=list)
    reason: str | None = None

    @property
    def status(self) -> str:
        """`held`, `failed` or `not_checked`."""
        if self.failed is None:
            return "not_checked"
        return "failed" if self.failed else "held"


ERRORS = {"key_unique": "reconciliation/key_unique"}
"""Invariants that a statement answers from the fills alone, and that are errors."""

WARNINGS = {
    "one_buyer_one_seller": "reconciliation/one_buyer_one_seller",
    "one_taker": "reconciliation/one_taker",
    "sizes_balance": "reconciliation/sizes_balance",
    "positions_sum_to_zero": "reconciliation/positions_sum_to_zero",
    "positions_chain": "reconciliation/positions_chain",
    "fees_priced": "reconciliation/fees_priced",
    "source_hours_present": "reconciliation/source_hours_present",
    "positions_match_balances": "reconciliation/positions_match_balances",
    "equity_reconciles": "reconciliation/equity_reconciles",
}
"""Those that are warnings; they read the tables made for the day, too."""


class Reconciliation:
    """Asks the days of the warehouse whether they are what came, and whether that adds up."""

    def __init__(self, lake: Lake, warehouse: Warehouse, balances: PerpBalances) -> None:
        self._lake = lake
        self._warehouse = warehouse
        self._balances = balances
        self._tables = DayTables(warehouse)

    def is_current(self, day: date) -> bool:
        """Whether the day was asked about the fills, objects and balances that are there now."""
        return self._tables.built_from(RELATION, day) == self._fingerprint(day)

    def broken(self, day: date) -> list[Finding]:
        """The errors of a day: why nothing may be built of it. Nothing is written.

        That the key is unique the index answers for, where it is there: every load waits for this.

        Raises:
            NotLoaded: The day's fills are not in the warehouse.
        """
        with self._warehouse.connect(read_only=True) as connection:
            _expect_loaded(connection, day)
            connection.execute(query("schema/more_memory"))
            return [one for one in self._errors(connection, day, prove=False) if one.failed]

    def failures(self, day: date) -> list[Finding]:
        """What is kept as failed of a day, errors first."""
        rows = self._warehouse.rows("reconciliation/failures", {"day": day_start_ms(day)})
        return [_finding(name, Severity(severity), *row) for name, severity, *row in rows]

    def build(self, day: date) -> list[Finding]:
        """Ask all questions of a day, and keep the answers; gives them.

        Readers see the old answers or the new.

        Raises:
            NotLoaded: The day's fills are not in the warehouse.
        """
        began = time.monotonic()
        # What changes from here on leaves the day stale, not wrong.
        built_from = self._fingerprint(day)
        start = day_start_ms(day)
        with self._warehouse.connect() as connection, connection.transaction():
            # One snapshot: all questions are about the same rows.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            _expect_loaded(connection, day)
            connection.execute(query("schema/more_memory"))
            connection.execute(query("artemis/lock_relation"), {"relation": RELATION})
            for relation in (RELATION, ACCOUNTS):
                name = sql.Identifier(relation)
                connection.execute(template("artemis/delete_day", name=name, day=start))
            self._make_tables(connection, day)
            # Accounts without statistics are taken for a few, and joined in loops.
            connection.execute(query("schema/without_loops"))
            connection.execute(query(_OF_ACCOUNTS), {"day": start})
            errors = self._errors(connection, day, prove=True)
            findings = [*errors, *_warnings(connection, start)]
            for finding in findings:
                connection.execute(query("reconciliation/save"), _row(start, finding))
            state = {
                "relation": RELATION,
                "day": start,
                "built_from": built_from,
                "row_count": len(findings),
                "details": "{}",
                "elapsed_seconds": time.monotonic() - began,
            }
            connection.execute(query("artemis/save_state"), state)
        return findings

    def _fingerprint(self, day: date) -> str:
        before = day - timedelta(days=1)
        return fingerprint(
            _VERSION,
            digest_of(_TRADES, _STEPS, _OF_ACCOUNTS, *ERRORS.values(), *WARNINGS.values()),
            self._lake.manifest(day).version,
            self._lake.day(day).version,
            *(
                self._warehouse.rows("reconciliation/loaded", {"day": day_start_ms(one)})
                for one in (before, day)
            ),
            *(self._balances.version(one) for one in (before, day)),
            *(self._tables.built_from("account_balances", one) for one in (before, day)),
            self._warehouse.rows(
                "accounts/contents",
                {"start": day_start_ms(before), "end": day_start_ms(day) + DAY_MS},
            ),
        )

    def _errors(
        self, connection: psycopg.Connection, day: date, *, prove: bool
    ) -> Iterator[Finding]:
        asked = {"day": day_start_ms(day), "prove": prove}
        for invariant, statement in ERRORS.items():
            yield _asked(connection, invariant, statement, Severity.ERROR, asked)
        content = self._lake.day(day)
        stored = _StoredObjects.of(connection, day_start_ms(day))
        yield self._rows_agree(connection, content, stored)
        yield self._hashes_agree(content, stored)

    def _rows_agree(
        self, connection: psycopg.Connection, content: DayOfLake, stored: "_StoredObjects"
    ) -> Finding:
        """Rows of an object's part: as the ledger says, as Parquet has, as were loaded.

        The day itself is one more thing to check: the rows that are there are those that were
        loaded, less those left out as delivered again.
        """
        examples = []
        for part in content.parts:
            names = names_of(content.entries[part.hour])
            found = {
                "ledger": part.rows,
                "parquet": self._parquet_rows(part.path),
                "loaded": stored.rows.pop(_name(names), None),
            }
            if len(set(found.values())) > 1:
                examples.append({"source_object": _name(names)} | found)
        examples += [{"source_object": n, "loaded": rows} for n, rows in stored.rows.items()]
        counted = connection.execute(
            query("reconciliation/count_rows"), {"day": day_start_ms(content.day)}
        )
        [(in_fills, recorded, repeated)] = counted.fetchall()
        expected = content.rows - repeated
        if not in_fills == recorded == expected:
            day = {"day": str(content.day), "fills": in_fills, "recorded": recorded}
            examples.append(day | {"lake": content.rows, "repeated": repeated})
        return Finding(
            invariant="rows_agree",
            severity=Severity.ERROR,
            checked=len(content.parts) + 1,
            failed=len(examples),
            measure=Decimal(in_fills - expected),
            counts={
                "fills": in_fills,
                "lake": content.rows,
                "repeated": repeated,
                "repeated_inside_objects": sum(e.repeated for e in content.entries.values()),
            },
            examples=examples[:MOST_EXAMPLES],
        )

    def _hashes_agree(self, content: DayOfLake, stored: "_StoredObjects") -> Finding:
        """What an object and its parts are: as listed, as kept in the lake, as were loaded.

        The listing's etag stands for the object's bytes, which are not read again.
        """
        listed = self._lake.manifest(content.day)
        stale = {hour.name for hour in self._lake.stale_objects(listed)}
        examples = [{"source_object": name, "differs": "listing"} for name in sorted(stale)]
        for part in content.parts:
            entry = content.entries[part.hour]
            name = _name(names_of(entry))
            differs = {
                "parquet": hashlib.sha256(self._lake.store.read(part.path)).hexdigest()
                != part.sha256,
                "loaded part": stored.digests.get(name) != part.sha256,
                "loaded object": stored.objects.get(name) != (entry.etag, entry.content_sha),
            }
            examples += [
                {"source_object": name, "path": part.path, "differs": what}
                for what, is_other in differs.items()
                if is_other
            ]
        return Finding(
            invariant="hashes_agree",
            severity=Severity.ERROR,
            checked=len(content.parts) + len(listed.objects),
            failed=len(examples),
            examples=examples[:MOST_EXAMPLES],
        )

    def _parquet_rows(self, path: str) -> int:
        file = pq.ParquetFile(pa.BufferReader(self._lake.store.read(path)))
        return int(file.metadata.num_rows)

    def _make_tables(self, connection: psycopg.Connection, day: date) -> None:
        """The tables that several questions read; they end with the transaction."""
        start = day_start_ms(day)
        for statement in (_TRADES, _STEPS):
            connection.execute(template(statement, day=start))
        connection.execute(query("reconciliation/create_balance_accounts"))
        connection.execute(query("reconciliation/create_balance_positions"))
        for one in (day - timedelta(days=1), day):
            self._copy_balances(connection, one)
        for name in ("trades_of_day", "steps_of_day", "balance_accounts", "balance_positions"):
            connection.execute(template("reconciliation/analyze", name=sql.Identifier(name)))

    def _copy_balances(self, connection: psycopg.Connection, day: date) -> None:
        entry = self._balances.finished(day)
        if entry is None:
            return
        recorded_at = pl.col("recorded_at").fill_null(entry.recorded_at)
        accounts = self._balances.accounts(day).select("address", recorded_at)
        held = self._balances.positions(day).drop("recorded_at").join(accounts, on="address")
        positions = held.select(_POSITION_COLUMNS)
        for name, frame in {"balance_accounts": accounts, "balance_positions": positions}.items():
            columns = sql.SQL(", ").join(map(sql.Identifier, frame.columns))
            copy_in = template("artemis/copy_in", name=sql.Identifier(name), columns=columns)
            with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
                copy.write(as_csv(frame))


@dataclass(frozen=True, slots=True)
class _StoredObjects:
    """What the warehouse says of the objects of a day, by their names."""

    rows: dict[str, int]
    digests: dict[str, str]
    """Of the day's parts."""
    objects: dict[str, tuple[str, str]]
    """Etag and `content_sha`."""

    @classmethod
    def of(cls, connection: psycopg.Connection, start: int) -> "_StoredObjects":
        found = cls({}, {}, {})
        for file_id, source, rows, digest, etag, content in connection.execute(
            query("reconciliation/objects"), {"day": start}
        ):
            name = _name({"file_id": file_id, "source": source})
            found.rows[name], found.digests[name] = rows, digest
            found.objects[name] = (etag, content)
        return found


def _expect_loaded(connection: psycopg.Connection, day: date) -> None:
    asked = {"day": day_start_ms(day)}
    if connection.execute(query("fills/day_state"), asked).fetchone() is None:
        raise NotLoaded(RELATION, str(day))


def _warnings(connection: psycopg.Connection, start: int) -> Iterator[Finding]:
    for invariant, statement in WARNINGS.items():
        yield _asked(connection, invariant, statement, Severity.WARNING, {"day": start})
    yield _pnl_sums_to_zero()


def _pnl_sums_to_zero() -> Finding:
    """Not to be said from fills, and said to be so.

    PnL is realized by whoever closes: against one who opens, nothing is realized on the other
    side. Only realized and unrealized PnL of all holders together, less fees and funding, which go
    to the exchange and its builders, sum to zero; the fills of a day know neither the entries of
    positions from before nor those who did not trade.
    """
    return Finding(
        invariant="pnl_sums_to_zero",
        severity=Severity.WARNING,
        checked=0,
        failed=None,
        reason="not_available_from_fills",
    )


def _asked(
    connection: psycopg.Connection,
    invariant: str,
    statement: str,
    severity: Severity,
    asked: dict[str, Any],
) -> Finding:
    values = asked | {"examples": MOST_EXAMPLES}
    [row] = connection.execute(query(statement), values).fetchall()
    return _finding(invariant, severity, *row)


def _finding(
    invariant: str,
    severity: Severity,
    checked: int,
    failed: int | None,
    measure: Decimal | None,
    counts: dict[str, Any],
    examples: list[dict[str, Any]],
    reason: str | None,
) -> Finding:
    return Finding(
        invariant=invariant,
        severity=severity,
        checked=checked,
        failed=None if reason else failed,
        measure=measure,
        counts=counts,
        examples=examples,
        reason=reason,
    )


def _row(start: int, finding: Finding) -> dict[str, Any]:
    values = asdict(finding) | {"day": start, "status": finding.status}
    return values | {
        "severity": finding.severity.value,
        "counts": Jsonb(finding.counts),
        "examples": Jsonb(finding.examples),
    }


def _name(names: dict[str, Any]) -> str:
    return f"{names['source']}/{names['file_id']}"
