-- Carries the sums of all traders of a day on, from the last row that each one has.
-- Parameters: day, complete (no source object is missing).
WITH trips AS (
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
), today AS (
    SELECT
        r.*,
        CASE WHEN r.unknown_pnl_fills + r.unpriced_fills = 0 THEN r.gross_pnl - r.fees END     AS net_pnl,
        CASE WHEN r.unknown_pnl_fills + r.unpriced_fills = 0 THEN r.marked_change - r.fees END AS mark_to_market_pnl
    FROM day_results AS r
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
    coalesce(b.fills, 0) + o.fills,
    trim_scale(coalesce(b.volume, 0) + o.volume),
    trim_scale(coalesce(b.gross_pnl, 0) + o.gross_pnl),
    trim_scale(coalesce(b.fees, 0) + o.fees),
    coalesce(b.unpriced_fills, 0) + o.unpriced_fills,
    coalesce(b.unknown_pnl_fills, 0) + o.unknown_pnl_fills,
    coalesce(b.maker_fills, 0) + o.maker_fills,
    coalesce(b.taker_fills, 0) + o.taker_fills,
    trim_scale(coalesce(b.maker_volume, 0) + o.maker_volume),
    trim_scale(coalesce(b.taker_volume, 0) + o.taker_volume),
    coalesce(b.long_increases, 0) + o.long_increases,
    coalesce(b.short_increases, 0) + o.short_increases,
    coalesce(b.liquidated_fills, 0) + o.liquidated_fills,
    coalesce(b.liquidator_fills, 0) + o.liquidator_fills,
    trim_scale(coalesce(b.twap_volume, 0) + o.twap_volume),
    coalesce(b.winning_fills, 0) + o.winning_fills,
    coalesce(b.losing_fills, 0) + o.losing_fills,
    trim_scale(coalesce(b.exposure_usd_ms, 0) + o.exposure_usd_ms),
    coalesce(b.active_days, 0) + (o.fills > 0)::int,
    coalesce(b.closed_trades, 0) + coalesce(n.closed_trades, 0),
    coalesce(b.winning_trades, 0) + coalesce(n.winning_trades, 0),
    coalesce(b.losing_trades, 0) + coalesce(n.losing_trades, 0),
    coalesce(b.unknown_trades, 0) + coalesce(n.unknown_trades, 0),
    trim_scale(coalesce(b.gross_profit, 0) + coalesce(n.gross_profit, 0)),
    trim_scale(coalesce(b.gross_loss, 0) + coalesce(n.gross_loss, 0)),
    coalesce(b.hold_ms, 0) + coalesce(n.hold_ms, 0),
    coalesce(b.left_censored_trades, 0) + coalesce(w.left_censored_trades, 0),
    coalesce(b.continuity_breaks, 0) + coalesce(w.continuity_breaks, 0),
    trim_scale(coalesce(b.all_gross_pnl, 0) + coalesce(d.realized_pnl, 0)),
    trim_scale(coalesce(b.all_fees, 0) + coalesce(d.fees_paid, 0)),
    coalesce(b.all_unpriced_fills, 0) + coalesce(d.unpriced_fee_fills, 0),
    trim_scale(coalesce(b.seed_fees, 0) + o.seed_fees),
    trim_scale(coalesce(b.seed_builder_fees, 0) + o.seed_builder_fees),
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
LEFT JOIN trips AS n ON n.user_address = o.user_address
LEFT JOIN followed AS w ON w.user_address = o.user_address
LEFT JOIN trader_daily AS d ON d.day = %(day)s AND d.user_address = o.user_address
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
