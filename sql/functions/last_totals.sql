-- A trader's row of trader_totals for his last day before `before` (ms), as it stood at known_at; as
-- it stands now where that is NULL. One row at most. Three branches with a limit each, so that the
-- present costs one look at the key.
CREATE OR REPLACE FUNCTION last_totals(of_address text, before bigint, known_at timestamptz)
RETURNS SETOF trader_totals
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    (
        SELECT t.*
        FROM trader_totals AS t
        WHERE known_at IS NULL AND t.user_address = of_address AND t.day < before
        ORDER BY t.day DESC
        LIMIT 1
    )
    UNION ALL
    (
        SELECT v.*
        FROM (
            -- What still stands, and stood then: its day was built, and it came with that or since.
            (
                SELECT t.*
                FROM trader_totals AS t
                WHERE known_at IS NOT NULL AND t.user_address = of_address AND t.day < before
                  AND t.day IN (SELECT s.day FROM metric_state_versions AS s WHERE s.known_from <= known_at)
                  AND NOT EXISTS (
                      SELECT FROM totals_known_from AS k
                      WHERE k.user_address = of_address AND k.day = t.day AND k.known_from > known_at
                  )
                ORDER BY t.day DESC
                LIMIT 1
            )
            UNION ALL
            (
                SELECT
                    r.user_address, r.day, r.first_day, r.net_pnl, r.mark_to_market_pnl, r.exposure_usd,
                    r.peak_exposure_usd, r.fills, r.volume, r.gross_pnl, r.fees, r.unpriced_fills, r.unknown_pnl_fills,
                    r.maker_fills, r.taker_fills, r.maker_volume, r.taker_volume, r.long_increases, r.short_increases,
                    r.liquidated_fills, r.liquidator_fills, r.twap_volume, r.winning_fills, r.losing_fills,
                    r.exposure_usd_ms, r.active_days, r.closed_trades, r.winning_trades, r.losing_trades,
                    r.unknown_trades, r.gross_profit, r.gross_loss, r.hold_ms, r.left_censored_trades,
                    r.continuity_breaks, r.all_gross_pnl, r.all_fees, r.all_unpriced_fills, r.seed_fees,
                    r.seed_builder_fees, r.net_1, r.net_2, r.net_3, r.net_4, r.net_below_2, r.net_up_days,
                    r.net_down_days, r.unknown_net_days, r.marked_1, r.marked_2, r.marked_3, r.marked_4,
                    r.marked_below_2, r.marked_up_days, r.marked_down_days, r.unknown_marked_days
                FROM restated_totals AS r
                WHERE r.user_address = of_address AND r.day < before
                  AND r.known_from <= known_at AND r.known_until > known_at
                ORDER BY r.day DESC
                LIMIT 1
            )
        ) AS v
        WHERE known_at IS NOT NULL
        ORDER BY v.day DESC
        LIMIT 1
    )
$$;
