"""Round trips by the day: positions followed over midnight, and later days kept in step."""

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import sql

from vigil_core.metrics.round_trips import COUNTED, GATHERED, VERSION, round_trips
from vigil_resources.database.copies import rows_in, rows_out
from vigil_resources.database.copy_decoder import Kind
from vigil_resources.statements import digest_of, query, template

RELATION = "round_trips"
POSITIONS = "trader_coin_daily"

FILLS, CARRIED = "round_trips/fills_of_day", "round_trips/carried"

_MONEY = ("px", "sz", "start_position", "closed_pnl")
FILL_KINDS = {
    **dict.fromkeys(("time", "block_number", "event_index"), Kind.INT),
    **dict.fromkeys(("user_address", "coin"), Kind.TEXT),
    **dict.fromkeys(_MONEY, Kind.NARROW),
    # A fee in a token that was bought counts at the price: twice as many decimals.
    "fee_usd": Kind.WIDE,
    "flags": Kind.INT,
}
CARRIED_KINDS = {
    "user_address": Kind.TEXT,
    "coin": Kind.TEXT,
    "position": Kind.POSITION,
    "position_time": Kind.INT,
    **dict.fromkeys(COUNTED, Kind.INT),
    **dict.fromkeys(GATHERED, Kind.WIDE),
}


def definition() -> str:
    """What decides how a day's rows come out, besides its fills and the days before."""
    return f"{digest_of(FILLS, CARRIED)}/{VERSION}"


def build_day(connection: psycopg.Connection, day: int) -> int:
    """Rebuild one UTC day of `round_trips` and `trader_coin_daily`; gives the former's rows.

    Later days go on from where this one leaves each position. Where it leaves it otherwise than
    before, the next day that holds fills of that position is built again for that position alone,
    and so on while anything differs. Whatever the order in which days are built, the end is the
    same.

    Args:
        connection: In a transaction that builds no other day.
        day: Start of the day, ms; its fills are loaded.
    """
    connection.execute(query("schema/without_loops"))
    connection.execute(query("schema/more_memory"))
    connection.execute(query("round_trips/create_positions_before"))
    connection.execute(query("round_trips/create_changed_positions"))
    _follow(connection, day, source="fills")
    has_later_days = connection.execute(query("round_trips/has_later_days"), {"day": day})
    if has_later_days.fetchone() == (True,):
        _find_changed(connection, day, whole=True)
        _follow_changed(connection)
    row = connection.execute(query("round_trips/count_day"), {"day": day}).fetchone()
    assert row is not None
    return int(row[0])


def _follow_changed(connection: psycopg.Connection) -> None:
    while (row := connection.execute(query("round_trips/next_day")).fetchone()) != (None,):
        assert row is not None
        (day,) = row
        connection.execute(template("round_trips/create_changed_fills", day=day))
        _follow(connection, day, source="changed_fills")
        connection.execute(query("round_trips/drop_changed_fills"))
        connection.execute(query("round_trips/save_follow_up"), {"day": day})
        _find_changed(connection, day, whole=False)


def _follow(connection: psycopg.Connection, day: int, *, source: str) -> None:
    whole = sql.Literal(source == "fills")
    connection.execute(template("round_trips/take_away_day", day=day, whole=whole))
    connection.execute(template("round_trips/delete_trips", day=day, whole=whole))
    walk_over(connection, day, sql.Identifier(source))


def walk_over(connection: psycopg.Connection, day: int, source: sql.Identifier) -> None:
    """Add the day's rows, which are not there, for the fills of the source."""
    connection.execute(query("schema/in_order"))
    parts = {"day": sql.Literal(day), "source": source}
    fills = rows_out(connection, template(FILLS, **parts), FILL_KINDS)
    carried = rows_out(connection, template(CARRIED, **parts), CARRIED_KINDS)
    found = round_trips(fills, carried)
    for relation, rows in ((RELATION, found.closed), (POSITIONS, found.positions)):
        at = pa.array(np.full(rows.num_rows, day, np.int64))
        rows_in(connection, relation, rows.append_column("day", at))


def _find_changed(connection: psycopg.Connection, day: int, *, whole: bool) -> None:
    connection.execute(template("round_trips/find_changed", day=day, whole=sql.Literal(whole)))
    connection.execute(query("round_trips/forget_positions_before"))
