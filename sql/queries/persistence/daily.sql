-- Trader-days, of traders with enough of them to be ranked at any time. Fees are NULL where one of
-- the day's has no price. Filled in: before, min_days.
SELECT
    d.user_address,
    d.day,
    round(d.realized_pnl, 12)                                          AS pnl,
    CASE WHEN d.unpriced_fee_fills = 0 THEN round(d.fees_paid, 12) END AS fees,
    d.volume::double precision                                         AS volume
FROM trader_daily AS d
WHERE d.day < {before}
  AND d.user_address IN (
    SELECT e.user_address
    FROM trader_daily AS e
    WHERE e.day < {before}
    GROUP BY e.user_address
    HAVING count(*) >= {min_days}
  )
