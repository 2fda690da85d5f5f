-- What some traders' closed trades said of them after each close before an instant: the lower bound
-- of the net win rate, once enough are decided. Parameters: addresses, end.
SELECT
    t.user_address,
    t.closed_at,
    i.win_rate_lower
FROM (
    SELECT DISTINCT
        user_address,
        closed_at,
        count(*) FILTER (WHERE net_pnl > 0) OVER until_then AS won,
        count(*) FILTER (WHERE net_pnl < 0) OVER until_then AS lost
    FROM round_trips
    WHERE user_address = ANY(%(addresses)s) AND closed_at < %(end)s AND opened_at IS NOT NULL
    WINDOW until_then AS (PARTITION BY user_address ORDER BY closed_at)
) AS t
CROSS JOIN LATERAL wilson_interval(t.won, t.lost) AS i
WHERE t.won + t.lost >= publishing_limit('closed_trades')
ORDER BY t.user_address, t.closed_at
