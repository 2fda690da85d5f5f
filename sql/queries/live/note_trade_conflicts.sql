-- The same for trades.
INSERT INTO live_conflicts (kind, digest, subject, time, received_at, columns, kept, came)
SELECT DISTINCT ON (md5((to_jsonb(i) - 'received_at' - 'place')::text))
    'trades',
    md5((to_jsonb(i) - 'received_at' - 'place')::text),
    l.coin,
    l.time,
    i.received_at,
    d.columns,
    to_jsonb(l) - 'received_at',
    to_jsonb(i) - 'received_at' - 'place'
FROM live_trades_in AS i
JOIN live_trades AS l USING (coin, time, tid)
CROSS JOIN LATERAL (SELECT contradictions(to_jsonb(l), to_jsonb(i)) AS columns) AS d
WHERE d.columns <> '{}'
ON CONFLICT (kind, digest) DO NOTHING
