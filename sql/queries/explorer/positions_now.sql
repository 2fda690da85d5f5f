-- Where smart money leans by the last hour known, a line per coin, and how it leaned a day before.
SELECT p.coin, p.hour, p.long_notional, p.short_notional, p.net_bias, p.traders, b.net_bias AS bias_before
FROM smart_money_positions AS p
LEFT JOIN smart_money_positions AS b ON b.hour = p.hour - 86400000 AND b.coin = p.coin
WHERE p.hour = (SELECT max(hour) FROM smart_money_positions)
ORDER BY coalesce(p.long_notional, 0) + coalesce(p.short_notional, 0) DESC, p.coin
