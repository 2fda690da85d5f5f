-- Where the latest day before left each position that a day trades, and what is open of it.
-- Literals: day. Identifiers: source, likewise.
WITH traded AS (
    SELECT DISTINCT f.user_address, f.coin
    FROM {source} AS f
    WHERE f.time >= {day} AND f.time < {day} + 86400000
)
SELECT
    t.user_address,
    t.coin,
    c.position,
    c.position_time,
    c.open_since,
    c.open_fills,
    c.open_unpriced_fills,
    c.open_peak_size,
    c.open_entry_size,
    c.open_entry_notional,
    c.open_exit_size,
    c.open_exit_notional,
    c.open_gross_pnl,
    c.open_fees,
    c.open_size_ms
FROM traded AS t
CROSS JOIN LATERAL (
    SELECT d.*
    FROM trader_coin_daily AS d
    WHERE d.user_address = t.user_address
      AND d.coin = t.coin
      AND d.day < {day}
      AND d.position IS NOT NULL
    ORDER BY d.day DESC
    LIMIT 1
) AS c
