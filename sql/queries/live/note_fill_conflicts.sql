-- Fills of the batch that say something else than the stored one of their key; each kept once.
INSERT INTO live_conflicts (kind, digest, subject, time, received_at, columns, kept, came)
SELECT DISTINCT ON (md5((to_jsonb(i) - 'received_at' - 'place')::text))
    stream_of_fill(l.twap_id),
    md5((to_jsonb(i) - 'received_at' - 'place')::text),
    l.user_address,
    l.time,
    i.received_at,
    d.columns,
    to_jsonb(l) - 'received_at',
    to_jsonb(i) - 'received_at' - 'place'
FROM live_fills_in AS i
JOIN live_fills AS l USING (time, user_address, coin, oid, tid)
CROSS JOIN LATERAL (SELECT contradictions(to_jsonb(l), to_jsonb(i)) AS columns) AS d
WHERE d.columns <> '{}'
ON CONFLICT (kind, digest) DO NOTHING
