-- Only rows that differ are written, so updated_at says when a profile changed.
INSERT INTO trader_profiles AS p
SELECT c.*, now() FROM computed_profiles AS c
ON CONFLICT (user_address) DO UPDATE
SET first_trade_time = excluded.first_trade_time,
    last_trade_time = excluded.last_trade_time,
    trading_days = excluded.trading_days,
    total_fills = excluded.total_fills,
    total_volume = excluded.total_volume,
    unique_coins = excluded.unique_coins,
    realized_pnl = excluded.realized_pnl,
    fees_paid = excluded.fees_paid,
    builder_fees_paid = excluded.builder_fees_paid,
    net_pnl = excluded.net_pnl,
    maker_pct = excluded.maker_pct,
    win_rate = excluded.win_rate,
    mtm_tv = excluded.mtm_tv,
    long_ratio = excluded.long_ratio,
    liquidation_fills = excluded.liquidation_fills,
    liquidation_volume = excluded.liquidation_volume,
    liquidation_pct = excluded.liquidation_pct,
    twap_fills = excluded.twap_fills,
    twap_volume = excluded.twap_volume,
    twap_pct = excluded.twap_pct,
    avg_hold_hours = excluded.avg_hold_hours,
    sharpe_ratio = excluded.sharpe_ratio,
    trader_type = excluded.trader_type,
    trader_type_rule = excluded.trader_type_rule,
    updated_at = excluded.updated_at
WHERE (
    p.first_trade_time, p.last_trade_time, p.trading_days, p.total_fills, p.total_volume,
    p.unique_coins, p.realized_pnl, p.fees_paid, p.builder_fees_paid, p.net_pnl, p.maker_pct,
    p.win_rate, p.mtm_tv, p.long_ratio, p.liquidation_fills, p.liquidation_volume,
    p.liquidation_pct, p.twap_fills, p.twap_volume, p.twap_pct, p.avg_hold_hours, p.sharpe_ratio,
    p.trader_type, p.trader_type_rule
) IS DISTINCT FROM (
    excluded.first_trade_time, excluded.last_trade_time, excluded.trading_days,
    excluded.total_fills, excluded.total_volume, excluded.unique_coins, excluded.realized_pnl,
    excluded.fees_paid, excluded.builder_fees_paid, excluded.net_pnl, excluded.maker_pct,
    excluded.win_rate, excluded.mtm_tv, excluded.long_ratio, excluded.liquidation_fills,
    excluded.liquidation_volume, excluded.liquidation_pct, excluded.twap_fills,
    excluded.twap_volume, excluded.twap_pct, excluded.avg_hold_hours, excluded.sharpe_ratio,
    excluded.trader_type, excluded.trader_type_rule
)
