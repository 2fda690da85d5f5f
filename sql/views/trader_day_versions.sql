-- trader_day_versions: every version of each trader's day: what is known now (known_until is NULL), and
-- what was before the day, or one before it, was restated.
CREATE VIEW trader_day_versions AS
SELECT t.*, NULL::timestamptz AS known_until
FROM trader_totals AS t
UNION ALL
SELECT *
FROM restated_totals;
