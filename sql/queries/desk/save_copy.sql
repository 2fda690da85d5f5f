-- A copy has its signal's number: built again, it is the same.
INSERT INTO copies (
    copy_id, signal_id, trader_id, mode, coin, side, quantity, open_quantity, leader_entry_at,
    submitted_at, opened_at, leader_entry_px, entry_px, closed_at, leader_exit_px, exit_px,
    gross_at_leader_usd, lag_usd, slippage_usd, fees_usd, funding_usd, net_pnl_usd
) OVERRIDING SYSTEM VALUE VALUES (
    %(signal_id)s, %(signal_id)s, %(trader_id)s, %(mode)s, %(coin)s, %(side)s, %(quantity)s,
    %(open_quantity)s, %(leader_entry_at)s, %(submitted_at)s, %(opened_at)s, %(leader_entry_px)s,
    %(entry_px)s, %(closed_at)s, %(leader_exit_px)s, %(exit_px)s, %(gross_at_leader_usd)s,
    %(lag_usd)s, %(slippage_usd)s, %(fees_usd)s, %(funding_usd)s, %(net_pnl_usd)s
)
ON CONFLICT (signal_id) DO UPDATE
SET open_quantity = excluded.open_quantity, closed_at = excluded.closed_at,
    leader_exit_px = excluded.leader_exit_px, exit_px = excluded.exit_px,
    gross_at_leader_usd = excluded.gross_at_leader_usd, lag_usd = excluded.lag_usd,
    slippage_usd = excluded.slippage_usd, fees_usd = excluded.fees_usd,
    funding_usd = excluded.funding_usd, net_pnl_usd = excluded.net_pnl_usd
