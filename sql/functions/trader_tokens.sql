-- What one trader did in each perp over a window that ends before `before` (ms, a midnight). Exposure
-- is the mean of |position x mark| at the window's midnights, quiet ones included; results are of
-- round trips closed in the window and seen from their opening. pnl_usd is marked to market, less
-- fees, without funding: return_contribution is it over the largest gross exposure of the window, which
-- sums to the simple return on that, and token_roi over the largest in the token. Ten closed trades, a
-- win rate that is below a half even at its upper bound, and a loss make the hint to leave it alone.
CREATE OR REPLACE FUNCTION trader_tokens(of_address text, before bigint, window_days bigint DEFAULT NULL)
RETURNS TABLE (
    token text, fills bigint, volume_usd numeric, exposure_usd numeric, share double precision,
    share_basis text, closed_trades bigint, win_rate double precision, win_rate_lower double precision,
    win_rate_upper double precision, win_rate_reason text, net_pnl numeric, net_pnl_reason text,
    publishable boolean, pnl_usd numeric, pnl_usd_reason text, peak_exposure_usd numeric,
    return_contribution double precision, return_contribution_reason text,
    token_roi double precision, token_roi_reason text, blacklist_hint boolean
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
    ), made AS (
        SELECT
            d.token                                                     AS coin,
            CASE WHEN count(*) = count(d.pnl_usd) THEN sum(d.pnl_usd) END AS pnl,
            max(d.peak_exposure_usd)                                    AS peak
        FROM span
        CROSS JOIN LATERAL trader_token_days(of_address, span.start, before) AS d
        WHERE span.start IS NOT NULL
        GROUP BY d.token
    ), base AS (
        SELECT nullif(max(t.peak_exposure_usd), 0) AS usd
        FROM span
        JOIN trader_totals AS t
            ON t.user_address = of_address AND t.day >= span.start AND t.day < before
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
    ), marked AS (
        SELECT
            k.*,
            -- A trip that closed without a fill of its own is none of the window's.
            CASE WHEN m.coin IS NULL THEN 0 ELSE m.pnl END              AS pnl,
            m.peak,
            b.usd                                                       AS base
        FROM tokens AS k
        CROSS JOIN base AS b
        LEFT JOIN made AS m ON m.coin = k.coin
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
        k.trades >= publishing_limit('closed_trades'),
        k.pnl,
        CASE WHEN k.pnl IS NULL THEN 'insufficient_coverage' END,
        k.peak,
        (k.pnl / k.base)::double precision,
        CASE WHEN k.base IS NULL THEN 'no_capital_base' WHEN k.pnl IS NULL THEN 'insufficient_coverage' END,
        (k.pnl / nullif(k.peak, 0))::double precision,
        CASE
            WHEN coalesce(k.peak, 0) = 0 THEN 'no_capital_base'
            WHEN k.pnl IS NULL THEN 'insufficient_coverage'
        END,
        k.unknown = 0
            AND k.trades >= publishing_limit('closed_trades')
            AND coalesce(i.win_rate_upper < 0.5, false)
            AND k.net_pnl < 0
    FROM marked AS k
    CROSS JOIN LATERAL wilson_interval(k.winners, k.losers) AS i
$$;
