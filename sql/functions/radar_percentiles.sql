-- The axes of the radar that compares traders: where each stands among all that are published as of a
-- date, 0 to 1, outwards is better. Places of the arrays are traders; one row a trader and axis. The
-- share of the others that are worse, equals counted half. A shallow drawdown (<= 0) and low leverage
-- are better.
CREATE OR REPLACE FUNCTION radar_percentiles(
    addresses text[],
    sharpe_ratio double precision[],
    roi double precision[],
    max_drawdown double precision[],
    win_rate double precision[],
    avg_leverage double precision[],
    diversification_score double precision[]
)
RETURNS TABLE (
    user_address text, axis text, universe_n bigint, percentile double precision, percentile_reason text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        v.user_address,
        v.axis,
        v.n,
        CASE
            WHEN v.figure IS NOT NULL AND v.n >= 2
            THEN (v.lowest - 1 + (v.equals - 1) / 2.0) / (v.n - 1)
        END::double precision,
        CASE WHEN v.figure IS NULL THEN 'no_data' WHEN v.n < 2 THEN 'too_few_observations' END
    FROM (
        SELECT
            u.user_address,
            a.axis,
            a.number,
            u.place,
            a.figure,
            count(a.figure) OVER (PARTITION BY a.axis)               AS n,
            rank() OVER (PARTITION BY a.axis ORDER BY a.figure)      AS lowest,
            count(*) OVER (PARTITION BY a.axis, a.figure)            AS equals
        FROM unnest(
            addresses, sharpe_ratio, roi, max_drawdown, win_rate, avg_leverage, diversification_score
        ) WITH ORDINALITY AS u (user_address, sharpe, roi, drawdown, won, leverage, spread, place)
        CROSS JOIN LATERAL (
            VALUES
                (1, 'sharpe_ratio', u.sharpe),
                (2, 'roi', u.roi),
                (3, 'max_drawdown', u.drawdown),
                (4, 'win_rate', u.won),
                (5, 'avg_leverage', -u.leverage),
                (6, 'diversification_score', u.spread)
        ) AS a (number, axis, figure)
    ) AS v
    ORDER BY v.place, v.number
$$;
