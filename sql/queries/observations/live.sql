-- Streams of the live tail, by kind: whose they are is nobody's business here.
SELECT
    kind,
    count(*)                                            AS wanted,
    count(*) FILTER (WHERE connected_since IS NOT NULL) AS connected,
    max(last_message_at) / 1000.0                       AS heard_at,
    max(lag_ms) / 1000.0                                AS lag,
    sum(open_gaps)                                      AS open_gaps,
    sum(lost_gaps)                                      AS lost_gaps,
    sum(unconfirmed)                                    AS unconfirmed,
    sum(rejected)                                       AS rejected,
    sum(conflicts)                                      AS conflicts
FROM live_state
GROUP BY kind
