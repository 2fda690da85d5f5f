-- What else a backtest of [start, end) may read was made of: balances, rates, prices, labels.
-- Parameters: start, end.
SELECT relation, day, built_from
FROM artemis_state
WHERE relation IN ('oi_history', 'funding_history', 'candles')
  AND day >= %(start)s - 172800000
  AND day < %(end)s
UNION ALL
SELECT 'trader_labels', day, built_from
FROM label_state
WHERE day = %(start)s - 86400000
ORDER BY relation, day
