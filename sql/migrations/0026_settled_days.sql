-- What the day before was made of when a day was built on it: a day whose predecessor was built
-- otherwise since then does not fit it any more.
ALTER TABLE metric_state ADD COLUMN stands_on text;
COMMENT ON COLUMN metric_state.stands_on IS 'built_from of the last day before it, as it was then; NULL: there was none';
UPDATE metric_state AS s
SET stands_on = b.built_from
FROM (SELECT day, lag(built_from) OVER (ORDER BY day) AS built_from FROM metric_state) AS b
WHERE b.day = s.day;
