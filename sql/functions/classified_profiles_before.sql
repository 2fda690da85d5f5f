-- trader_metrics_before with the class each trader has in a rule set, and the rule that decided.
CREATE OR REPLACE FUNCTION classified_profiles_before(before bigint, of_rule_set text)
RETURNS TABLE (
    user_address text, first_trade_time bigint, last_trade_time bigint, trading_days bigint,
    total_fills bigint, total_volume numeric, unique_coins bigint, realized_pnl numeric,
    fees_paid numeric, builder_fees_paid numeric, net_pnl numeric, maker_pct numeric,
    win_rate numeric, mtm_tv numeric, long_ratio numeric, liquidation_fills bigint,
    liquidation_volume numeric, liquidation_pct numeric, twap_fills bigint, twap_volume numeric,
    twap_pct numeric, avg_hold_hours numeric, sharpe_ratio numeric,
    trader_type text, trader_type_rule text
)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        'SELECT m.*, %s, %s FROM trader_metrics_before($1) AS m',
        rule_case(of_rule_set, 'trader_type'),
        rule_case(of_rule_set, 'rule')
    )
    USING before;
END
$$;
