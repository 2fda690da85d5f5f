-- trader_metrics_between as a reader found it at an earlier moment: days built since are absent, and
-- days built again since are as they were. Of one trader by `WHERE user_address = …`, which finds
-- him by the key.
CREATE OR REPLACE FUNCTION trader_metrics_as_known(before bigint, window_days bigint, known_at timestamptz)
RETURNS TABLE (
    user_address text, window_start bigint, first_day bigint, calendar_days bigint, n_obs bigint,
    coverage double precision, partial_window boolean, pnl_basis text, capital_basis text,
    publishable boolean,
    gross_realized_pnl_usd numeric, total_fees_usd numeric, total_fees_usd_reason text,
    unpriced_component_count bigint,
    net_pnl_ex_funding_usd numeric, net_pnl_ex_funding_usd_reason text,
    net_realized_pnl_usd numeric, net_realized_pnl_usd_reason text,
    funding_usd numeric, funding_usd_reason text,
    perp_gross_pnl_usd numeric, perp_fees_usd numeric, perp_fees_usd_reason text,
    net_pnl numeric, net_pnl_reason text,
    mark_to_market_pnl_usd numeric, mark_to_market_pnl_usd_reason text,
    fills bigint, volume_usd numeric, trading_days bigint, active_share double precision,
    maker_pct double precision, maker_volume_pct double precision, maker_pct_reason text,
    realized_edge double precision, net_edge double precision, net_edge_reason text,
    mark_to_market_edge double precision,
    liquidated_fill_pct double precision, liquidator_fill_pct double precision,
    long_ratio double precision, long_ratio_reason text, twap_pct double precision,
    turnover_per_day double precision, turnover_per_day_reason text,
    fills_per_active_day double precision, volume_reason text,
    closed_trades bigint, left_censored_trades bigint, continuity_breaks bigint,
    win_rate double precision, win_rate_lower double precision, win_rate_upper double precision,
    win_rate_reason text,
    win_rate_fills double precision, win_rate_fills_reason text,
    win_rate_days double precision, win_rate_days_reason text,
    profit_factor double precision, profit_factor_reason text,
    gross_profit_usd numeric, gross_loss_usd numeric,
    mean_hold_hours double precision, mean_hold_hours_reason text,
    sharpe_ratio double precision, sharpe_ratio_reason text, sharpe_se double precision,
    sharpe_lower double precision, sharpe_upper double precision, psr_0 double precision,
    deflated_sharpe double precision, deflated_sharpe_reason text,
    sortino_ratio double precision, sortino_ratio_reason text
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    -- NULL would be the present; nothing was known at no moment.
    SELECT m.* FROM trader_metrics_between(before, window_days, coalesce(known_at, '-infinity')) AS m
$$;
