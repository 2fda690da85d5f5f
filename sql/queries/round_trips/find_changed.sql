-- Which of the positions just rebuilt end the day otherwise than before, and where that matters
-- next. Literals: day, whole.
WITH done AS (
    DELETE FROM changed_positions WHERE next_day = {day} RETURNING user_address, coin
), positions_after AS (
    SELECT d.*
    FROM trader_coin_daily AS d
    WHERE d.day = {day}
      AND ({whole} OR EXISTS (
        SELECT FROM done AS c WHERE c.user_address = d.user_address AND c.coin = d.coin
      ))
), changed AS (
    SELECT user_address, coin
    FROM positions_before AS b
    FULL JOIN positions_after AS a USING (user_address, coin)
    WHERE (
        b.position, b.open_since, b.open_fills, b.open_peak_size, b.open_entry_size,
        b.open_entry_notional, b.open_exit_size, b.open_exit_notional, b.open_gross_pnl,
        b.open_fees, b.open_unpriced_fills, b.open_size_ms,
        CASE WHEN b.position <> 0 THEN b.position_time END
    ) IS DISTINCT FROM (
        a.position, a.open_since, a.open_fills, a.open_peak_size, a.open_entry_size,
        a.open_entry_notional, a.open_exit_size, a.open_exit_notional, a.open_gross_pnl,
        a.open_fees, a.open_unpriced_fills, a.open_size_ms,
        CASE WHEN a.position <> 0 THEN a.position_time END
    )
)
INSERT INTO changed_positions (user_address, coin, next_day)
SELECT
    c.user_address,
    c.coin,
    n.day
FROM changed AS c
CROSS JOIN LATERAL (
    SELECT d.day
    FROM trader_coin_daily AS d
    WHERE d.user_address = c.user_address
      AND d.coin = c.coin
      AND d.day > {day}
      AND d.position IS NOT NULL
    ORDER BY d.day
    LIMIT 1
) AS n
