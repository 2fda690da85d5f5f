"""The warehouse: fills by the day, what is derived from a day, and the traders' profiles.

Every method may be repeated and interrupted: a day is replaced in one transaction, and what
was built from older content is known to be stale.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property, partial
from typing import Any

import polars as pl
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from vigil_core.calendar import DAY_MS, day_of, day_start_ms
from vigil_core.desk.parameters import BOUNDS, Bounds
from vigil_core.errors import ContradictingFills, NotLoaded, RowOutsideItsDay
from vigil_core.fills.schema import WAREHOUSE_COLUMNS
from vigil_resources.database import round_trips, schema_installer
from vigil_resources.database.backends import Backend
from vigil_resources.database.copies import copy_in
from vigil_resources.files.lake import DayOfLake, Lake
from vigil_resources.files.ledger import LedgerEntry
from vigil_resources.memory import give_back
from vigil_resources.statements import models, query, template

CLASSIFIED_BY = "seed_100k"
"""Rule set of `trader_profiles.trader_type`."""

FOREVER = 2**62
"""Later than any day: profiles over all that is loaded."""

SIDE_BY_SIDE = 2
"""Days worth loading at a time: each keeps one core of the server and half a one here busy."""

DERIVED = (*models(), round_trips.RELATION)
"""The relations built from a day of fills, in an order that has each after those it reads."""

_PAUSES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30)
"""Seconds between attempts to refresh what another process is refreshing."""

BUCKET = "time_bucket(86400000::bigint, time)"
"""What every model groups by; TimescaleDB insists on these words."""

# To a host that vanished without a word the server would keep its transaction and its locks for
# hours; so it asks, and after 40 seconds without an answer it lets go.
_KEEPALIVE = (
    " -c tcp_keepalives_idle=20 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"
    " -c tcp_user_timeout=40000"
)

_MOST_DIGITS = 38

_JSON_COLUMNS = frozenset({"liquidation", "extra"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedDay:
    """What a load left in the warehouse."""

    rows: int
    repeated: int
    """Fills delivered more than once, kept once."""
    rejected: int
    """Quarantined lines of the day's own objects."""
    changed: bool
    """False: the day was there already with this content."""
    seconds: float


