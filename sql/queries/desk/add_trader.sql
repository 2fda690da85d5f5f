-- A further trader; what is known of the data now is where following him begins.
INSERT INTO traders (
    user_address, variant, name, source, source_ref, state, priority, position_multiplier,
    base_size_usd, paper_capital_usd, token_whitelist, token_blacklist, max_leverage, min_confidence,
    drawdown_limit, win_rate_limit, win_rate_min_trades, consecutive_losses_limit,
    pause_automatically, promotion_days, promotion_trades, note,
    followed_from, effective_at, created_at, updated_at, updated_by
) VALUES (
    %(user_address)s, %(variant)s, %(name)s, %(source)s, %(source_ref)s, %(state)s, %(priority)s,
    %(position_multiplier)s, %(base_size_usd)s, %(paper_capital_usd)s, %(token_whitelist)s::text[],
    %(token_blacklist)s::text[], %(max_leverage)s, %(min_confidence)s,
    %(drawdown_limit)s, %(win_rate_limit)s, %(win_rate_min_trades)s, %(consecutive_losses_limit)s,
    %(pause_automatically)s, %(promotion_days)s, %(promotion_trades)s, %(note)s,
    data_end(), data_end(), clock_ms(), clock_ms(), %(by)s
)
RETURNING *
