-- Positions of smart money by hour, of one coin or of all.
SELECT coin, hour, long_notional, short_notional, net_bias, traders
FROM smart_money_positions
WHERE hour >= %(from)s AND hour < %(until)s AND (%(coin)s::text IS NULL OR coin = %(coin)s)
ORDER BY coin, hour
