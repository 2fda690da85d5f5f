-- Who was called SMART_DIRECTIONAL first, in the days before a moment, and by which rule.
SELECT l.user_address, l.valid_from, l.valid_to, l.trader_type, l.rule, l.inputs, p.sharpe_ratio, p.roi_all, p.net_pnl, p.trading_days, p.publishable
FROM trader_labels AS l
LEFT JOIN published_traders AS p ON p.user_address = l.user_address
WHERE l.rule_set = %(rule_set)s
  AND l.trader_type = 'SMART_DIRECTIONAL'
  AND l.valid_from >= %(from)s
  AND NOT EXISTS (
      SELECT FROM trader_labels AS e
      WHERE e.user_address = l.user_address
        AND e.rule_set = l.rule_set
        AND e.trader_type = l.trader_type
        AND e.valid_from < l.valid_from
  )
ORDER BY l.valid_from DESC, p.net_pnl DESC NULLS LAST, l.user_address
LIMIT %(limit)s
