-- What one trader made in each perp on each UTC day of [start, before) (ms, midnights) on which he
-- traded or held it: marked at both midnights, less fees; they add up to his mark_to_market_pnl. NULL
-- where a mark, a fee or a closed PnL is not known, or fills are missing: one does not start where the
-- one before it, or the midnight, left the position.
CREATE OR REPLACE FUNCTION trader_token_days(of_address text, start bigint, before bigint)
RETURNS TABLE (day bigint, token text, pnl_usd numeric, peak_exposure_usd numeric)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH legs AS (
        SELECT
            f.time / 86400000 * 86400000                                  AS day,
            f.coin,
            f.time,
            f.block_number,
            f.event_index,
            f.px,
            CASE f.side WHEN 'B' THEN -f.px * f.sz ELSE f.px * f.sz END   AS cash,
            fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px)             AS fee,
            f.closed_pnl,
            round(f.start_position, 8)                                    AS start_at,
            round(f.start_position + CASE f.side WHEN 'B' THEN f.sz ELSE -f.sz END, 8) AS end_at
        FROM fills AS f
        WHERE f.user_address = of_address AND f.time >= start AND f.time < before AND is_perp(f.coin)
    ), steps AS (
        SELECT
            l.*,
            row_number() OVER in_order = 1                                AS is_first,
            lag(l.end_at) OVER in_order                                   AS end_before
        FROM legs AS l
        WINDOW in_order AS (PARTITION BY l.day, l.coin ORDER BY l.time, l.block_number, l.event_index)
    ), traded AS (
        SELECT
            s.day,
            s.coin,
            sum(s.cash)                                                   AS cash,
            sum(s.fee)                                                    AS fees,
            min(s.start_at) FILTER (WHERE s.is_first)                     AS start_at,
            count(s.fee) = count(*)
                AND count(s.closed_pnl) = count(*)
                AND NOT bool_or(NOT s.is_first AND s.start_at IS DISTINCT FROM s.end_before) AS is_whole,
            max(s.px * greatest(abs(s.start_at), abs(s.end_at)))          AS peak
        FROM steps AS s
        GROUP BY s.day, s.coin
    ), held AS (
        SELECT h.day, h.coin, h.position, h.mark
        -- The key begins with the day: one look-up for each.
        FROM generate_series(start - 86400000, before - 86400000, 86400000) AS d (day)
        JOIN held_positions AS h ON h.day = d.day AND h.user_address = of_address
    ), tokens AS (
        SELECT t.day, t.coin FROM traded AS t
        UNION
        SELECT h.day, h.coin FROM held AS h WHERE h.day >= start
        UNION
        SELECT h.day + 86400000, h.coin FROM held AS h WHERE h.day < before - 86400000
    )
    SELECT
        k.day,
        k.coin,
        CASE
            WHEN t.day IS NULL OR (t.is_whole AND t.start_at = coalesce(b.position, 0))
            THEN coalesce(t.cash, 0) - coalesce(t.fees, 0)
                + CASE WHEN e.position IS NULL THEN 0 ELSE e.position * e.mark END
                - CASE WHEN b.position IS NULL THEN 0 ELSE b.position * b.mark END
        END,
        greatest(t.peak, abs(b.position * b.mark), abs(e.position * e.mark))
    FROM tokens AS k
    LEFT JOIN traded AS t ON t.day = k.day AND t.coin = k.coin
    LEFT JOIN held AS b ON b.day = k.day - 86400000 AND b.coin = k.coin
    LEFT JOIN held AS e ON e.day = k.day AND e.coin = k.coin
$$;
