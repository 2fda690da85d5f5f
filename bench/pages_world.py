"""A database of 100,000 made-up traders, straight into the tables that the pages read."""

import psycopg

FIRST_DAY = 1_735_689_600_000
DAYS = 200
TRADERS = 100_000


def fill(connection: psycopg.Connection, traders: int = TRADERS, days: int = DAYS) -> None:
    """Trader-days with the uneven lives that real ones have, labels, positions and balances."""
    values = {"traders": traders, "days": days, "first": FIRST_DAY}
    connection.execute("SELECT setseed(0.5)")
    for statement in _STATEMENTS:
        connection.execute(statement, values)
    connection.commit()


_SUMS = [
    "fills",
    "volume",
    "gross_pnl",
    "fees",
    "unpriced_fills",
    "unknown_pnl_fills",
    "maker_fills",
    "taker_fills",
    "maker_volume",
    "taker_volume",
    "long_increases",
    "short_increases",
    "liquidated_fills",
    "liquidator_fills",
    "twap_volume",
    "winning_fills",
    "losing_fills",
    "exposure_usd_ms",
    "active_days",
    "closed_trades",
    "winning_trades",
    "losing_trades",
    "unknown_trades",
    "gross_profit",
    "gross_loss",
    "hold_ms",
    "left_censored_trades",
    "continuity_breaks",
    "all_gross_pnl",
    "all_fees",
    "all_unpriced_fills",
    "seed_fees",
    "seed_builder_fees",
    "net_1",
    "net_2",
    "net_3",
    "net_4",
    "net_below_2",
    "net_up_days",
    "net_down_days",
    "unknown_net_days",
    "marked_1",
    "marked_2",
    "marked_3",
    "marked_4",
    "marked_below_2",
    "marked_up_days",
    "marked_down_days",
    "unknown_marked_days",
]

_OF_THE_DAY = {
    "fills": "n",
    "volume": "volume",
    "gross_pnl": "pnl + fee",
    "fees": "fee",
    "maker_fills": "n / 3",
    "taker_fills": "n - n / 3",
    "maker_volume": "volume / 3",
    "taker_volume": "volume - volume / 3",
    "long_increases": "n / 2",
    "short_increases": "n / 3",
    "winning_fills": "n / 4",
    "losing_fills": "n / 5",
    "exposure_usd_ms": "peak * 40000000",
    "active_days": "1",
    "closed_trades": "3",
    "winning_trades": "CASE WHEN pnl > 0 THEN 2 ELSE 1 END",
    "losing_trades": "CASE WHEN pnl > 0 THEN 1 ELSE 2 END",
    "gross_profit": "greatest(pnl, 0)",
    "gross_loss": "least(pnl, 0)",
    "hold_ms": "9000000",
    "all_gross_pnl": "pnl + fee",
    "all_fees": "fee",
    "seed_fees": "fee",
    **{
        f"{kind}_{power}": f"round(pnl ^ {power}, 4)"
        for kind in ("net", "marked")
        for power in (1, 2, 3, 4)
    },
    **{f"{kind}_below_2": "least(pnl, 0) ^ 2" for kind in ("net", "marked")},
    **{f"{kind}_up_days": "(pnl > 0)::int" for kind in ("net", "marked")},
    **{f"{kind}_down_days": "(pnl < 0)::int" for kind in ("net", "marked")},
}

_RUNNING = ", ".join(
    f"sum({_OF_THE_DAY.get(name, '0')}) OVER w"
    + (
        ""
        if name
        in {
            "volume",
            "gross_pnl",
            "fees",
            "maker_volume",
            "taker_volume",
            "twap_volume",
            "exposure_usd_ms",
            "gross_profit",
            "gross_loss",
            "hold_ms",
            "all_gross_pnl",
            "all_fees",
            "seed_fees",
            "seed_builder_fees",
        }
        or name.startswith(
            (
                "net_1",
                "net_2",
                "net_3",
                "net_4",
                "net_b",
                "marked_1",
                "marked_2",
                "marked_3",
                "marked_4",
                "marked_b",
            )
        )
        else "::bigint"
    )
    for name in _SUMS
)

