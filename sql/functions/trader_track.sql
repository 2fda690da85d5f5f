-- How one trader's results came about over a window that ends before `before` (ms, a midnight): the
-- returns on the best capital that is known, and the ratios and falls that need their order. One row,
-- none for a trader not seen by then. capital_basis, one for all days:
--   snapshot_and_flows      the core clearing house's value in the balances of each day and the day
--                           before, and its ledger, are known; from snapshot to snapshot
--   snapshot_without_flows  its value on each day, funding and results are known, but not its ledger
--   peak_exposure           the largest gross exposure inside the window, a constant base: returns add
--                           up, and understate what was made on own money
-- The first day of a window may lack the snapshot of the day before, and then has no return.
CREATE OR REPLACE FUNCTION trader_track(of_address text, before bigint, window_days bigint DEFAULT NULL)
RETURNS TABLE (
    user_address text, window_start bigint, pnl_basis text, capital_basis text,
    peak_exposure_usd numeric, pnl_usd numeric, roi double precision, roi_reason text,
    n_days bigint, volatility double precision, volatility_reason text,
    autocorrelation double precision, autocorrelation_reason text,
    adjusted_sharpe_ratio double precision, adjusted_sharpe_ratio_reason text,
    max_drawdown double precision, max_drawdown_reason text, avg_drawdown double precision,
    avg_drawdown_reason text, pain_index double precision, ulcer_index double precision,
    drawdown_count bigint, underwater_pct double precision, drawdown_frequency double precision,
    avg_recovery_time double precision, avg_recovery_time_reason text, longest_drawdown integer,
    current_drawdown double precision, open_drawdown boolean,
    includes_funding boolean, returns_from bigint, returns_until bigint, n_obs bigint,
    publishable boolean, annual_publishable boolean,
    cagr double precision, cagr_reason text, calmar_ratio double precision, calmar_ratio_reason text,
    calmar_days bigint, return_over_max_drawdown double precision,
    return_over_max_drawdown_reason text, track_roi double precision, ruin_count bigint,
    sharpe_ratio double precision, sharpe_ratio_reason text, sharpe_se double precision,
    sharpe_lower double precision, sharpe_upper double precision,
    downside_vol double precision, downside_vol_reason text,
    sortino_ratio double precision, sortino_ratio_reason text,
    benchmark text, information_ratio double precision, information_ratio_reason text,
    drawdown_count_material bigint, avg_drawdown_duration double precision,
    avg_drawdown_duration_reason text
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH calendar AS (
        SELECT
            w.user_address,
            w.window_start,
            w.is_marked,
            w.active_days,
            w.calendar_days,
            CASE
                WHEN w.complete_days / nullif(w.calendar_days, 0)::double precision < least_coverage()
                    THEN 'insufficient_coverage'
                WHEN w.unknown_days > 0 THEN 'unpriced_component'
            END                                                             AS reason,
            c.day,
            CASE
                WHEN t.day IS NULL THEN 0
                WHEN w.is_marked THEN t.mark_to_market_pnl
                ELSE t.net_pnl
            END                                                             AS result,
            t.peak_exposure_usd,
            account_funding_between(w.user_address, c.day, c.day + 86400000, false) AS funding,
            (
                SELECT e.account_value
                FROM account_equity AS e
                WHERE e.address = w.user_address
                  AND e.recorded_at >= c.day
                  AND e.recorded_at < c.day + 86400000
                  AND (e.collapse_known_at IS NULL OR e.collapse_known_at >= before)
                ORDER BY e.recorded_at
                LIMIT 1
            )                                                               AS equity
        FROM trader_windows(before, window_days) AS w
        CROSS JOIN generate_series(w.window_start, before - 86400000, 86400000) AS c (day)
        LEFT JOIN trader_totals AS t ON t.user_address = w.user_address AND t.day = c.day
        WHERE w.user_address = of_address
    ), window_days_of AS (
        SELECT
            c.user_address,
            c.window_start,
            c.is_marked,
            c.active_days,
            c.reason,
            max(c.peak_exposure_usd)                AS peak,
            count(c.funding) = count(*)             AS has_funding,
            count(c.equity) = count(*)              AS has_equity,
            array_agg(c.day ORDER BY c.day)         AS days,
            array_agg(c.result ORDER BY c.day)      AS results,
            array_agg(c.funding ORDER BY c.day)     AS fundings,
            array_agg(c.equity ORDER BY c.day)      AS equities
        FROM calendar AS c
        GROUP BY c.user_address, c.window_start, c.is_marked, c.active_days, c.reason
    ), snapshots AS (
        SELECT
            w.user_address,
            -- Every day but the first has a period: none lies between two that is not there.
            coalesce(
                max(p.day) = before - 86400000
                AND min(p.day) <= w.window_start + 86400000
                AND count(*) = (max(p.day) - min(p.day)) / 86400000 + 1
                AND account_flows_between(w.user_address, min(p.start_at), max(p.end_at)) IS NOT NULL,
                false
            )                                                       AS is_whole,
            min(p.start_at)                                         AS start_at,
            max(p.end_at)                                           AS end_at,
            sum(d.pnl_usd)                                          AS pnl,
            array_agg(p.day ORDER BY p.day)                         AS days,
            -- The UTC day in which most of the period lies.
            array_agg((p.start_at + p.end_at) / 2 / 86400000 * 86400000 ORDER BY p.day) AS market_days,
            array_agg(d.daily_return ORDER BY p.day)                AS returns
        FROM window_days_of AS w
        CROSS JOIN LATERAL equity_periods(w.user_address, w.window_start, before) AS p
        CROSS JOIN LATERAL modified_dietz(
            p.equity_start_usd, p.equity_end_usd, p.flows_usd, p.flow_fractions
        ) AS d
        GROUP BY w.user_address, w.window_start
    ), chosen AS (
        SELECT
            w.*,
            s.start_at,
            s.end_at,
            s.pnl         AS snapshot_pnl,
            s.days        AS snapshot_days,
            s.market_days,
            s.returns     AS snapshot_returns,
            CASE
                WHEN s.is_whole AND k.is_equity THEN 'snapshot_and_flows'
                WHEN w.has_equity AND w.has_funding AND w.reason IS NULL AND k.is_equity
                    AND NOT b.is_used THEN 'snapshot_without_flows'
                WHEN w.peak > 0 THEN 'peak_exposure'
                ELSE 'none'
            END           AS basis
        FROM window_days_of AS w
        LEFT JOIN snapshots AS s ON s.user_address = w.user_address
        CROSS JOIN LATERAL (SELECT coalesce(keeps_perps_apart(w.user_address, before), false)) AS k (is_equity)
        -- What was made on a builder's dex was made with money that lies there.
        CROSS JOIN LATERAL (
            SELECT EXISTS (
                SELECT
                FROM trader_coin_daily AS t
                WHERE t.user_address = w.user_address AND t.day < before AND strpos(t.coin, ':') > 0
            )
        ) AS b (is_used)
    ), series AS (
        SELECT
            c.*,
            c.basis LIKE 'snapshot%'                                AS compounds,
            CASE WHEN c.basis <> 'snapshot_and_flows' THEN c.reason END AS unknown,
            CASE c.basis WHEN 'snapshot_and_flows' THEN c.snapshot_days ELSE c.days END AS labels,
            CASE c.basis WHEN 'snapshot_and_flows' THEN c.market_days ELSE c.days END AS benchmark_days,
            CASE c.basis WHEN 'snapshot_and_flows' THEN c.snapshot_pnl ELSE f.pnl END AS pnl,
            CASE
                WHEN c.basis = 'snapshot_and_flows' THEN c.snapshot_returns
                WHEN c.reason IS NOT NULL OR c.basis = 'none' THEN '{}'
                ELSE f.returns
            END                                                     AS daily
        FROM chosen AS c
        CROSS JOIN LATERAL (
            SELECT
                sum(x.pnl)                                          AS pnl,
                array_agg(
                    CASE c.basis
                        WHEN 'snapshot_without_flows' THEN e.daily_return
                        ELSE (x.pnl::double precision / nullif(c.peak, 0)::double precision)
                    END
                    ORDER BY x.number
                )                                                   AS returns
            FROM (
                SELECT
                    u.number,
                    u.equity,
                    u.result + CASE WHEN c.has_funding THEN u.funding ELSE 0 END AS pnl
                FROM unnest(c.results, c.fundings, c.equities)
                    WITH ORDINALITY AS u (result, funding, equity, number)
            ) AS x
            CROSS JOIN LATERAL equity_return(x.pnl, x.equity) AS e
        ) AS f
    ), held_to AS (
        SELECT
            s.*,
            (
                SELECT CASE WHEN count(b.change) > 0 THEN array_agg(b.change ORDER BY b.number) END
                FROM (
                    SELECT
                        u.number,
                        (
                            closing_price('BTC', u.day)
                            / nullif(closing_price('BTC', u.day - 86400000), 0)
                        )::double precision - 1 AS change
                    FROM unnest(s.benchmark_days) WITH ORDINALITY AS u (day, number)
                    WHERE cardinality(s.daily) > 0
                ) AS b
            ) AS benchmark
        FROM series AS s
    )
    SELECT
        r.user_address,
        r.window_start,
        CASE
            WHEN r.basis = 'snapshot_and_flows' OR r.is_marked THEN 'mark_to_market'
            ELSE 'realized'
        END,
        r.basis,
        r.peak,
        CASE WHEN r.unknown IS NULL THEN r.pnl END,
        CASE
            WHEN r.compounds THEN m.roi
            WHEN r.unknown IS NULL THEN o.roi
        END,
        CASE WHEN r.compounds THEN m.roi_reason ELSE coalesce(r.unknown, o.roi_reason) END,
        cardinality(r.daily)::bigint,
        m.volatility,
        m.volatility_reason,
        m.autocorrelation,
        m.autocorrelation_reason,
        m.adjusted_sharpe_ratio,
        m.adjusted_sharpe_ratio_reason,
        f.max_drawdown,
        f.max_drawdown_reason,
        f.avg_drawdown,
        f.avg_drawdown_reason,
        f.pain_index,
        f.ulcer_index,
        f.drawdown_count,
        f.underwater_pct,
        f.drawdown_frequency,
        f.avg_recovery_time,
        f.avg_recovery_time_reason,
        f.longest_drawdown,
        f.current_drawdown,
        f.open_drawdown,
        r.basis = 'snapshot_and_flows' OR r.has_funding,
        CASE r.basis WHEN 'snapshot_and_flows' THEN r.start_at ELSE r.window_start END,
        CASE r.basis WHEN 'snapshot_and_flows' THEN r.end_at ELSE before END,
        m.n_obs,
        m.n_obs >= publishing_limit('daily_observations')
            AND r.active_days >= publishing_limit('active_days'),
        m.n_obs >= publishing_limit('annual_days'),
        CASE WHEN r.compounds THEN m.cagr ELSE a.cagr END,
        CASE
            WHEN r.compounds THEN m.cagr_reason
            WHEN a.cagr IS NULL THEN coalesce(r.unknown, o.roi_reason, 'too_few_observations')
        END,
        CASE WHEN r.compounds THEN m.calmar_ratio ELSE a.cagr / nullif(abs(f.max_drawdown), 0) END,
        CASE
            WHEN r.compounds THEN m.calmar_ratio_reason
            WHEN a.cagr IS NULL THEN coalesce(r.unknown, o.roi_reason, 'too_few_observations')
            WHEN f.max_drawdown = 0 THEN 'no_drawdown'
        END,
        CASE WHEN r.compounds THEN m.calmar_days ELSE cardinality(r.daily)::bigint END,
        CASE
            WHEN r.compounds THEN m.return_over_max_drawdown
            WHEN r.unknown IS NULL THEN o.roi / nullif(abs(f.max_drawdown), 0)
        END,
        CASE
            WHEN r.compounds THEN m.return_over_max_drawdown_reason
            ELSE coalesce(r.unknown, o.roi_reason, CASE WHEN f.max_drawdown = 0 THEN 'no_drawdown' END)
        END,
        CASE WHEN r.compounds THEN track_roi(r.daily) WHEN r.unknown IS NULL THEN o.roi END,
        CASE WHEN r.compounds THEN m.ruin_count ELSE 0 END,
        m.sharpe_ratio,
        m.sharpe_ratio_reason,
        m.sharpe_se,
        m.sharpe_ratio - 1.96 * m.sharpe_se,
        m.sharpe_ratio + 1.96 * m.sharpe_se,
        m.downside_vol,
        m.downside_vol_reason,
        m.sortino_ratio,
        m.sortino_ratio_reason,
        'BTC',
        m.information_ratio,
        m.information_ratio_reason,
        f.drawdown_count_material,
        f.avg_drawdown_duration,
        f.avg_drawdown_duration_reason
    FROM held_to AS r
    CROSS JOIN LATERAL return_on_peak_exposure(r.pnl, r.peak) AS o
    CROSS JOIN LATERAL return_metrics(r.daily, r.benchmark) AS m
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN r.unknown IS NULL AND o.roi IS NOT NULL THEN cagr(1 + o.roi, cardinality(r.daily))
        END AS cagr
    ) AS a
    CROSS JOIN LATERAL (
        SELECT
            -- The baseline is where the first day begins.
            array_agg((to_timestamp(r.labels[1] / 1000) AT TIME ZONE 'UTC')::date - 1 + n.n::int ORDER BY n.n) AS dates,
            CASE
                WHEN r.compounds THEN equity_index(r.daily)
                ELSE array_agg(1 + n.gathered ORDER BY n.n)
            END                                                     AS nav
        FROM (
            SELECT 0::bigint AS n, 0::double precision AS gathered
            UNION ALL
            SELECT i.n, sum(i.x) OVER (ORDER BY i.n)
            FROM unnest(r.daily) WITH ORDINALITY AS i (x, n)
        ) AS n
    ) AS n
    CROSS JOIN LATERAL drawdown_metrics(n.dates, n.nav) AS f
$$;
