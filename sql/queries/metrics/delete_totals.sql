-- Parameters: day.
DELETE FROM trader_totals WHERE day = %(day)s
