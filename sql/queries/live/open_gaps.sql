-- Gaps that somebody can still be asked about, of streams that are wanted.
SELECT g.kind, g.subject, g.from_time, g.until_time, g.reason
FROM live_gaps AS g
JOIN live_streams AS s ON s.kind = g.kind AND s.subject = g.subject AND s.until IS NULL
WHERE g.closed_at IS NULL AND NOT g.is_lost AND g.kind <> 'trades'
ORDER BY g.from_time
