-- Perps with a candle on a day. Parameters: day.
SELECT DISTINCT coin FROM volume_history WHERE day = %(day)s ORDER BY coin
