-- smart_money_watchlist: traders classed SMART_DIRECTIONAL who meet every condition of the rule
-- set smart_money_watchlist beside (rows/classification_conditions.sql).
CREATE VIEW smart_money_watchlist AS
SELECT p.*
FROM trader_profiles AS p
WHERE p.trader_type = 'SMART_DIRECTIONAL'
  AND (
    SELECT bool_and(coalesce(CASE c.metric
        WHEN 'sharpe_ratio' THEN p.sharpe_ratio
        WHEN 'trading_days' THEN p.trading_days
    END >= c.threshold, false))
    FROM classification_conditions AS c
    WHERE c.rule_set = 'smart_money_watchlist'
  );
