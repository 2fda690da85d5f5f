"""Years of made-up traders, by SQL: what a day of the corrected figures is built on, and reads.

A trader's days are spread evenly over the span, from a day of his own on; his daily results are
a + b and a - b in turns, so that the sums of their powers need no walk. The numbers have the digits
of real ones: daily results 6 decimals, volumes 4. What is between two days does not fit them.
"""

from datetime import date

from vigil_core.calendar import day_start_ms
from vigil_resources.database.warehouse import Warehouse

SPAN = 250
"""Days of history, all loaded and complete."""

# The first are the traders of the day that is built later, as their fills name them.
_TRADERS = """
    CREATE UNLOGGED TABLE made_up_traders AS
    SELECT
        n,
        coalesce(d.user_address, '0x' || md5(n::text) || 'abcd1234') AS user_address,
        {least} + n * 7919 % ({most} - {least} + 1)                  AS days,
        n * 104729 % {span}                                          AS late,
        (n % 9001 - 4500) * 0.913077                                 AS a,
        (n % 70001 + 1) * 0.117301                                   AS b
    FROM generate_series(1::bigint, {traders}::bigint) AS t (n)
    LEFT JOIN (
        SELECT user_address, row_number() OVER (ORDER BY user_address) AS n
        FROM trader_daily WHERE day = {day}
    ) AS d USING (n)"""
_DAYS = """
    CREATE UNLOGGED TABLE made_up_days AS
    SELECT t.*, {day} - ({span} - d) * 86400000 AS day, k.k
    FROM generate_series(0, {span} - 1) AS d
    CROSS JOIN made_up_traders AS t
    CROSS JOIN LATERAL (SELECT (d + t.late) * t.days / {span} - t.late * t.days / {span} AS k) AS k
    WHERE k.k > (d - 1 + t.late) * t.days / {span} - t.late * t.days / {span}
    ORDER BY d"""
_TOTALS = """
    INSERT INTO trader_totals
    SELECT
        user_address, day, first_value(day) OVER (PARTITION BY n ORDER BY day),
        a, a + b, n % 100000 * 1.2345, n % 100000 * 2.3456,
        k * 40, k * (n % 90001 + 10) * 3.1417, k * a + k * 1.5, k * 1.5, 0, 0,
        k * (40 - n % 41), k * (n % 41), k * (n % 9001) * 1.1417, k * (n % 80001) * 2.0417,
        k * 12, k * 9, CASE WHEN n % 97 = 0 THEN k ELSE 0 END,
        CASE WHEN n % 91 = 0 THEN k * 3 ELSE 0 END,
        k * 11.75, k * 9, k * 7, k * (n % 100000) * 100000000.5, k, k * 3, k * 2, k, 0,
        k * b, -k * b / 2, k * 5000000, 0, 0, k * a + k * 1.5, k * 1.5, 0, k * 1.5, k * 0.4,
        {powers}, {powers}
    FROM (SELECT n, user_address, day, k, a, b FROM made_up_days) AS m
    ORDER BY day"""
_POWERS = """
        trim_scale(k * a), trim_scale(k * (a * a + b * b)),
        trim_scale(k * (a * a * a + 3 * a * b * b)),
        trim_scale(k * (a * a * a * a + 6 * a * a * b * b + b * b * b * b)),
        trim_scale(k * b * b / 2), k - k / 2, k / 2, 0"""

_TRADER_DAILY = """
    INSERT INTO trader_daily
    SELECT
        day, user_address, 40, (n % 90001 + 10) * 3.1417, 1 + n % 3, a + k % 2 * 2 * b + 1.5, 1.5,
        0.4, 0, n % 41, 40 - n % 41, 9, 7, 16, 12, 9, 0, 0, 4, 11.75
    FROM made_up_days
    WHERE day < {day}
    ORDER BY day"""
