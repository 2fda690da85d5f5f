-- Rows that are no longer as they were, or gone. Parameters: day.
INSERT INTO restated_totals
SELECT r.*, now()
FROM (
    SELECT * FROM totals_before
    EXCEPT ALL
    SELECT * FROM trader_totals WHERE day = %(day)s
) AS r
