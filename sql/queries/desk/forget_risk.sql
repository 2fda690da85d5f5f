-- Parameters: date.
DELETE FROM trader_risk WHERE date >= %(date)s
