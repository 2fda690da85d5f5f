-- Parameters: day.
CREATE TEMPORARY TABLE totals_before ON COMMIT DROP AS
SELECT * FROM trader_totals WHERE day = %(day)s