class Warehouse:
    """Postgres with Vigil's schema. Connects at each call, so that an object may be kept."""

    def __init__(self, url: str, bounds: Bounds = BOUNDS) -> None:
        self._url = url
        self._bounds = bounds

    def connect(self, *, read_only: bool = False, autocommit: bool = False) -> psycopg.Connection:
        """A connection for one unit of work; UTC, `compat` behind `public`."""
        given = conninfo_to_dict(self._url).get("options") or ""
        options = f"{given} -c timezone=UTC -c search_path=public,compat{_KEEPALIVE}"
        if read_only:
            options += " -c default_transaction_read_only=on"
        return psycopg.connect(
            self._url, options=options, application_name="vigil", autocommit=autocommit
        )

    def install(self) -> list[str]:
        """Install or upgrade the schema; gives the names of what was applied."""
        with self.connect() as connection:
            return schema_installer.install(connection, self._bounds)

    @cached_property
    def backend(self) -> Backend:
        """What the database was installed for."""
        ((name,),) = self.rows("schema/backend")
        return Backend(name)

    def rows(self, statement: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one of `sql/queries` read-only and give all its rows."""
        with self.connect(read_only=True) as connection:
            return connection.execute(query(statement), values).fetchall()

    def table(self, statement: str, values: dict[str, Any] | None = None) -> pl.DataFrame:
        """The same as a frame. NUMERICs are exact decimals where 38 digits hold the column.

        Ratios, which have no end, become floats.
        """
        with self.connect(read_only=True) as connection:
            cursor = connection.execute(query(statement), values)
            names = [column.name for column in cursor.description or []]
            rows = cursor.fetchall()
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        return pl.DataFrame(
            [_series(name, list(column)) for name, column in zip(names, columns, strict=True)]
        )

    # --- fills ---------------------------------------------------------------------------

    def loaded_days(self) -> set[date]:
        """The UTC days whose fills are in the warehouse."""
        return {day_of(ms) for (ms,) in self.rows("fills/loaded_days")}

    def loaded_version(self, day: date) -> str | None:
        """The lake's version of a day that is loaded, or None."""
        found = self.rows("fills/day_state", {"day": day_start_ms(day)})
        return found[0][1] if found else None

    def load_day(
        self, lake: Lake, content: DayOfLake, *, source: str, missing_hours: list[int]
    ) -> LoadedDay:
        """Replace one UTC day of `fills` by what the lake holds.

        The day's table is built beside the partition that readers see; swapped in and recorded
        it is in one transaction, in which readers wait for the swap alone. Days may be loaded
        side by side, and a day by several processes: one after the other.

        Raises:
            RowOutsideItsDay: The lake's day holds a row of another.
            ContradictingFills: Two rows of one key disagree about what happened.
        """
        begun = time.monotonic()
        day = content.day
        start = day_start_ms(day)
        with self.connect(autocommit=True) as connection:
            # Held until the connection ends, however it does.
            connection.execute("SELECT pg_advisory_lock(%s, %s)", [1, start // DAY_MS])
            _drop_left_days(connection)
            copied, repeated = _build_day_table(connection, lake, content)
            state = {
                "day": start,
                "source": source,
                "content_version": content.version,
                "row_count": copied - repeated,
                "repeated_count": repeated,
                "missing_hours": missing_hours,
                "awaits": content.awaits,
            }
            with connection.transaction():
                _swap_in(connection, self.backend, day)
                before = connection.execute(query("fills/day_state"), {"day": start}).fetchone()
                connection.execute(query("fills/save_day_state"), state)
                rejected = _record_objects(connection, lake, content)
        give_back()
        return LoadedDay(
            rows=copied - repeated,
            repeated=repeated,
            rejected=rejected,
            changed=before is None or before[1] != content.version,
            seconds=time.monotonic() - begun,
        )

    def relations(self) -> list[tuple[str, int, int]]:
        """Name, rows and bytes on disk of `fills` and of what is derived from it."""
        return self.rows(f"backends/{self.backend}/relations")

    # --- aggregates ----------------------------------------------------------------------

    def current_days(self, relation: str) -> set[date]:
        """The days whose build of a derived relation is of the fills loaded now."""
        asked = {"relation": relation, "definition": _definition(relation)}
        return {day_of(ms) for (ms,) in self.rows("aggregates/current_days", asked)}

    def stale_days(self, relation: str) -> set[date]:
        """Loaded days that a derived relation lacks, or holds of older fills."""
        asked = {"relation": relation, "definition": _definition(relation)}
        return {day_of(ms) for (ms,) in self.rows("aggregates/stale_days", asked)}

    def build_day(self, relation: str, day: date) -> int:
        """Rebuild one UTC day of a derived relation; gives the number of rows.

        Raises:
            NotLoaded: The day's fills are not in the warehouse.
        """
        if relation == round_trips.RELATION:
            return self._rebuild_day(relation, day, round_trips.build_day)
        if self.backend is Backend.TIMESCALE:
            return self._refresh_day(relation, day)
        return self._rebuild_day(relation, day, partial(_insert_day, relation))

    def _rebuild_day(
        self, relation: str, day: date, build: Callable[[psycopg.Connection, int], int]
    ) -> int:
        """In one transaction; readers see the old rows or the new."""
        start = day_start_ms(day)
        with self.connect() as connection, connection.transaction():
            if relation == round_trips.RELATION:
                # Days lean on one another: one at a time.
                connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [4, 0])
            locked = connection.execute(query("aggregates/lock_day"), {"day": start}).fetchone()
            if locked is None:
                raise NotLoaded(relation, str(day))
            rows = build(connection, start)
            _save_state(connection, relation, start, locked[0], rows)
        return rows

    def _refresh_day(self, relation: str, day: date) -> int:
        """Have a continuous aggregate follow; a load meanwhile leaves the day stale."""
        start = day_start_ms(day)
        asked = {"relation": relation, "day": start}
        name = sql.Identifier(relation)
        with self.connect(autocommit=True) as connection:
            found = connection.execute(query("aggregates/generations"), asked).fetchone()
            if found is None:
                raise NotLoaded(relation, str(day))
            generation, built = found
            refresh = self.backend.template(
                "refresh_day",
                relation=sql.Literal(relation),
                start=start,
                end=start + DAY_MS,
                # To TimescaleDB a chunk that was attached is no change.
                force=sql.Literal(generation != built),
            )
            _patiently(connection, refresh)
            counted = connection.execute(self.backend.template("count_day", name=name, day=start))
            rows = int(counted.fetchall()[0][0])
            _save_state(connection, relation, start, generation, rows)
        return rows

    # --- positions of smart money --------------------------------------------------------

    def stale_position_days(self) -> set[date]:
        """Loaded days whose positions are missing, or built from something else than is there."""
        return {day_of(ms) for (ms,) in self.rows("positions/stale_days")}

    def build_positions(self, day: date) -> int:
        """Rebuild one UTC day of `smart_money_positions`; gives the number of rows.

        It depends on all days before: a past day that changes makes later ones stale.

        Raises:
            NotLoaded: The day's fills are not in the warehouse.
        """
        at = {"day": day_start_ms(day)}
        with self.connect() as connection, connection.transaction():
            # One snapshot: what is committed meanwhile is neither in the rows nor in the text.
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [3, at["day"] // DAY_MS])
            row = connection.execute(query("positions/inputs"), at).fetchone()
            if row is None or row[0] is None:
                raise NotLoaded("smart_money_positions", str(day))
            connection.execute(query("positions/delete_day"), at)
            build = at | {"rule_set": CLASSIFIED_BY}
            count = connection.execute(query("positions/build_day"), build).rowcount
            state = at | {"built_from": row[0], "row_count": count}
            connection.execute(query("positions/save_state"), state)
        return count

    # --- profiles ------------------------------------------------------------------------

    def profiles_are_current(self) -> bool:
        """Whether `trader_profiles` was computed from the aggregates and rules of now."""
        state = self.rows("profiles/state")
        return bool(state) and state[0][0] == self.rows("profiles/fingerprint")[0][0]

    def publish_profiles(self) -> int:
        """Recompute `trader_profiles`; gives the number of traders.

        Rows that come out as they were are left alone. Readers see the old set or the new.
        """
        with self.connect() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [2, 0])
            connection.execute(query("schema/more_memory"))
            # One snapshot for all of it: a day built meanwhile is not in the fingerprint.
            row = connection.execute(query("profiles/fingerprint")).fetchone()
            built_from = row[0] if row else ""
            parameters = {"before": FOREVER, "rule_set": CLASSIFIED_BY}
            count = connection.execute(query("profiles/compute"), parameters).rowcount
            connection.execute(query("profiles/delete_gone"))
            connection.execute(query("profiles/upsert_changed"))
            state = {"built_from": built_from, "row_count": count}
            connection.execute(query("profiles/save_state"), state)
        return count


def _series(name: str, values: list[Any]) -> pl.Series:
    decimals = [value for value in values if isinstance(value, Decimal)]
    if not decimals:
        return pl.Series(name, values, strict=False)
    scale = max(0, *(-int(value.as_tuple().exponent) for value in decimals))
    whole = max(value.adjusted() + 1 for value in decimals)
    if whole + scale > _MOST_DIGITS:
        floats = [None if value is None else float(value) for value in values]
        return pl.Series(name, floats, dtype=pl.Float64())
    return pl.Series(name, values, dtype=pl.Decimal(_MOST_DIGITS, scale))


def _day_name(day: date) -> str:
    return f"d{day:%Y%m%d}"


def _day_table(day: date, suffix: str = "") -> sql.Identifier:
    return sql.Identifier("fill_days", _day_name(day) + suffix)


def _drop_left_days(connection: psycopg.Connection) -> None:
    """Remove what loads that were killed between building and swapping left, of whatever day.

    Its own day is perhaps never loaded again: what readers see of it may be current.
    """
    for name, number in connection.execute(query("fills/left_days")).fetchall():
        lock = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [1, number])
        if lock.fetchone() == (True,):
            left = sql.Identifier("fill_days", name)
            connection.execute(template("fills/drop_day", day=left))
            connection.execute("SELECT pg_advisory_unlock(%s, %s)", [1, number])


def _build_day_table(
    connection: psycopg.Connection, lake: Lake, content: DayOfLake
) -> tuple[int, int]:
    """Make the day's table with all its indexes; gives rows copied, and those left out again.

    One transaction: the server logs nothing of rows copied into a table that is as new as they.
    """
    day = content.day
    start = day_start_ms(day)
    new_day = _day_table(day, "_new")
    groups = (
        group for part in content.parts for group in lake.part_groups(part, list(WAREHOUSE_COLUMNS))
    )
    columns = sql.SQL(", ").join(map(sql.Identifier, WAREHOUSE_COLUMNS))
    statement = template("fills/copy_day", new_day=new_day, columns=columns)
    with connection.transaction():
        connection.execute(template("fills/drop_day", day=new_day))
        bounds = {"start": start, "end": start + DAY_MS}
        connection.execute(template("fills/create_day", new_day=new_day, **bounds))
        try:
            copied = copy_in(connection, statement, groups, _JSON_COLUMNS)
        except psycopg.errors.CheckViolation as error:
            raise RowOutsideItsDay(str(day), str(error.diag.message_detail)) from None
        repeated = _make_key(connection, new_day, day)
        connection.execute(template("fills/create_day_user_index", new_day=new_day))
        connection.execute(template("fills/create_day_liquidation_index", new_day=new_day))
    return copied, repeated


def _swap_in(connection: psycopg.Connection, backend: Backend, day: date) -> None:
    start = day_start_ms(day)
    bounds = {"start": start, "end": start + DAY_MS}
    new_day, name = _day_table(day, "_new"), _day_table(day)
    # First of all: two that already read `fills` could each wait for the other here.
    connection.execute(query("fills/lock_for_swap"))
    connection.execute(backend.template("remove_day", day=name, **bounds))
    renamed = sql.Identifier(_day_name(day))
    connection.execute(template("fills/rename_day", new_day=new_day, name=renamed))
    as_text = sql.Literal(f"fill_days.{_day_name(day)}")
    connection.execute(backend.template("attach_day", day=name, name=as_text, **bounds))
    connection.execute(template("fills/drop_day_check", day=name))


def _insert_day(relation: str, connection: psycopg.Connection, start: int) -> int:
    name = sql.Identifier(relation)
    connection.execute(Backend.PLAIN.template("delete_day", name=name, day=start))
    # All rows are of one bucket. Told so, the planner need not sort by it, and compares traders
    # by their abbreviated keys: trader_daily takes two thirds of the time.
    body = sql.SQL(models()[relation].text.replace(BUCKET, f"{start}::bigint"))
    return connection.execute(
        Backend.PLAIN.template("insert_day", name=name, day=start, body=body)
    ).rowcount


def _save_state(
    connection: psycopg.Connection, relation: str, start: int, generation: int, rows: int
) -> None:
    state = {"relation": relation, "day": start, "generation": generation, "row_count": rows}
    state["definition"] = _definition(relation)
    connection.execute(query("aggregates/save_state"), state)


def _definition(relation: str) -> str:
    """Empty for models, which are rebuilt when theirs changes."""
    return round_trips.definition() if relation == round_trips.RELATION else ""


def _patiently(connection: psycopg.Connection, statement: sql.Composed) -> None:
    """Again while another process, or a policy, refreshes the same days."""
    for pause in _PAUSES:
        try:
            connection.execute(statement)
        except psycopg.errors.LockNotAvailable:
            time.sleep(pause)
        else:
            return
    connection.execute(statement)


def _make_key(connection: psycopg.Connection, new_day: sql.Identifier, day: date) -> int:
    """Prove the key unique, and give the number of repeated fills that were left out."""
    create = template("fills/create_day_key", new_day=new_day)
    try:
        with connection.transaction():
            connection.execute(create)
    except psycopg.errors.UniqueViolation:
        found = connection.execute(
            template("fills/contradicting_fills", new_day=new_day)
        ).fetchone()
        if found is not None:
            raise ContradictingFills(str(day), found) from None
        repeated = connection.execute(template("fills/delete_repeats", new_day=new_day)).rowcount
        connection.execute(create)
        return repeated
    return 0


def _record_objects(connection: psycopg.Connection, lake: Lake, content: DayOfLake) -> int:
    """Keep what the day's objects gave and what was rejected of them; gives the latter."""
    start = day_start_ms(content.day)
    gone = set(connection.execute(query("fills/delete_day_parts"), {"day": start}).fetchall())
    for part in content.parts:
        values = {"day": start, "row_count": part.rows, "sha256": part.sha256}
        values |= names_of(content.entries[part.hour])
        connection.execute(query("fills/insert_day_part"), values)
    for entry in content.entries.values():
        connection.execute(query("fills/save_load_progress"), _progress(entry))
        _record_findings(connection, lake, entry)
        gone.discard(tuple(names_of(entry).values()))
    for file_id, source in sorted(gone):
        values = {"file_id": file_id, "source": source}
        connection.execute(query("fills/delete_load_progress"), values)
    return sum(e.rejected for hour, e in content.entries.items() if hour.day == content.day)


def _record_findings(connection: psycopg.Connection, lake: Lake, entry: LedgerEntry) -> None:
    names = names_of(entry)
    connection.execute(query("fills/delete_quarantined"), names)
    connection.execute(query("fills/delete_block_breaks"), names)
    with connection.cursor() as cursor:
        if entry.rejected:
            lines = (names | line for line in lake.rejections(entry.hour))
            cursor.executemany(query("fills/insert_quarantined"), lines)
        breaks = [names | asdict(one) | {"place": place} for place, one in enumerate(entry.breaks)]
        cursor.executemany(query("fills/insert_block_break"), breaks)


def names_of(entry: LedgerEntry) -> dict[str, Any]:
    """What the warehouse calls an object: `file_id` and `source`."""
    hour = entry.hour
    return {"file_id": hour.file_id, "source": f"{entry.source}/{hour.generation.value}"}


def _progress(entry: LedgerEntry) -> dict[str, Any]:
    return names_of(entry) | {
        "etag": entry.etag,
        "content_sha": entry.content_sha,
        "rows_rejected": entry.rejected,
        "first_block": entry.first_block,
        "last_block": entry.last_block,
        "first_ms": entry.first_ms,
        "last_ms": entry.last_ms,
    }