_COIN_DAILY = """
    INSERT INTO trader_coin_daily (
        day, user_address, coin, fill_count, first_time, last_time, closed_trades, hold_ms,
        left_censored_trades, continuity_breaks, position, position_time
    )
    SELECT
        day, user_address, 'COIN' || (n + c + k) % 150, 20, day + n % 40000000,
        day + 40000000 + n % 40000000, 1, 5000000, 0, 0, 0, day + 80000000
    FROM made_up_days
    CROSS JOIN generate_series(1, 2) AS c
    WHERE day < {day}
    ORDER BY day"""
# What the fills of the day begin with; of all others each fifth holds something.
_HELD = """
    INSERT INTO held_positions
    SELECT {day} - 86400000, user_address, coin, start_position, px
    FROM (
        SELECT DISTINCT ON (user_address, coin)
            user_address, coin, trim_scale(round(start_position, 8)) AS start_position, px
        FROM fills
        WHERE time >= {day} AND time < {day} + 86400000 AND is_perp(coin)
        ORDER BY user_address, coin, time, block_number, event_index
    ) AS f
    WHERE start_position <> 0
    UNION ALL
    SELECT {day} - 86400000, user_address, p.coin, n % 1001 * 0.1 - 50.05, p.px
    FROM made_up_traders
    JOIN (
        SELECT coin, max(px) AS px, row_number() OVER (ORDER BY coin) - 1 AS number
        FROM fills
        WHERE time >= {day} AND time < {day} + 600000 AND is_perp(coin)
        GROUP BY coin
        LIMIT 10
    ) AS p ON p.number = n % 10
    WHERE n % 5 = 0
        AND n > (SELECT count(*) FROM trader_daily WHERE day = {day})"""
_STATE = """
    INSERT INTO metric_state
    SELECT {day} - ({span} - d) * 86400000, 'made up', 1, true, d + 1, d + 1, 1000, 4
    FROM generate_series(0, {span} - 1) AS d"""
_VERSIONS = """
    INSERT INTO metric_state_versions
    SELECT day, now(), NULL, loaded_days, complete_days, trials, sharpe_variance
    FROM metric_state"""
_KNOWN = "INSERT INTO known_traders SELECT user_address FROM made_up_traders"
_INDEXES = {
    "trader_totals": (
        "ALTER TABLE trader_totals DROP CONSTRAINT trader_totals_pkey",
        "DROP INDEX trader_totals_day",
        "ALTER TABLE trader_totals ADD PRIMARY KEY (user_address, day)",
        "CREATE INDEX trader_totals_day ON trader_totals (day)",
    ),
    "trader_coin_daily": (
        "ALTER TABLE trader_coin_daily DROP CONSTRAINT trader_coin_daily_pkey",
        "DROP INDEX trader_coin_daily_user_coin",
        "ALTER TABLE trader_coin_daily ADD PRIMARY KEY (day, user_address, coin)",
        "CREATE INDEX trader_coin_daily_user_coin ON trader_coin_daily (user_address, coin, day)",
    ),
}


def make_history(warehouse: Warehouse, day: date, traders: int, least: int, most: int) -> int:
    """Give the day, which is loaded and derived, so many traders of `least` to `most` days before.

    Plain Postgres only. Gives the rows of `trader_totals`.
    """
    values = {"day": f"{day_start_ms(day)}::bigint", "span": f"{SPAN}::bigint"}
    values |= {"traders": str(traders), "least": str(least), "most": str(most), "powers": _POWERS}
    with warehouse.connect(autocommit=True) as connection:
        for text in (_TRADERS, _DAYS):
            connection.execute(text.format(**values).encode())
        for table, text in (("trader_totals", _TOTALS), ("trader_coin_daily", _COIN_DAILY)):
            *dropped, key, index = _INDEXES[table]
            for statement in (*dropped, text.format(**values), key, index):
                connection.execute(statement.encode())
        for text in (_TRADER_DAILY, _HELD, _STATE, _VERSIONS, _KNOWN):
            connection.execute(text.format(**values).encode())
        connection.execute("DROP TABLE made_up_days, made_up_traders")
        connection.execute("VACUUM ANALYZE")
        row = connection.execute("SELECT count(*) FROM trader_totals").fetchone()
    assert row is not None
    return int(row[0])
