-- What each trader did in the days before `before` (ms, a midnight): over the last `window_days` of
-- them, or over all where that is NULL. One row per trader seen by then, sums of the window alone:
-- the row of the last day before its end less the one before its start, both found by the key. As it
-- stood at known_at; as it stands now where that is NULL.
CREATE OR REPLACE FUNCTION trader_windows(
    before bigint, window_days bigint, known_at timestamptz DEFAULT NULL
)
RETURNS TABLE (
    user_address text, first_day bigint, window_start bigint, calendar_days bigint, loaded_days bigint,
    complete_days bigint, trials bigint, sharpe_variance double precision, fills bigint,
    volume numeric, gross_pnl numeric, fees numeric, unpriced_fills bigint,
    unknown_pnl_fills bigint, maker_fills bigint, taker_fills bigint, maker_volume numeric,
    taker_volume numeric, long_increases bigint, short_increases bigint, liquidated_fills bigint,
    liquidator_fills bigint, twap_volume numeric, winning_fills bigint, losing_fills bigint,
    exposure_usd_ms numeric, active_days bigint, closed_trades bigint, winning_trades bigint,
    losing_trades bigint, unknown_trades bigint, gross_profit numeric, gross_loss numeric,
    hold_ms numeric, left_censored_trades bigint, continuity_breaks bigint, all_gross_pnl numeric,
    all_fees numeric, all_unpriced_fills bigint, is_marked boolean, unknown_days bigint,
    daily_1 numeric, daily_2 numeric, daily_3 numeric, daily_4 numeric, daily_below_2 numeric,
    up_days bigint, down_days bigint
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        -- Of the known, not of the totals: so that a question about one trader finds him by the key.
        k.user_address,
        e.first_day,
        w.window_start,
        (before - w.window_start) / 86400000,
        last.loaded_days - coalesce(first.loaded_days, 0),
        last.complete_days - coalesce(first.complete_days, 0),
        last.trials,
        last.sharpe_variance,
        e.fills - coalesce(s.fills, 0),
        e.volume - coalesce(s.volume, 0),
        e.gross_pnl - coalesce(s.gross_pnl, 0),
        e.fees - coalesce(s.fees, 0),
        e.unpriced_fills - coalesce(s.unpriced_fills, 0),
        e.unknown_pnl_fills - coalesce(s.unknown_pnl_fills, 0),
        e.maker_fills - coalesce(s.maker_fills, 0),
        e.taker_fills - coalesce(s.taker_fills, 0),
        e.maker_volume - coalesce(s.maker_volume, 0),
        e.taker_volume - coalesce(s.taker_volume, 0),
        e.long_increases - coalesce(s.long_increases, 0),
        e.short_increases - coalesce(s.short_increases, 0),
        e.liquidated_fills - coalesce(s.liquidated_fills, 0),
        e.liquidator_fills - coalesce(s.liquidator_fills, 0),
        e.twap_volume - coalesce(s.twap_volume, 0),
        e.winning_fills - coalesce(s.winning_fills, 0),
        e.losing_fills - coalesce(s.losing_fills, 0),
        e.exposure_usd_ms - coalesce(s.exposure_usd_ms, 0),
        e.active_days - coalesce(s.active_days, 0),
        e.closed_trades - coalesce(s.closed_trades, 0),
        e.winning_trades - coalesce(s.winning_trades, 0),
        e.losing_trades - coalesce(s.losing_trades, 0),
        e.unknown_trades - coalesce(s.unknown_trades, 0),
        e.gross_profit - coalesce(s.gross_profit, 0),
        e.gross_loss - coalesce(s.gross_loss, 0),
        e.hold_ms - coalesce(s.hold_ms, 0),
        e.left_censored_trades - coalesce(s.left_censored_trades, 0),
        e.continuity_breaks - coalesce(s.continuity_breaks, 0),
        e.all_gross_pnl - coalesce(s.all_gross_pnl, 0),
        e.all_fees - coalesce(s.all_fees, 0),
        e.all_unpriced_fills - coalesce(s.all_unpriced_fills, 0),
        b.is_marked,
        CASE WHEN b.is_marked THEN 0 ELSE e.unknown_net_days - coalesce(s.unknown_net_days, 0) END,
        CASE WHEN b.is_marked THEN e.marked_1 - coalesce(s.marked_1, 0) ELSE e.net_1 - coalesce(s.net_1, 0) END,
        CASE WHEN b.is_marked THEN e.marked_2 - coalesce(s.marked_2, 0) ELSE e.net_2 - coalesce(s.net_2, 0) END,
        CASE WHEN b.is_marked THEN e.marked_3 - coalesce(s.marked_3, 0) ELSE e.net_3 - coalesce(s.net_3, 0) END,
        CASE WHEN b.is_marked THEN e.marked_4 - coalesce(s.marked_4, 0) ELSE e.net_4 - coalesce(s.net_4, 0) END,
        CASE WHEN b.is_marked
            THEN e.marked_below_2 - coalesce(s.marked_below_2, 0)
            ELSE e.net_below_2 - coalesce(s.net_below_2, 0)
        END,
        CASE WHEN b.is_marked THEN e.marked_up_days - coalesce(s.marked_up_days, 0) ELSE e.net_up_days - coalesce(s.net_up_days, 0) END,
        CASE WHEN b.is_marked
            THEN e.marked_down_days - coalesce(s.marked_down_days, 0)
            ELSE e.net_down_days - coalesce(s.net_down_days, 0)
        END
    FROM known_traders AS k
    CROSS JOIN LATERAL last_totals(k.user_address, before, known_at) AS e
    CROSS JOIN LATERAL (
        SELECT greatest(e.first_day, before - window_days * 86400000) AS window_start
    ) AS w
    LEFT JOIN LATERAL last_totals(k.user_address, w.window_start, known_at) AS s ON true
    -- A series never mixes the two: one day that cannot be marked, and none of the window is.
    CROSS JOIN LATERAL (
        SELECT e.unknown_marked_days = coalesce(s.unknown_marked_days, 0) AS is_marked
    ) AS b
    CROSS JOIN LATERAL last_metric_state(before, known_at) AS last
    LEFT JOIN LATERAL last_metric_state(w.window_start, known_at) AS first ON true
$$;
