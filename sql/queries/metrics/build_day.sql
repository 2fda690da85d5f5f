-- Writes a UTC day of held_positions and trader_totals, on top of the day before.
-- A position at midnight is the one that the day before left, or what the first fill of the day
-- begins with; where the two differ fills are missing, and what it was worth is unknown.
-- Parameters: day, complete (no source object is missing).
WITH legs AS MATERIALIZED (
    SELECT
        f.user_address,
        f.coin,
        f.time,
        f.block_number,
        f.event_index,
        f.px,
        f.px * f.sz                                                AS notional,
        CASE f.side WHEN 'B' THEN -f.px * f.sz ELSE f.px * f.sz END AS cash,
        f.closed_pnl,
        fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px)          AS fee,
        f.fee IS NOT NULL                                          AS tells_fee,
        CASE WHEN f.liquidation IS NULL AND is_ordinary(f.dir) THEN f.crossed END AS is_taker,
        f.liquidation IS NOT NULL                                  AS is_liquidation,
        coalesce(lower(f.liquidation ->> 'liquidatedUser') = f.user_address, false) AS is_victim,
        f.twap_id IS NOT NULL                                      AS is_twap,
        is_on_book(f.dir)                                          AS makes_price,
        round(f.start_position, 8)                                 AS start_at,
        round(f.start_position + CASE f.side WHEN 'B' THEN f.sz ELSE -f.sz END, 8) AS end_at
    FROM fills AS f
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
      AND is_perp(f.coin)
), held AS MATERIALIZED (
    SELECT h.user_address, h.coin, h.position, h.mark
    FROM held_positions AS h
    WHERE h.day = %(day)s::bigint - 86400000
), marks AS MATERIALIZED (
    SELECT coin, (array_agg(px ORDER BY time DESC, block_number DESC, event_index DESC))[1] AS mark
    FROM legs
    WHERE makes_price
    GROUP BY coin
), steps AS MATERIALIZED (
    SELECT
        l.*,
        h.position                       AS held_at,
        h.mark                           AS held_mark,
        lag(l.time) OVER in_order        AS time_before,
        lag(l.end_at) OVER in_order      AS end_before,
        coalesce(lag(l.px) OVER in_order, h.mark, l.px) AS px_before,
        lead(l.time) OVER in_order IS NULL AS is_last
    FROM legs AS l
    LEFT JOIN held AS h ON h.user_address = l.user_address AND h.coin = l.coin
    WINDOW in_order AS (
        PARTITION BY l.user_address, l.coin ORDER BY l.time, l.block_number, l.event_index
    )
), moved AS (
    SELECT
        user_address,
        coin,
        min(start_at) FILTER (WHERE time_before IS NULL)             AS start_at,
        min(end_at) FILTER (WHERE is_last)                           AS end_at,
        min(held_at)                                                 AS held_at,
        min(held_mark)                                               AS held_mark,
        min(px_before) FILTER (WHERE time_before IS NULL)            AS px_at_start,
        sum(cash)                                                    AS cash,
        -- Fills are missing in between: what they paid is unknown.
        bool_or(time_before IS NOT NULL AND start_at IS DISTINCT FROM end_before) AS is_broken,
        -- Before each fill at the price before it, after the last one at its own.
        coalesce(sum(abs(start_at) * px_before * (time - coalesce(time_before, %(day)s))), 0)
        + coalesce(sum(abs(end_at) * px * (%(day)s::bigint + 86400000 - time)) FILTER (WHERE is_last), 0)
                                                                     AS exposure_usd_ms
    FROM steps
    GROUP BY user_address, coin
), positions AS MATERIALIZED (
    SELECT
        coalesce(m.user_address, h.user_address)    AS user_address,
        coalesce(m.coin, h.coin)                    AS coin,
        coalesce(m.start_at, h.position)            AS start_at,
        -- Not traded: as it was.
        CASE WHEN m.user_address IS NULL THEN h.position ELSE m.end_at END AS end_at,
        coalesce(k.mark, h.mark)                    AS mark,
        coalesce(m.px_at_start, h.mark)             AS px_at_start,
        coalesce(m.cash, 0)                         AS cash,
        CASE WHEN m.user_address IS NULL THEN abs(h.position) * h.mark * 86400000
            ELSE m.exposure_usd_ms
        END                                         AS exposure_usd_ms,
        CASE
            WHEN m.user_address IS NULL THEN h.position * h.mark
            WHEN m.is_broken THEN NULL
            WHEN m.start_at = 0 AND m.held_at IS NULL THEN 0
            WHEN m.start_at = m.held_at THEN m.start_at * m.held_mark
        END                                         AS value_at_start
    FROM moved AS m
    FULL JOIN held AS h ON h.user_address = m.user_address AND h.coin = m.coin
    LEFT JOIN marks AS k ON k.coin = coalesce(m.coin, h.coin)
), kept AS (
    INSERT INTO held_positions (day, user_address, coin, position, mark)
    SELECT %(day)s, user_address, coin, trim_scale(end_at), mark
    FROM positions
    WHERE end_at <> 0
), valued AS (
    SELECT
        user_address,
        CASE WHEN bool_and(end_at IS NOT NULL AND (end_at = 0 OR mark IS NOT NULL))
            THEN sum(abs(end_at) * coalesce(mark, 0))
        END                                                              AS exposure_usd,
        CASE WHEN bool_and(value_at_start IS NOT NULL AND end_at IS NOT NULL AND (end_at = 0 OR mark IS NOT NULL))
            THEN sum(cash + end_at * coalesce(mark, 0) - value_at_start)
        END                                                              AS marked_change,
        coalesce(sum(abs(start_at) * px_at_start), 0)                    AS exposure_at_start,
        coalesce(sum(exposure_usd_ms), 0)                                AS exposure_usd_ms
    FROM positions
    GROUP BY user_address
), path AS (
    SELECT
        user_address,
        sum(abs(end_at) * px - abs(start_at) * px_before) OVER (
            PARTITION BY user_address ORDER BY time, block_number, event_index
        ) AS rise
    FROM steps
), peaks AS (
    SELECT user_address, max(rise) AS rise
    FROM path
    GROUP BY user_address
), traded AS (
    SELECT
        user_address,
        count(*)                                             AS fills,
        sum(notional)                                        AS volume,
        coalesce(sum(closed_pnl), 0)                         AS gross_pnl,
        coalesce(sum(fee), 0)                                AS fees,
        count(*) FILTER (WHERE tells_fee AND fee IS NULL)    AS unpriced_fills,
        count(*) FILTER (WHERE closed_pnl IS NULL OR NOT tells_fee) AS unknown_pnl_fills,
        count(*) FILTER (WHERE NOT is_taker)                 AS maker_fills,
        count(*) FILTER (WHERE is_taker)                     AS taker_fills,
        coalesce(sum(notional) FILTER (WHERE NOT is_taker), 0) AS maker_volume,
        coalesce(sum(notional) FILTER (WHERE is_taker), 0)   AS taker_volume,
        count(*) FILTER (WHERE end_at > 0 AND end_at > start_at) AS long_increases,
        count(*) FILTER (WHERE end_at < 0 AND end_at < start_at) AS short_increases,
        count(*) FILTER (WHERE is_victim)                    AS liquidated_fills,
        count(*) FILTER (WHERE is_liquidation AND NOT is_victim) AS liquidator_fills,
        coalesce(sum(notional) FILTER (WHERE is_twap), 0)    AS twap_volume,
        count(*) FILTER (WHERE closed_pnl > 0)               AS winning_fills,
        count(*) FILTER (WHERE closed_pnl < 0)               AS losing_fills
    FROM legs
    GROUP BY user_address
), trips AS (
    SELECT
        user_address,
        count(*)                                             AS closed_trades,
        count(*) FILTER (WHERE net_pnl > 0)                  AS winning_trades,
        count(*) FILTER (WHERE net_pnl < 0)                  AS losing_trades,
        count(*) FILTER (WHERE net_pnl IS NULL)              AS unknown_trades,
        coalesce(sum(net_pnl) FILTER (WHERE net_pnl > 0), 0) AS gross_profit,
        coalesce(sum(net_pnl) FILTER (WHERE net_pnl < 0), 0) AS gross_loss,
        sum(hold_ms)                                         AS hold_ms
    FROM round_trips
    WHERE day = %(day)s AND hold_ms IS NOT NULL
    GROUP BY user_address
), followed AS (
    SELECT
        user_address,
        sum(left_censored_trades)::bigint                    AS left_censored_trades,
        sum(continuity_breaks)::bigint                       AS continuity_breaks
    FROM trader_coin_daily
    WHERE day = %(day)s
    GROUP BY user_address
), seen AS (
    SELECT
        user_address,
        coalesce(sum(fee), 0)         AS fees,
        coalesce(sum(builder_fee), 0) AS builder_fees
    FROM fills
    WHERE time >= %(day)s AND time < %(day)s::bigint + 86400000
    GROUP BY user_address
), today AS (
    SELECT
        u.user_address,
        CASE WHEN coalesce(t.unknown_pnl_fills + t.unpriced_fills, 0) = 0
            THEN coalesce(t.gross_pnl - t.fees, 0)
        END                                                  AS net_pnl,
        -- On a day without positions and perp fills there is nothing to mark.
        CASE WHEN coalesce(t.unknown_pnl_fills + t.unpriced_fills, 0) = 0
            THEN CASE WHEN v.user_address IS NULL THEN 0 ELSE v.marked_change - coalesce(t.fees, 0) END
        END                                                  AS mark_to_market_pnl,
        CASE WHEN v.user_address IS NULL THEN 0 ELSE v.exposure_usd END AS exposure_usd,
        coalesce(v.exposure_at_start + greatest(p.rise, 0), v.exposure_at_start, 0) AS peak_exposure_usd,
        coalesce(v.exposure_usd_ms, 0)                       AS exposure_usd_ms,
        t.fills IS NOT NULL                                  AS is_active,
        t, n, w, d, a
    FROM (
        SELECT user_address FROM valued
        UNION
        SELECT user_address FROM trader_daily WHERE day = %(day)s
    ) AS u
    LEFT JOIN valued AS v ON v.user_address = u.user_address
    LEFT JOIN peaks AS p ON p.user_address = u.user_address
    LEFT JOIN traded AS t ON t.user_address = u.user_address
    LEFT JOIN trips AS n ON n.user_address = u.user_address
    LEFT JOIN followed AS w ON w.user_address = u.user_address
    LEFT JOIN trader_daily AS d ON d.day = %(day)s AND d.user_address = u.user_address
    LEFT JOIN seen AS a ON a.user_address = u.user_address
)
INSERT INTO trader_totals
SELECT
    o.user_address,
    %(day)s,
    coalesce(b.first_day, %(day)s),
    trim_scale(o.net_pnl),
    trim_scale(o.mark_to_market_pnl),
    trim_scale(o.exposure_usd),
    trim_scale(o.peak_exposure_usd),
    coalesce(b.fills, 0) + coalesce((o.t).fills, 0),
    trim_scale(coalesce(b.volume, 0) + coalesce((o.t).volume, 0)),
    trim_scale(coalesce(b.gross_pnl, 0) + coalesce((o.t).gross_pnl, 0)),
    trim_scale(coalesce(b.fees, 0) + coalesce((o.t).fees, 0)),
    coalesce(b.unpriced_fills, 0) + coalesce((o.t).unpriced_fills, 0),
    coalesce(b.unknown_pnl_fills, 0) + coalesce((o.t).unknown_pnl_fills, 0),
    coalesce(b.maker_fills, 0) + coalesce((o.t).maker_fills, 0),
    coalesce(b.taker_fills, 0) + coalesce((o.t).taker_fills, 0),
    trim_scale(coalesce(b.maker_volume, 0) + coalesce((o.t).maker_volume, 0)),
    trim_scale(coalesce(b.taker_volume, 0) + coalesce((o.t).taker_volume, 0)),
    coalesce(b.long_increases, 0) + coalesce((o.t).long_increases, 0),
    coalesce(b.short_increases, 0) + coalesce((o.t).short_increases, 0),
    coalesce(b.liquidated_fills, 0) + coalesce((o.t).liquidated_fills, 0),
    coalesce(b.liquidator_fills, 0) + coalesce((o.t).liquidator_fills, 0),
    trim_scale(coalesce(b.twap_volume, 0) + coalesce((o.t).twap_volume, 0)),
    coalesce(b.winning_fills, 0) + coalesce((o.t).winning_fills, 0),
    coalesce(b.losing_fills, 0) + coalesce((o.t).losing_fills, 0),
    trim_scale(coalesce(b.exposure_usd_ms, 0) + o.exposure_usd_ms),
    coalesce(b.active_days, 0) + o.is_active::int,
    coalesce(b.closed_trades, 0) + coalesce((o.n).closed_trades, 0),
    coalesce(b.winning_trades, 0) + coalesce((o.n).winning_trades, 0),
    coalesce(b.losing_trades, 0) + coalesce((o.n).losing_trades, 0),
    coalesce(b.unknown_trades, 0) + coalesce((o.n).unknown_trades, 0),
    trim_scale(coalesce(b.gross_profit, 0) + coalesce((o.n).gross_profit, 0)),
    trim_scale(coalesce(b.gross_loss, 0) + coalesce((o.n).gross_loss, 0)),
    coalesce(b.hold_ms, 0) + coalesce((o.n).hold_ms, 0),
    coalesce(b.left_censored_trades, 0) + coalesce((o.w).left_censored_trades, 0),
    coalesce(b.continuity_breaks, 0) + coalesce((o.w).continuity_breaks, 0),
    trim_scale(coalesce(b.all_gross_pnl, 0) + coalesce((o.d).realized_pnl, 0)),
    trim_scale(coalesce(b.all_fees, 0) + coalesce((o.d).fees_paid, 0)),
    coalesce(b.all_unpriced_fills, 0) + coalesce((o.d).unpriced_fee_fills, 0),
    trim_scale(coalesce(b.seed_fees, 0) + coalesce((o.a).fees, 0)),
    trim_scale(coalesce(b.seed_builder_fees, 0) + coalesce((o.a).builder_fees, 0)),
    trim_scale(coalesce(b.net_1, 0) + x.net),
    trim_scale(coalesce(b.net_2, 0) + x.net * x.net),
    trim_scale(coalesce(b.net_3, 0) + x.net * x.net * x.net),
    trim_scale(coalesce(b.net_4, 0) + x.net * x.net * x.net * x.net),
    trim_scale(coalesce(b.net_below_2, 0) + least(x.net, 0) * x.net),
    coalesce(b.net_up_days, 0) + (x.net > 0)::int,
    coalesce(b.net_down_days, 0) + (x.net < 0)::int,
    coalesce(b.unknown_net_days, 0) + (%(complete)s AND o.net_pnl IS NULL)::int,
    trim_scale(coalesce(b.marked_1, 0) + x.marked),
    trim_scale(coalesce(b.marked_2, 0) + x.marked * x.marked),
    trim_scale(coalesce(b.marked_3, 0) + x.marked * x.marked * x.marked),
    trim_scale(coalesce(b.marked_4, 0) + x.marked * x.marked * x.marked * x.marked),
    trim_scale(coalesce(b.marked_below_2, 0) + least(x.marked, 0) * x.marked),
    coalesce(b.marked_up_days, 0) + (x.marked > 0)::int,
    coalesce(b.marked_down_days, 0) + (x.marked < 0)::int,
    coalesce(b.unknown_marked_days, 0) + (%(complete)s AND o.mark_to_market_pnl IS NULL)::int
FROM today AS o
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN %(complete)s THEN coalesce(o.net_pnl, 0) ELSE 0 END            AS net,
        CASE WHEN %(complete)s THEN coalesce(o.mark_to_market_pnl, 0) ELSE 0 END AS marked
) AS x
LEFT JOIN LATERAL (
    SELECT l.*
    FROM trader_totals AS l
    WHERE l.user_address = o.user_address AND l.day < %(day)s
    ORDER BY l.day DESC
    LIMIT 1
) AS b ON true
