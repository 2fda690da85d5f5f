-- live_state: one row per stream that is wanted: since when it is connected, how old its last
-- message is, what is missing and what no file has confirmed yet. Cheap: no row is counted anew.
CREATE VIEW live_state AS
SELECT
    s.kind,
    s.subject,
    CASE WHEN p.is_alive THEN s.subscribed_at END      AS connected_since,
    s.last_message_at,
    p.heard_at,
    CASE WHEN p.is_alive AND s.subscribed_at IS NOT NULL THEN p.now_ms - p.heard_at END AS silent_ms,
    s.lag_ms,
    s.since,
    s.known_until,
    g.open_gaps,
    g.lost_gaps,
    d.unconfirmed,
    s.stored,
    s.repeated,
    s.rejected,
    (
        SELECT count(*)
        FROM live_conflicts AS c
        WHERE c.kind = s.kind AND c.subject = s.subject
    )                                                  AS conflicts
FROM live_streams AS s
LEFT JOIN LATERAL (
    SELECT
        n.heard_at,
        clock_ms()                                     AS now_ms,
        -- Silence of a minute and a half ends a connection: longer, and the process is gone.
        n.ended_at IS NULL AND n.heard_at > clock_ms() - 90000 AS is_alive
    FROM live_sessions AS n
    ORDER BY n.session_id DESC
    LIMIT 1
) AS p ON true
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE NOT o.is_lost)          AS open_gaps,
        count(*) FILTER (WHERE o.is_lost)              AS lost_gaps
    FROM live_gaps AS o
    WHERE o.kind = s.kind
      AND o.subject = s.subject
      AND o.closed_at IS NULL
      -- What a final day's file has brought is missing no more.
      AND NOT EXISTS (
        SELECT
        FROM day_state AS f
        WHERE f.is_final AND f.day <= o.from_time AND o.until_time <= f.day + 86400000
      )
) AS g
CROSS JOIN LATERAL (
    SELECT coalesce(sum(r.row_count), 0)::bigint       AS unconfirmed
    FROM live_days AS r
    WHERE r.kind = s.kind
      AND r.subject = s.subject
      AND NOT EXISTS (SELECT FROM day_state AS f WHERE f.day = r.day AND f.is_final)
) AS d
WHERE s.until IS NULL
ORDER BY s.kind, s.subject;
