-- The seeds' profile of every trader from the UTC days before `before` (ms), one row each.
-- Undefined is NULL. Sums are exact; ratios are NUMERIC divisions.
CREATE OR REPLACE FUNCTION trader_metrics_before(before bigint)
RETURNS TABLE (
    user_address text, first_trade_time bigint, last_trade_time bigint, trading_days bigint,
    total_fills bigint, total_volume numeric, unique_coins bigint, realized_pnl numeric,
    fees_paid numeric, builder_fees_paid numeric, net_pnl numeric, maker_pct numeric,
    win_rate numeric, mtm_tv numeric, long_ratio numeric, liquidation_fills bigint,
    liquidation_volume numeric, liquidation_pct numeric, twap_fills bigint, twap_volume numeric,
    twap_pct numeric, avg_hold_hours numeric, sharpe_ratio numeric
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH lifetimes AS (
        SELECT
            d.user_address,
            count(*)                          AS trading_days,
            sum(d.fill_count)::bigint         AS fills,
            sum(d.volume)                     AS volume,
            sum(d.realized_pnl)               AS realized_pnl,
            sum(d.fees_paid)                  AS fees_paid,
            sum(d.builder_fees_paid)          AS builder_fees_paid,
            sum(d.maker_fills)                AS maker_fills,
            sum(d.winning_fills)              AS winning_fills,
            sum(d.closing_fills)              AS closing_fills,
            sum(d.open_long_count)            AS open_longs,
            sum(d.open_short_count)           AS open_shorts,
            sum(d.liquidation_fills)::bigint  AS liquidation_fills,
            sum(d.liquidation_volume)         AS liquidation_volume,
            sum(d.twap_fills)::bigint         AS twap_fills,
            sum(d.twap_volume)                AS twap_volume,
            -- Equal days have no deviation; asking it of the extremes needs no tolerance.
            CASE WHEN min(d.realized_pnl) < max(d.realized_pnl)
                THEN avg(d.realized_pnl) / stddev_samp(d.realized_pnl) * sqrt(365.0)
            END                               AS sharpe_ratio
        FROM trader_daily AS d
        WHERE d.day < before
        GROUP BY d.user_address
    ), coins AS (
        SELECT
            c.user_address,
            min(c.first_time)      AS first_time,
            max(c.last_time)       AS last_time,
            count(DISTINCT c.coin) AS unique_coins,
            sum(c.closed_trades)   AS closed_trades,
            sum(c.hold_ms)         AS hold_ms
        FROM trader_coin_daily AS c
        WHERE c.day < before
        GROUP BY c.user_address
    )
    SELECT
        l.user_address,
        c.first_time,
        c.last_time,
        l.trading_days,
        l.fills,
        l.volume,
        c.unique_coins,
        l.realized_pnl,
        l.fees_paid,
        l.builder_fees_paid,
        l.realized_pnl - l.fees_paid,
        1e0 * l.maker_fills / nullif(l.fills, 0),
        1e0 * l.winning_fills / nullif(l.closing_fills, 0),
        1e0 * l.realized_pnl / nullif(l.volume, 0),
        1e0 * l.open_longs / nullif(l.open_longs + l.open_shorts, 0),
        l.liquidation_fills,
        l.liquidation_volume,
        1e0 * l.liquidation_fills / nullif(l.fills, 0),
        l.twap_fills,
        l.twap_volume,
        1e0 * l.twap_volume / nullif(l.volume, 0),
        c.hold_ms / 3600000.0 / nullif(c.closed_trades, 0),
        l.sharpe_ratio
    FROM lifetimes AS l
    JOIN coins AS c ON c.user_address = l.user_address
$$;
