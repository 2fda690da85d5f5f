"""Round trips by the day: positions followed over midnight, and later days kept in step."""

import psycopg
from psycopg import sql

from vigil_resources.statements import query, template

RELATION = "round_trips"


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
    connection.execute(template("round_trips/build_day", day=day, source=sql.Identifier(source)))


def _find_changed(connection: psycopg.Connection, day: int, *, whole: bool) -> None:
    connection.execute(template("round_trips/find_changed", day=day, whole=sql.Literal(whole)))
    connection.execute(query("round_trips/forget_positions_before"))
