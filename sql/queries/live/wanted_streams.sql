SELECT kind, subject, known_until
FROM live_streams
WHERE until IS NULL
ORDER BY kind, subject
