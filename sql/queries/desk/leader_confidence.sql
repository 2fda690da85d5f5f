-- What a leader's own record allows to expect at some moments: the Wilson lower bound of his net win
-- rate over the round trips closed before each, and how many were decided. No row below as many as
-- may be published. Parameters: user_address, times.
SELECT t.time, i.win_rate_lower, k.won + k.lost
FROM unnest(%(times)s::bigint[]) AS t (time)
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE r.net_pnl > 0) AS won,
        count(*) FILTER (WHERE r.net_pnl < 0) AS lost
    FROM round_trips AS r
    WHERE r.user_address = %(user_address)s AND r.closed_at < t.time AND r.hold_ms IS NOT NULL
) AS k
CROSS JOIN LATERAL wilson_interval(k.won, k.lost) AS i
WHERE k.won + k.lost >= publishing_limit('closed_trades')
