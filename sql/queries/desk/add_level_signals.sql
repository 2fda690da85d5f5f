-- A message that opens may name where it ends: a stop for all that is left, and targets that take an
-- equal part each. The first print at or beyond a level is that exit's signal. Of targets after the
-- stop, and of a stop after the last target, there is nothing to tell. Told again they
-- keep their numbers, which come back. Parameters: day, ends_at.
INSERT INTO signals (
    trader_id, source, source_key, action, coin, side, leader_time, leader_px, reduced_share,
    received_at, outcome, evidence
)
WITH opened AS (
    SELECT s.*, CASE s.side WHEN 'buy' THEN 1 ELSE -1 END AS direction
    FROM signals AS s
    WHERE s.source = 'telegram' AND s.action = 'open' AND s.received_at < %(ends_at)s
      AND s.outcome IN ('pending', 'paper', 'live') AND s.evidence ?| ARRAY['stop', 'targets']
      AND NOT EXISTS (
          SELECT FROM signals AS e
          WHERE e.trader_id = s.trader_id AND e.evidence ->> 'of' = 'telegram/' || s.source_key
            AND e.action = 'close' AND e.received_at < %(day)s
      )
),
levels AS (
    SELECT o.*, 'stop' AS level, (o.evidence ->> 'stop')::numeric AS px, 1 AS part, -o.direction AS beyond
    FROM opened AS o
    WHERE o.evidence ? 'stop'
    UNION ALL
    SELECT o.*, 'target' || t.n, t.px::numeric, (jsonb_array_length(o.evidence -> 'targets') - t.n + 1)::int, o.direction
    FROM opened AS o
    CROSS JOIN LATERAL jsonb_array_elements_text(o.evidence -> 'targets') WITH ORDINALITY AS t (px, n)
    WHERE NOT EXISTS (
        SELECT FROM signals AS e
        WHERE e.trader_id = o.trader_id AND e.source_key = o.source_key || ':target' || t.n
          AND e.received_at < %(day)s
    )
),
hits AS (
    SELECT l.*, f.time, f.print_px,
        min(f.time) FILTER (WHERE l.level = 'stop') OVER one AS stopped_at,
        min(f.time) FILTER (WHERE l.level <> 'stop' AND l.part = 1) OVER one AS done_at
    FROM levels AS l
    CROSS JOIN LATERAL (
        SELECT p.time, p.px AS print_px
        FROM fills AS p
        WHERE p.coin = l.coin AND p.time > l.received_at AND p.time >= %(day)s AND p.time < %(ends_at)s
          AND p.crossed AND is_on_book(p.dir) AND (p.px - l.px) * l.beyond >= 0
        ORDER BY p.time
        LIMIT 1
    ) AS f
    WINDOW one AS (PARTITION BY l.signal_id)
)
SELECT trader_id, 'telegram', source_key || ':' || level,
    CASE part WHEN 1 THEN 'close' ELSE 'reduce' END,
    coin, CASE side WHEN 'buy' THEN 'sell' ELSE 'buy' END,
    time, print_px, 1.0 / part, time, 'pending',
    jsonb_build_object('of', 'telegram/' || source_key, 'level', level, 'px', px)
FROM hits
WHERE (level = 'stop' AND time < coalesce(done_at, %(ends_at)s))
   OR (level <> 'stop' AND time <= coalesce(stopped_at, %(ends_at)s))
ON CONFLICT (trader_id, source, source_key) DO UPDATE
SET leader_time = excluded.leader_time, leader_px = excluded.leader_px,
    received_at = excluded.received_at, outcome = excluded.outcome,
    settings_version = NULL, evidence = excluded.evidence
RETURNING signal_id
