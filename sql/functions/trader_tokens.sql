-- What one trader did in each perp over a window that ends before `before` (ms, a midnight). Exposure
-- is the mean of |position x mark| at the window's midnights, quiet ones included; results are of
-- round trips closed in the window and seen from their opening.
CREATE OR REPLACE FUNCTION trader_tokens(of_address text, before bigint, window_days bigint DEFAULT NULL)
RETURNS TABLE (
    token text, fills bigint, volume_usd numeric, exposure_usd numeric, share double precision,
    share_basis text, closed_trades bigint, win_rate double precision, win_rate_lower double precision,
    win_rate_upper double precision, win_rate_reason text, net_pnl numeric, net_pnl_reason text,
    publishable boolean
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH span AS (
        SELECT greatest(min(t.day), before - window_days * 86400000) AS start
        FROM trader_totals AS t
        WHERE t.user_address = of_address AND t.day < before
    ), traded AS (
        SELECT f.coin, count(*) AS fills, sum(f.px * f.sz) AS volume
        FROM span
        JOIN fills AS f ON f.user_address = of_address AND f.time >= span.start AND f.time < before
        WHERE is_perp(f.coin)
        GROUP BY f.coin
    ), held AS (
        SELECT h.coin, sum(abs(h.position * h.mark)) / ((before - min(span.start)) / 86400000) AS exposure
        FROM span
        JOIN known_traders AS k ON k.user_address = of_address
        -- The key begins with the day: one look-up for each.
        CROSS JOIN generate_series(span.start, before - 86400000, 86400000) AS d (day)
        JOIN held_positions AS h ON h.day = d.day AND h.user_address = of_address
        GROUP BY h.coin
    ), closed AS (
        SELECT
            r.coin,
            count(*)                                    AS trades,
            count(*) FILTER (WHERE r.net_pnl > 0)       AS winners,
            count(*) FILTER (WHERE r.net_pnl < 0)       AS losers,
            count(*) FILTER (WHERE r.net_pnl IS NULL)   AS unknown,
            sum(r.net_pnl)                              AS net_pnl
        FROM span
        JOIN round_trips AS r
            ON r.user_address = of_address AND r.closed_at >= span.start AND r.closed_at < before
        WHERE r.hold_ms IS NOT NULL
        GROUP BY r.coin
    ), tokens AS (
        SELECT
            coin,
            coalesce(t.fills, 0)    AS fills,
            coalesce(t.volume, 0)   AS volume,
            coalesce(h.exposure, 0) AS exposure,
            sum(h.exposure) OVER () > 0 AS is_held,
            coalesce(c.trades, 0)   AS trades,
            coalesce(c.winners, 0)  AS winners,
            coalesce(c.losers, 0)   AS losers,
            coalesce(c.unknown, 0)  AS unknown,
            coalesce(c.net_pnl, 0)  AS net_pnl
        FROM traded AS t
        FULL JOIN held AS h USING (coin)
        FULL JOIN closed AS c USING (coin)
    )
    SELECT
        k.coin,
        k.fills,
        k.volume,
        k.exposure,
        CASE WHEN k.is_held
            THEN (k.exposure / nullif(sum(k.exposure) OVER (), 0))::double precision
            ELSE (k.volume / nullif(sum(k.volume) OVER (), 0))::double precision
        END,
        CASE WHEN k.is_held THEN 'exposure' ELSE 'volume' END,
        k.trades,
        CASE WHEN k.unknown = 0 THEN i.win_rate END,
        CASE WHEN k.unknown = 0 THEN i.win_rate_lower END,
        CASE WHEN k.unknown = 0 THEN i.win_rate_upper END,
        CASE WHEN k.unknown > 0 THEN 'unpriced_component' ELSE i.win_rate_reason END,
        CASE WHEN k.unknown = 0 THEN k.net_pnl END,
        CASE WHEN k.unknown > 0 THEN 'unpriced_component' END,
        k.trades >= publishing_limit('closed_trades')
    FROM tokens AS k
    CROSS JOIN LATERAL wilson_interval(k.winners, k.losers) AS i
$$;
