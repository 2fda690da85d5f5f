-- Of a day; no row where its round trips are not built. Parameters: day.
SELECT a.revision, s.content_version
FROM day_state AS s
JOIN aggregate_state AS a ON a.day = s.day AND a.relation = 'round_trips'
WHERE s.day = %(day)s
