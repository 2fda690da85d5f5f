-- How good one trader's signals were in [from_ms, until_ms), and his copies, as of until_ms; one row.
-- Signals are openings; their outcome is the copy's, or the simulated one where there is no copy. The
-- contribution is of copies closed in the window, whenever they were opened, also as a fraction of
-- the paper account's equity when the window began. Undefined is NULL, with the reason beside it.
CREATE OR REPLACE FUNCTION signal_metrics(of_trader bigint, from_ms bigint, until_ms bigint)
RETURNS TABLE (
    signal_count bigint, signal_frequency double precision, signal_frequency_reason text,
    resolved bigint, decided bigint,
    signal_accuracy double precision, signal_accuracy_lower double precision,
    signal_accuracy_upper double precision, signal_accuracy_reason text,
    false_positive_rate double precision, false_positive_rate_reason text,
    filter_false_positive_rate double precision, filter_false_positive_rate_reason text,
    filter_recall double precision, filter_recall_reason text,
    avg_confidence double precision, avg_confidence_reason text,
    confidence_calibration jsonb, calibrated_signals bigint,
    expected_calibration_error double precision, expected_calibration_error_reason text,
    brier_score double precision, brier_score_reason text,
    signal_lag_mean_s double precision, signal_lag_median_s double precision,
    signal_lag_p95_s double precision, signal_lag_reason text, clock_errors bigint,
    fill_lag_mean_s double precision, fill_lag_reason text,
    execution_slippage double precision, execution_slippage_worst double precision,
    execution_slippage_reason text,
    copy_shortfall double precision, copy_shortfall_reason text,
    copy_rate double precision, copy_rate_reason text,
    copied bigint, closed_copies bigint, copied_notional_usd numeric,
    pnl_contribution_usd numeric, pnl_contribution_usd_reason text,
    pnl_contribution double precision, pnl_contribution_reason text,
    consecutive_losses bigint, publishable boolean
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH outcomes AS (
        SELECT o.*, o.basis = 'copied' AS is_copied
        FROM signal_outcomes(of_trader, from_ms, until_ms) AS o
    ), counted AS (
        SELECT
            count(*)                                                        AS signals,
            count(o.resolved_at)                                            AS resolved,
            count(*) FILTER (WHERE o.net_pnl_usd > 0)                       AS won,
            count(*) FILTER (WHERE o.net_pnl_usd < 0)                       AS lost,
            count(*) FILTER (WHERE o.net_pnl_usd > 0 AND o.is_copied)       AS won_copied,
            count(*) FILTER (WHERE o.net_pnl_usd < 0 AND o.is_copied)       AS lost_copied,
            count(*) FILTER (WHERE o.is_copied)                             AS copied,
            coalesce(sum(o.notional_usd), 0)                                AS notional,
            avg(o.confidence)                                               AS confidence,
            -- Missed is what was meant to be copied and found no liquidity; what was refused was not.
            sum(o.leader_pnl_usd - CASE WHEN o.is_copied THEN o.net_pnl_usd ELSE 0 END)
                FILTER (WHERE o.is_copied OR o.outcome = 'no_liquidity')    AS shortfall,
            sum(o.notional_usd) FILTER (WHERE o.net_pnl_usd IS NOT NULL)    AS resolved_notional,
            array_agg(o.confidence ORDER BY o.signal_id)                    AS confidences,
            array_agg(o.net_pnl_usd ORDER BY o.signal_id)                   AS results,
            array_agg(o.net_pnl_usd ORDER BY o.resolved_at, o.signal_id)
                FILTER (WHERE o.resolved_at IS NOT NULL)                    AS results_in_time,
            array_agg((o.submitted_at - o.leader_time) / 1000.0::double precision)
                FILTER (WHERE o.submitted_at IS NOT NULL)                   AS lags,
            array_agg((o.opened_at - o.submitted_at) / 1000.0::double precision)
                FILTER (WHERE o.opened_at IS NOT NULL)                      AS fill_lags,
            array_agg(o.side ORDER BY o.signal_id)                          AS sides,
            array_agg(o.leader_px ORDER BY o.signal_id)                     AS leader_prices,
            array_agg(o.entry_px ORDER BY o.signal_id)                      AS our_prices,
            array_agg(o.notional_usd ORDER BY o.signal_id)                  AS notionals
        FROM outcomes AS o
    ), closed AS (
        SELECT
            count(*)                                            AS copies,
            count(*) FILTER (WHERE c.net_pnl_usd IS NULL)       AS unknown,
            coalesce(sum(c.net_pnl_usd), 0)                     AS net
        FROM copies AS c
        WHERE c.trader_id = of_trader AND c.closed_at >= from_ms AND c.closed_at < until_ms
    ), equity AS (
        SELECT coalesce(
            (
                SELECT p.equity_usd
                FROM trader_performance AS p
                WHERE p.trader_id = of_trader
                  AND p.date < (to_timestamp(from_ms / 1000) AT TIME ZONE 'UTC')::date
                ORDER BY p.date DESC
                LIMIT 1
            ),
            (
                SELECT (h.settings ->> 'paper_capital_usd')::numeric
                FROM trader_settings_history AS h
                JOIN traders AS t USING (trader_id)
                WHERE h.trader_id = of_trader AND h.effective_at <= t.followed_from
                ORDER BY h.version DESC
                LIMIT 1
            )
        ) AS base
    )
    SELECT
        k.signals,
        k.signals / nullif((until_ms - from_ms) / 86400000.0::double precision, 0),
        CASE WHEN until_ms <= from_ms THEN 'zero_denominator' END,
        k.resolved,
        k.won + k.lost,
        i.win_rate,
        i.win_rate_lower,
        i.win_rate_upper,
        CASE WHEN i.win_rate IS NULL THEN 'no_data' END,
        k.lost / nullif(k.won + k.lost, 0)::double precision,
        CASE WHEN k.won + k.lost = 0 THEN 'no_data' END,
        k.lost_copied / nullif(k.lost, 0)::double precision,
        CASE WHEN k.lost = 0 THEN 'no_losses' END,
        k.won_copied / nullif(k.won, 0)::double precision,
        CASE WHEN k.won = 0 THEN 'zero_denominator' END,
        k.confidence,
        CASE WHEN k.confidence IS NULL THEN 'no_data' END,
        (
            SELECT jsonb_object_agg(
                b.bin,
                jsonb_build_object(
                    'n', b.n, 'mean_confidence', b.mean_confidence, 'hit_rate', b.hit_rate, 'gap', b.gap
                )
            )
            FROM confidence_calibration(k.confidences, k.results) AS b
        ),
        e.calibrated_signals,
        e.expected_calibration_error,
        e.expected_calibration_error_reason,
        e.brier_score,
        e.brier_score_reason,
        l.lag_mean_s,
        l.lag_median_s,
        l.lag_p95_s,
        l.lag_reason,
        l.clock_errors,
        f.lag_mean_s,
        f.lag_reason,
        x.execution_slippage,
        x.execution_slippage_worst,
        x.execution_slippage_reason,
        (k.shortfall / nullif(k.resolved_notional, 0))::double precision,
        CASE WHEN coalesce(k.resolved_notional, 0) = 0 THEN 'no_data' WHEN k.shortfall IS NULL THEN 'unpriced_component' END,
        k.copied / nullif(k.signals, 0)::double precision,
        CASE WHEN k.signals = 0 THEN 'no_data' END,
        k.copied,
        c.copies,
        k.notional,
        CASE WHEN c.unknown = 0 THEN c.net END,
        CASE WHEN c.unknown > 0 THEN 'unpriced_component' END,
        CASE WHEN c.unknown = 0 AND q.base > 0 THEN (c.net / q.base)::double precision END,
        CASE WHEN c.unknown > 0 THEN 'unpriced_component' WHEN coalesce(q.base, 0) <= 0 THEN 'no_capital_base' END,
        consecutive_losses(k.results_in_time),
        k.won + k.lost >= publishing_limit('decided_signals')
    FROM counted AS k
    CROSS JOIN closed AS c
    CROSS JOIN equity AS q
    CROSS JOIN LATERAL wilson_interval(k.won, k.lost) AS i
    CROSS JOIN LATERAL calibration_error(k.confidences, k.results) AS e
    CROSS JOIN LATERAL lag_metrics(k.lags) AS l
    CROSS JOIN LATERAL lag_metrics(k.fill_lags) AS f
    CROSS JOIN LATERAL execution_slippage(k.sides, k.leader_prices, k.our_prices, k.notionals) AS x
$$;
