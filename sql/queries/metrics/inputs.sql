-- What a day of trader_totals is made of: its fills, and the last day built before it, which in turn
-- says what it was made of. No row: the day is not loaded, or what is derived from it is older
-- than its fills. Parameters: day.
SELECT
    s.content_version,
    s.missing_hours = '{}',
    b.day,
    b.built_from
FROM day_state AS s
LEFT JOIN LATERAL (
    SELECT m.day, m.built_from
    FROM metric_state AS m
    WHERE m.day < s.day
    ORDER BY m.day DESC
    LIMIT 1
) AS b ON true
WHERE s.day = %(day)s
  AND 2 = (
      SELECT count(*)
      FROM aggregate_state AS a
      WHERE a.day = s.day AND a.generation = s.generation
        AND a.relation IN ('trader_daily', 'round_trips')
  )
