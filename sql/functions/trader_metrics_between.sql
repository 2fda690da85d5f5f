-- The corrected figures of every trader over a window that ends before `before` (ms, a midnight), by
-- what was known then: `window_days` days, or all where that is NULL. Perps, but for the three that
-- say otherwise. Undefined is NULL, and a column of its own says why. Funding is in no fill: the
-- figures that need it are NULL, but for accounts whose own history was asked for over the window.
-- As they stood at known_at, funding left out, whose past is not kept; now where that is NULL.
CREATE OR REPLACE FUNCTION trader_metrics_between(
    before bigint, window_days bigint, known_at timestamptz DEFAULT NULL
)
RETURNS TABLE (
    user_address text, window_start bigint, first_day bigint, calendar_days bigint, n_obs bigint,
    coverage double precision, partial_window boolean, pnl_basis text, capital_basis text,
    publishable boolean,
    gross_realized_pnl_usd numeric, total_fees_usd numeric, total_fees_usd_reason text,
    unpriced_component_count bigint,
    net_pnl_ex_funding_usd numeric, net_pnl_ex_funding_usd_reason text,
    net_realized_pnl_usd numeric, net_realized_pnl_usd_reason text,
    funding_usd numeric, funding_usd_reason text,
    perp_gross_pnl_usd numeric, perp_fees_usd numeric, perp_fees_usd_reason text,
    net_pnl numeric, net_pnl_reason text,
    mark_to_market_pnl_usd numeric, mark_to_market_pnl_usd_reason text,
    fills bigint, volume_usd numeric, trading_days bigint, active_share double precision,
    maker_pct double precision, maker_volume_pct double precision, maker_pct_reason text,
    realized_edge double precision, net_edge double precision, net_edge_reason text,
    mark_to_market_edge double precision,
    liquidated_fill_pct double precision, liquidator_fill_pct double precision,
    long_ratio double precision, long_ratio_reason text, twap_pct double precision,
    turnover_per_day double precision, turnover_per_day_reason text,
    fills_per_active_day double precision, volume_reason text,
    closed_trades bigint, left_censored_trades bigint, continuity_breaks bigint,
    win_rate double precision, win_rate_lower double precision, win_rate_upper double precision,
    win_rate_reason text,
    win_rate_fills double precision, win_rate_fills_reason text,
    win_rate_days double precision, win_rate_days_reason text,
    profit_factor double precision, profit_factor_reason text,
    gross_profit_usd numeric, gross_loss_usd numeric,
    mean_hold_hours double precision, mean_hold_hours_reason text,
    sharpe_ratio double precision, sharpe_ratio_reason text, sharpe_se double precision,
    sharpe_lower double precision, sharpe_upper double precision, psr_0 double precision,
    deflated_sharpe double precision, deflated_sharpe_reason text,
    sortino_ratio double precision, sortino_ratio_reason text
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        w.user_address,
        w.window_start,
        w.first_day,
        w.calendar_days,
        w.complete_days,
        c.coverage,
        coalesce(w.calendar_days < window_days, false),
        CASE WHEN w.is_marked THEN 'mark_to_market' ELSE 'realized' END,
        'peak_exposure',
        r.reason IS NULL
            AND w.complete_days >= publishing_limit('daily_observations')
            AND w.active_days >= publishing_limit('active_days'),
        w.all_gross_pnl,
        CASE WHEN w.all_unpriced_fills = 0 THEN w.all_fees END,
        CASE WHEN w.all_unpriced_fills > 0 THEN 'unpriced_component' END,
        w.all_unpriced_fills,
        x.net_pnl,
        x.reason,
        x.net_pnl + u.funding,
        coalesce(x.reason, CASE WHEN u.funding IS NULL THEN 'insufficient_coverage' END),
        u.funding,
        CASE WHEN u.funding IS NULL THEN 'insufficient_coverage' END,
        w.gross_pnl,
        CASE WHEN n.reason IS NULL THEN w.fees END,
        n.reason,
        n.net_pnl,
        n.reason,
        CASE WHEN w.is_marked THEN w.daily_1 END,
        CASE WHEN NOT w.is_marked THEN coalesce(n.reason, 'insufficient_coverage') END,
        w.fills,
        w.volume,
        w.active_days,
        w.active_days / nullif(w.calendar_days, 0)::double precision,
        w.maker_fills / nullif(w.maker_fills + w.taker_fills, 0)::double precision,
        (w.maker_volume / nullif(w.maker_volume + w.taker_volume, 0))::double precision,
        CASE WHEN w.maker_fills + w.taker_fills = 0 THEN 'zero_denominator' END,
        (w.gross_pnl / nullif(w.volume, 0))::double precision,
        (n.net_pnl / nullif(w.volume, 0))::double precision,
        CASE WHEN w.volume = 0 THEN 'zero_denominator' ELSE n.reason END,
        CASE WHEN w.is_marked THEN (w.daily_1 / nullif(w.volume, 0))::double precision END,
        w.liquidated_fills / nullif(w.fills, 0)::double precision,
        w.liquidator_fills / nullif(w.fills, 0)::double precision,
        w.long_increases / nullif(w.long_increases + w.short_increases, 0)::double precision,
        CASE WHEN w.long_increases + w.short_increases = 0 THEN 'zero_denominator' END,
        (w.twap_volume / nullif(w.volume, 0))::double precision,
        -- volume / days / (exposure_usd_ms / ms of the days)
        (w.volume * 86400000 / nullif(w.exposure_usd_ms, 0))::double precision,
        CASE WHEN w.exposure_usd_ms = 0 THEN 'zero_denominator' END,
        w.fills / nullif(w.active_days, 0)::double precision,
        CASE WHEN w.fills = 0 THEN 'zero_denominator' END,
        w.closed_trades,
        w.left_censored_trades,
        w.continuity_breaks,
        CASE WHEN w.unknown_trades = 0 THEN i.win_rate END,
        CASE WHEN w.unknown_trades = 0 THEN i.win_rate_lower END,
        CASE WHEN w.unknown_trades = 0 THEN i.win_rate_upper END,
        CASE WHEN w.unknown_trades > 0 THEN 'unpriced_component' ELSE i.win_rate_reason END,
        w.winning_fills / nullif(w.winning_fills + w.losing_fills, 0)::double precision,
        CASE WHEN w.winning_fills + w.losing_fills = 0 THEN 'zero_denominator' END,
        CASE WHEN r.reason IS NULL THEN w.up_days / nullif(w.up_days + w.down_days, 0)::double precision END,
        coalesce(r.reason, CASE WHEN w.up_days + w.down_days = 0 THEN 'zero_denominator' END),
        CASE WHEN w.unknown_trades = 0 AND w.closed_trades > 0 THEN f.profit_factor END,
        CASE
            WHEN w.unknown_trades > 0 THEN 'unpriced_component'
            WHEN w.closed_trades = 0 THEN 'no_data'
            ELSE f.profit_factor_reason
        END,
        CASE WHEN w.unknown_trades = 0 THEN w.gross_profit END,
        CASE WHEN w.unknown_trades = 0 THEN w.gross_loss END,
        (w.hold_ms / 3600000 / nullif(w.closed_trades, 0))::double precision,
        CASE WHEN w.closed_trades = 0 THEN 'no_data' END,
        CASE WHEN r.reason IS NULL THEN h.sharpe_ratio END,
        coalesce(r.reason, h.sharpe_ratio_reason),
        CASE WHEN r.reason IS NULL THEN h.sharpe_se END,
        CASE WHEN r.reason IS NULL THEN h.sharpe_ratio - 1.96 * h.sharpe_se END,
        CASE WHEN r.reason IS NULL THEN h.sharpe_ratio + 1.96 * h.sharpe_se END,
        CASE WHEN r.reason IS NULL THEN probabilistic_sharpe(h.sharpe_ratio, h.sharpe_se) END,
        CASE WHEN r.reason IS NULL THEN deflated_sharpe(h.sharpe_ratio, h.sharpe_se, w.trials, w.sharpe_variance) END,
        coalesce(r.reason, h.sharpe_ratio_reason, CASE WHEN h.sharpe_se IS NULL OR w.trials IS NULL THEN 'too_few_observations' END),
        CASE WHEN r.reason IS NULL AND w.complete_days >= 2
            THEN (w.daily_1 / w.complete_days)::double precision
                / nullif(sqrt((w.daily_below_2 / w.complete_days)::double precision), 0)
                * sqrt(days_per_year())
        END,
        CASE
            WHEN r.reason IS NOT NULL THEN r.reason
            WHEN w.complete_days < 2 THEN 'too_few_observations'
            WHEN w.daily_below_2 = 0 THEN 'no_downside'
        END
    FROM trader_windows(before, window_days, known_at) AS w
    CROSS JOIN LATERAL (
        SELECT w.complete_days / nullif(w.calendar_days, 0)::double precision AS coverage
    ) AS c
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN w.unpriced_fills = 0 AND w.unknown_pnl_fills = 0 THEN w.gross_pnl - w.fees END AS net_pnl,
            CASE
                WHEN w.unpriced_fills > 0 THEN 'unpriced_component'
                WHEN w.unknown_pnl_fills > 0 THEN 'not_available_from_fills'
            END AS reason
    ) AS n
    -- The same of all markets.
    CROSS JOIN LATERAL (
        SELECT
            CASE WHEN w.all_unpriced_fills = 0 AND w.unknown_pnl_fills = 0 THEN w.all_gross_pnl - w.all_fees END AS net_pnl,
            CASE
                WHEN w.all_unpriced_fills > 0 THEN 'unpriced_component'
                WHEN w.unknown_pnl_fills > 0 THEN 'not_available_from_fills'
            END AS reason
    ) AS x
    -- Joined, not asked for one by one: few of all traders are covered.
    LEFT JOIN account_coverage AS v
        ON v.user_address = w.user_address
       AND v.kind = 'funding'
       AND v.covered_from <= w.window_start
       AND v.covered_until >= before
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN v.user_address IS NOT NULL AND known_at IS NULL
            THEN account_funding_between(w.user_address, w.window_start, before, false)
        END AS funding
    ) AS u
    -- What keeps all ratios of the daily series from being defined.
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN c.coverage < least_coverage() THEN 'insufficient_coverage'
            WHEN w.unknown_days > 0 THEN coalesce(n.reason, 'unpriced_component')
        END AS reason
    ) AS r
    CROSS JOIN LATERAL wilson_interval(w.winning_trades, w.losing_trades) AS i
    CROSS JOIN LATERAL profit_factor(w.gross_profit, w.gross_loss) AS f
    CROSS JOIN LATERAL sharpe_from_sums(w.complete_days, w.daily_1, w.daily_2, w.daily_3, w.daily_4) AS h
$$;
