-- One trader's win rate by leverage at entry, over round trips closed in a window that ends before
-- `before` (ms, a midnight): the largest size at the mean entry price over the equity of the last
-- snapshot before the opening, at most 36 hours old; of core perps, whose equity the snapshots tell.
CREATE OR REPLACE FUNCTION trader_leverage_win_rate(
    of_address text, before bigint, window_days bigint DEFAULT NULL
)
RETURNS TABLE (
    bucket text, trades bigint, win_rate double precision, win_rate_lower double precision,
    win_rate_upper double precision, win_rate_reason text, publishable boolean
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH trips AS (
        SELECT
            r.net_pnl,
            CASE WHEN e.account_value > 0
                THEN (r.peak_size * r.entry_notional / nullif(r.entry_size, 0) / e.account_value)::double precision
            END AS leverage
        FROM round_trips AS r
        LEFT JOIN LATERAL (
            SELECT s.account_value
            FROM account_equity AS s
            WHERE s.address = of_address
              AND s.recorded_at < r.opened_at
              AND s.recorded_at >= r.opened_at - 36 * 3600000
              AND (s.collapse_known_at IS NULL OR s.collapse_known_at >= before)
            ORDER BY s.recorded_at DESC
            LIMIT 1
        ) AS e ON true
        WHERE r.user_address = of_address
          AND r.closed_at < before
          AND (window_days IS NULL OR r.closed_at >= before - window_days * 86400000)
          AND r.hold_ms IS NOT NULL
          AND strpos(r.coin, ':') = 0
    )
    SELECT w.*, w.trades >= publishing_limit('closed_trades')
    FROM (SELECT array_agg(t.leverage) AS leverages, array_agg(t.net_pnl) AS pnls FROM trips AS t) AS t
    CROSS JOIN LATERAL leverage_win_rate(t.leverages, t.pnls) AS w
$$;
