-- trader_metrics_before with the class each trader has in a rule set, and the rule that decided.
-- A rule fires when all its conditions hold; an undefined metric fails its condition; the first
-- rule that fires wins; where none does the trader is RETAIL by the rule `retail`.
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
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH metrics AS MATERIALIZED (
        SELECT * FROM trader_metrics_before(before)
    ), fired AS (
        SELECT
            m.user_address,
            c.rule_order,
            c.rule,
            c.trader_type
        FROM metrics AS m
        CROSS JOIN classification_conditions AS c
        CROSS JOIN LATERAL (
            SELECT CASE c.metric
                WHEN 'liquidation_pct' THEN m.liquidation_pct
                WHEN 'maker_pct'       THEN m.maker_pct
                WHEN 'abs_mtm_tv'      THEN abs(m.mtm_tv)
                WHEN 'mtm_tv'          THEN m.mtm_tv
                WHEN 'net_pnl'         THEN m.net_pnl
                WHEN 'sharpe_ratio'    THEN m.sharpe_ratio
                WHEN 'avg_hold_hours'  THEN m.avg_hold_hours
                WHEN 'trading_days'    THEN m.trading_days
            END AS value
        ) AS measured
        WHERE c.rule_set = of_rule_set
        GROUP BY m.user_address, c.rule_order, c.rule, c.trader_type
        HAVING bool_and(coalesce(CASE c.comparison
            WHEN '>=' THEN measured.value >= c.threshold
            WHEN '<=' THEN measured.value <= c.threshold
        END, false))
    ), decided AS (
        SELECT DISTINCT ON (f.user_address)
            f.user_address,
            f.rule,
            f.trader_type
        FROM fired AS f
        ORDER BY f.user_address, f.rule_order
    )
    SELECT
        m.*,
        coalesce(d.trader_type, 'RETAIL'),
        coalesce(d.rule, 'retail')
    FROM metrics AS m
    LEFT JOIN decided AS d ON d.user_address = m.user_address
$$;
