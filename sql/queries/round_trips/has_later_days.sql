-- Parameters: day.
SELECT EXISTS (SELECT FROM trader_coin_daily WHERE day > %(day)s)
