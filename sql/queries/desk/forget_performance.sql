-- Parameters: date.
DELETE FROM trader_performance WHERE date >= %(date)s
