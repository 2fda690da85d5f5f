-- Copies of a trader, the open ones, or the closed ones, newest first. Parameters: trader_id, open, limit.
SELECT copy_id, signal_id, mode, coin, side, quantity, open_quantity, leader_entry_at, opened_at,
    leader_entry_px, entry_px, closed_at, leader_exit_px, exit_px, gross_at_leader_usd, lag_usd,
    slippage_usd, fees_usd, funding_usd, net_pnl_usd
FROM copies
WHERE trader_id = %(trader_id)s AND (closed_at IS NULL) = %(open)s
ORDER BY coalesce(closed_at, opened_at) DESC, copy_id DESC
LIMIT %(limit)s
