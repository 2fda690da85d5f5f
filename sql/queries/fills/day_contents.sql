-- Loaded days, the objects awaited that may hold rows of theirs, and whether there are candles of
-- the hour that starts so long after midnight. Parameters: hour.
SELECT
    s.day,
    s.awaits,
    coalesce(
        a.details -> 'covered'
        @> jsonb_build_array(jsonb_build_array(s.day + %(hour)s, s.day + %(hour)s + 3600000)),
        FALSE
    )
FROM day_state AS s
LEFT JOIN artemis_state AS a ON a.relation = 'candles' AND a.day = s.day
ORDER BY s.day
