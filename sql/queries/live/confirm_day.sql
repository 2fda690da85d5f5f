-- A loaded day's file beside what was streamed of it, by kind of stream. Parameters: day, now.
WITH live AS (
    SELECT
        stream_of_fill(l.twap_id) AS kind,
        f.time IS NOT NULL        AS is_in_file,
        f.time IS NOT NULL AND contradictions(to_jsonb(l), to_jsonb(f)) <> '{}' AS differs
    FROM live_fills AS l
    LEFT JOIN fills AS f
        ON f.time = l.time
        AND f.user_address = l.user_address
        AND f.coin = l.coin
        AND f.oid = l.oid
        AND f.tid = l.tid
        AND f.time >= %(day)s
        AND f.time < %(day)s::bigint + 86400000
    WHERE l.time >= %(day)s AND l.time < %(day)s::bigint + 86400000
),
file_trades AS (
    SELECT
        f.coin,
        f.time,
        f.tid,
        max(f.px)                                       AS px,
        max(f.sz)                                       AS sz,
        max(f.hash)                                     AS hash,
        max(f.side) FILTER (WHERE f.crossed)            AS side,
        max(f.user_address) FILTER (WHERE f.side = 'B') AS buyer,
        max(f.user_address) FILTER (WHERE f.side = 'A') AS seller
    FROM fills AS f
    WHERE f.time >= %(day)s
      AND f.time < %(day)s::bigint + 86400000
      AND f.tid <> 0
      AND f.coin IN (SELECT s.subject FROM live_streams AS s WHERE s.kind = 'trades')
    GROUP BY f.coin, f.time, f.tid
),
live_or_filed_trades AS (
    SELECT
        coalesce(l.coin, f.coin) AS coin,
        coalesce(l.time, f.time) AS time,
        l.coin IS NOT NULL       AS is_live,
        f.coin IS NOT NULL       AS is_in_file,
        l.coin IS NOT NULL AND f.coin IS NOT NULL
        AND contradictions(to_jsonb(l), to_jsonb(f)) <> '{}' AS differs
    FROM (
        SELECT *
        FROM live_trades
        WHERE time >= %(day)s AND time < %(day)s::bigint + 86400000
    ) AS l
    FULL JOIN file_trades AS f ON f.coin = l.coin AND f.time = l.time AND f.tid = l.tid
),
compared AS (
    SELECT kind, is_in_file, differs FROM live
    UNION ALL
    SELECT 'trades', is_in_file, differs FROM live_or_filed_trades WHERE is_live
),
unseen AS (
    SELECT stream_of_fill(f.twap_id) AS kind, f.user_address AS subject, f.time
    FROM fills AS f
    WHERE f.time >= %(day)s
      AND f.time < %(day)s::bigint + 86400000
      AND f.user_address IN (SELECT s.subject FROM live_streams AS s WHERE s.kind <> 'trades')
      AND NOT EXISTS (
        SELECT
        FROM live_fills AS l
        WHERE l.time = f.time
          AND l.user_address = f.user_address
          AND l.coin = f.coin
          AND l.oid = f.oid
          AND l.tid = f.tid
      )
    UNION ALL
    SELECT 'trades', coin, time FROM live_or_filed_trades WHERE NOT is_live
),
explained AS (
    SELECT
        u.kind,
        EXISTS (
            SELECT
            FROM live_gaps AS g
            WHERE g.kind = u.kind
              AND g.subject = u.subject
              AND g.from_time <= u.time
              AND u.time < g.until_time
        )                                    AS is_in_gap,
        u.time > coalesce(w.known_until, -1) AS is_later
    FROM unseen AS u
    -- Of a time in which the stream was wanted: what was before it is no business of ours.
    CROSS JOIN LATERAL (
        SELECT count(*) AS stretches, max(s.known_until) AS known_until
        FROM live_streams AS s
        WHERE s.kind = u.kind
          AND s.subject = u.subject
          AND s.since <= u.time
          AND (s.until IS NULL OR u.time < s.until)
    ) AS w
    WHERE w.stretches > 0
),
kinds AS (
    SELECT kind FROM compared
    UNION
    SELECT kind FROM explained
)
INSERT INTO live_confirmations AS c (
    day, kind, live_rows, confirmed, differing, missing_in_file, file_rows, unseen,
    unseen_in_gaps, unseen_later, is_final, inputs, confirmed_at
)
SELECT
    %(day)s,
    k.kind,
    a.live_rows,
    a.in_file - a.differing,
    a.differing,
    a.live_rows - a.in_file,
    a.in_file + b.total,
    b.total - b.in_gaps - b.later,
    b.in_gaps,
    b.later,
    s.is_final,
    live_inputs(s.day),
    %(now)s
FROM kinds AS k
CROSS JOIN LATERAL (
    SELECT
        count(*)                         AS live_rows,
        count(*) FILTER (WHERE o.is_in_file) AS in_file,
        count(*) FILTER (WHERE o.differs) AS differing
    FROM compared AS o
    WHERE o.kind = k.kind
) AS a
CROSS JOIN LATERAL (
    SELECT
        count(*)                                                AS total,
        count(*) FILTER (WHERE e.is_in_gap)                     AS in_gaps,
        count(*) FILTER (WHERE e.is_later AND NOT e.is_in_gap)  AS later
    FROM explained AS e
    WHERE e.kind = k.kind
) AS b
CROSS JOIN (SELECT day, is_final FROM day_state WHERE day = %(day)s) AS s
ON CONFLICT (day, kind) DO UPDATE
SET live_rows = excluded.live_rows,
    confirmed = excluded.confirmed,
    differing = excluded.differing,
    missing_in_file = excluded.missing_in_file,
    file_rows = excluded.file_rows,
    unseen = excluded.unseen,
    unseen_in_gaps = excluded.unseen_in_gaps,
    unseen_later = excluded.unseen_later,
    is_final = excluded.is_final,
    inputs = excluded.inputs,
    confirmed_at = excluded.confirmed_at
WHERE c.pruned_at IS NULL
