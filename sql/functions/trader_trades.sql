-- What one trader's fills and round trips were like over a window that ends before `before` (ms, a
-- midnight): figures that need each of them, and cannot be had from sums. Perps. One row, none for a
-- trader not seen by then. A holding time is of a round trip that closed in the window and was seen
-- from its opening. Where more than a fifth of all were not (still open, or opened before the data),
-- the median counts those still open for as long as they have lasted (kaplan_meier).
CREATE OR REPLACE FUNCTION trader_trades(of_address text, before bigint, window_days bigint DEFAULT NULL)
RETURNS TABLE (
    user_address text, window_start bigint, unique_coins bigint, median_fill_notional_usd numeric,
    median_fill_notional_usd_reason text, fills_without_side bigint,
    long_ratio_notional double precision, long_ratio_notional_reason text,
    closed_trades bigint, winning_trades bigint, losing_trades bigint, open_trades bigint,
    left_censored_trades bigint, continuity_breaks bigint, censored_share double precision,
    mean_hold_hours double precision, median_hold_hours double precision, median_hold_basis text,
    size_weighted_hold_hours double precision, hold_reason text, median_hold_hours_reason text,
    liquidated_days bigint, exposed_days bigint, liquidation_rate double precision,
    liquidation_rate_reason text, publishable boolean
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH span AS (
        SELECT *
        FROM trader_windows(before, window_days) AS w
        WHERE w.user_address = of_address
    ), legs AS (
        SELECT
            f.coin,
            f.px * f.sz AS notional,
            f.crossed IS NULL AS has_no_side,
            coalesce(lower(f.liquidation ->> 'liquidatedUser') = f.user_address, false) AS is_victim,
            f.time / 86400000 AS day,
            round(f.start_position, 8) AS start_at,
            round(f.start_position + CASE f.side WHEN 'B' THEN f.sz ELSE -f.sz END, 8) AS end_at
        FROM span AS s
        JOIN fills AS f ON f.user_address = of_address AND f.time >= s.window_start AND f.time < before
        WHERE is_perp(f.coin)
    ), traded AS (
        SELECT
            count(DISTINCT l.coin)                                      AS coins,
            -- Both middle ones: exact for an even number.
            (
                percentile_disc(0.5) WITHIN GROUP (ORDER BY l.notional)
                + percentile_disc(0.5) WITHIN GROUP (ORDER BY l.notional DESC)
            ) / 2                                                       AS median_notional,
            count(*) FILTER (WHERE l.has_no_side)                       AS without_side,
            count(DISTINCT l.day) FILTER (WHERE l.is_victim)            AS liquidated_days,
            sum(l.notional) FILTER (WHERE l.end_at > 0 AND l.end_at > l.start_at) AS long_notional,
            sum(l.notional) FILTER (WHERE l.end_at < 0 AND l.end_at < l.start_at) AS short_notional
        FROM legs AS l
    ), exposed AS (
        SELECT count(*) FILTER (WHERE t.peak_exposure_usd > 0) AS days
        FROM span AS s
        JOIN trader_totals AS t
            ON t.user_address = of_address AND t.day >= s.window_start AND t.day < before
    ), open_ones AS (
        SELECT
            count(*)                                                    AS trades,
            coalesce(
                array_agg((before - o.open_since)::numeric) FILTER (WHERE o.open_since IS NOT NULL), '{}'
            )                                                           AS lasted
        FROM (
            SELECT DISTINCT ON (d.coin) d.position, d.open_since
            FROM span AS s
            JOIN trader_coin_daily AS d ON d.user_address = of_address AND d.day < before
            WHERE d.position IS NOT NULL
            ORDER BY d.coin, d.day DESC
        ) AS o
        WHERE o.position <> 0
    ), ended AS (
        SELECT
            count(*) FILTER (WHERE r.net_pnl > 0)                       AS winners,
            count(*) FILTER (WHERE r.net_pnl < 0)                       AS losers,
            coalesce(array_agg(r.hold_ms::numeric), '{}')               AS lasted,
            percentile_cont(0.5) WITHIN GROUP (ORDER BY r.hold_ms)      AS median_ms,
            avg(r.hold_ms)                                              AS mean_ms,
            avg(r.size_ms / nullif(r.peak_size, 0))                     AS weighted_ms
        FROM span AS s
        JOIN round_trips AS r
            ON r.user_address = of_address AND r.closed_at >= s.window_start AND r.closed_at < before
        WHERE r.hold_ms IS NOT NULL
    ), shares AS (
        SELECT
            (o.trades + s.left_censored_trades)
                / nullif(s.closed_trades + o.trades + s.left_censored_trades, 0)::double precision AS censored
        FROM span AS s
        CROSS JOIN open_ones AS o
    ), medians AS (
        SELECT
            CASE WHEN h.censored > 0.2 THEN 'kaplan_meier' ELSE 'closed_trades' END AS basis,
            CASE WHEN h.censored > 0.2
                THEN kaplan_meier_median(
                    e.lasted || o.lasted,
                    array_fill(true, ARRAY[cardinality(e.lasted)])
                        || array_fill(false, ARRAY[cardinality(o.lasted)])
                )
                ELSE e.median_ms::numeric
            END AS ms
        FROM shares AS h
        CROSS JOIN ended AS e
        CROSS JOIN open_ones AS o
    )
    SELECT
        s.user_address,
        s.window_start,
        t.coins,
        t.median_notional,
        CASE WHEN t.median_notional IS NULL THEN 'no_data' END,
        t.without_side,
        (t.long_notional / nullif(coalesce(t.long_notional, 0) + coalesce(t.short_notional, 0), 0))::double precision,
        CASE WHEN coalesce(t.long_notional, 0) + coalesce(t.short_notional, 0) = 0 THEN 'zero_denominator' END,
        s.closed_trades,
        e.winners,
        e.losers,
        o.trades,
        s.left_censored_trades,
        s.continuity_breaks,
        h.censored,
        (e.mean_ms / 3600000)::double precision,
        (m.ms / 3600000)::double precision,
        m.basis,
        (e.weighted_ms / 3600000)::double precision,
        CASE WHEN cardinality(e.lasted) = 0 THEN 'no_data' END,
        CASE
            WHEN m.ms IS NOT NULL THEN NULL
            WHEN cardinality(e.lasted) = 0 THEN 'no_data'
            ELSE 'too_few_observations'
        END,
        t.liquidated_days,
        x.days,
        t.liquidated_days / nullif(x.days, 0)::double precision,
        CASE WHEN x.days = 0 THEN 'zero_denominator' END,
        s.closed_trades >= publishing_limit('closed_trades')
    FROM span AS s
    CROSS JOIN traded AS t
    CROSS JOIN exposed AS x
    CROSS JOIN open_ones AS o
    CROSS JOIN ended AS e
    CROSS JOIN shares AS h
    CROSS JOIN medians AS m
$$;
