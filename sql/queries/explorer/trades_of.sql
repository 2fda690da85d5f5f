-- The last round trips of one trader before `at`.
SELECT coin, direction, opened_at, closed_at, hold_ms, fill_count, entry_notional, gross_pnl, fees, net_pnl, unpriced_fills, is_liquidated
FROM round_trips
WHERE user_address = %(address)s AND closed_at < %(at)s
ORDER BY closed_at DESC
LIMIT %(limit)s