_STATEMENTS = (
    """
    INSERT INTO known_traders
    SELECT '0x' || left(md5(i::text) || md5('x' || i), 40) FROM generate_series(1, %(traders)s) AS i
    """,
    """
    INSERT INTO metric_state
    SELECT %(first)s + d * 86400000::bigint, 'made up', 1, true, d + 1, d + 1, 5000, 4.0
    FROM generate_series(0, %(days)s - 1) AS d
    """,
    """
    INSERT INTO label_state
    SELECT day, 'made up', 1 FROM metric_state
    """,
    """
    INSERT INTO day_state (day, source, content_version, generation, row_count, repeated_count, missing_hours, loaded_at, awaits)
    SELECT day, 'sandbox', 'made up', 1, 1, 0, '{}', now(), '{}' FROM metric_state
    """,
    f"""
    INSERT INTO trader_totals (user_address, day, first_day, net_pnl, mark_to_market_pnl, exposure_usd, peak_exposure_usd, {", ".join(_SUMS)})
    SELECT user_address, day, min(day) OVER (PARTITION BY user_address), pnl, pnl, peak, peak, {_RUNNING}
    FROM (
        SELECT k.user_address, %(first)s + d * 86400000::bigint AS day, (1 + random() * 40)::int AS n,
            round((random() * k.scale * 20)::numeric, 2) AS volume, round((k.scale * 0.01)::numeric, 2) AS fee,
            round((k.scale * (random() + random() + random() - 1.5 + k.skill))::numeric, 2) AS pnl,
            round((k.scale * 5)::numeric, 2) AS peak
        FROM (
            SELECT user_address, exp(4 + 6 * random()) AS scale, (random() - 0.5) * 0.2 AS skill,
                ceil(%(days)s * random() ^ 6 + 1)::int AS lived, (random() * (%(days)s - 1))::int AS start
            FROM known_traders
        ) AS k
        CROSS JOIN LATERAL generate_series(greatest(k.start - k.lived, 0), k.start) AS d
    ) AS t
    WINDOW w AS (PARTITION BY user_address ORDER BY day)
    """,
    """
    INSERT INTO trader_labels
    SELECT user_address, s.rule_set, %(first)s, NULL,
        CASE WHEN r < 0.01 THEN 'SMART_DIRECTIONAL' WHEN r < 0.03 THEN 'HFT' WHEN r < 0.05 THEN 'LIQUIDATOR' ELSE 'RETAIL' END,
        'made_up', '{}'
    FROM (SELECT user_address, random() AS r FROM known_traders) AS k
    CROSS JOIN (VALUES ('seed_100k'), ('vigil_v1')) AS s (rule_set)
    """,
    """
    INSERT INTO trader_coin_daily (day, user_address, coin, fill_count, first_time, last_time, closed_trades, hold_ms, left_censored_trades, continuity_breaks)
    SELECT %(first)s, user_address, 'C' || c, 1 + c, %(first)s, %(first)s, 0, 0, 0, 0
    FROM (SELECT user_address, (random() * 100)::int AS least, (random() * 8)::int AS more FROM known_traders) AS k
    CROSS JOIN LATERAL generate_series(k.least, k.least + k.more) AS c
    """,
    """
    INSERT INTO held_positions
    SELECT t.day, t.user_address, 'C' || c, 1, round((t.exposure_usd / (c + 1)), 2)
    FROM trader_totals AS t
    CROSS JOIN LATERAL generate_series(0, (random() * 3)::int) AS c
    WHERE random() < 0.5
    """,
    """
    INSERT INTO account_balances (day, address, recorded_at, account_value, total_ntl_pos)
    SELECT t.day, t.user_address, t.day + 1000, t.exposure_usd, t.exposure_usd * (1 + random() * 4)::numeric
    FROM trader_totals AS t
    WHERE random() < 0.2
    """,
    "ANALYZE",
)
