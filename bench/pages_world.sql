-- 100,000 made-up traders with lives as uneven as real ones, straight into the tables that the pages
-- read. One statement a paragraph. Parameters: traders, days, first.

INSERT INTO known_traders
SELECT '0x' || left(md5(i::text) || md5('x' || i), 40) FROM generate_series(1, %(traders)s) AS i

INSERT INTO metric_state
SELECT %(first)s + d * 86400000::bigint, 'made up', 1, true, d + 1, d + 1, 5000, 4.0
FROM generate_series(0, %(days)s - 1) AS d

INSERT INTO label_state
SELECT day, 'made up', 1 FROM metric_state

INSERT INTO day_state (day, source, content_version, generation, row_count, repeated_count,
    missing_hours, loaded_at, awaits)
SELECT day, 'sandbox', 'made up', 1, 1, 0, '{}', now(), '{}' FROM metric_state

INSERT INTO trader_totals (user_address, day, first_day, net_pnl, mark_to_market_pnl,
    exposure_usd, peak_exposure_usd,
    fills, volume, gross_pnl, fees, unpriced_fills, unknown_pnl_fills, maker_fills, taker_fills,
    maker_volume, taker_volume, long_increases, short_increases, liquidated_fills,
    liquidator_fills, twap_volume, winning_fills, losing_fills, exposure_usd_ms, active_days,
    closed_trades, winning_trades, losing_trades, unknown_trades, gross_profit, gross_loss,
    hold_ms, left_censored_trades, continuity_breaks, all_gross_pnl, all_fees,
    all_unpriced_fills, seed_fees, seed_builder_fees, net_1, net_2, net_3, net_4, net_below_2,
    net_up_days, net_down_days, unknown_net_days, marked_1, marked_2, marked_3, marked_4,
    marked_below_2, marked_up_days, marked_down_days, unknown_marked_days)
SELECT user_address, day, min(day) OVER (PARTITION BY user_address), pnl, pnl, peak, peak,
    sum(n) OVER w::bigint, sum(volume) OVER w, sum(pnl + fee) OVER w, sum(fee) OVER w, sum(0)
    OVER w::bigint, sum(0) OVER w::bigint, sum(n / 3) OVER w::bigint, sum(n - n / 3) OVER
    w::bigint, sum(volume / 3) OVER w, sum(volume - volume / 3) OVER w, sum(n / 2) OVER
    w::bigint, sum(n / 3) OVER w::bigint, sum(0) OVER w::bigint, sum(0) OVER w::bigint, sum(0)
    OVER w, sum(n / 4) OVER w::bigint, sum(n / 5) OVER w::bigint, sum(peak * 40000000) OVER w,
    sum(1) OVER w::bigint, sum(3) OVER w::bigint, sum(CASE WHEN pnl > 0 THEN 2 ELSE 1 END) OVER
    w::bigint, sum(CASE WHEN pnl > 0 THEN 1 ELSE 2 END) OVER w::bigint, sum(0) OVER w::bigint,
    sum(greatest(pnl, 0)) OVER w, sum(least(pnl, 0)) OVER w, sum(9000000) OVER w, sum(0) OVER
    w::bigint, sum(0) OVER w::bigint, sum(pnl + fee) OVER w, sum(fee) OVER w, sum(0) OVER
    w::bigint, sum(fee) OVER w, sum(0) OVER w, sum(round(pnl ^ 1, 4)) OVER w, sum(round(pnl ^ 2,
    4)) OVER w, sum(round(pnl ^ 3, 4)) OVER w, sum(round(pnl ^ 4, 4)) OVER w, sum(least(pnl, 0)
    ^ 2) OVER w, sum((pnl > 0)::int) OVER w::bigint, sum((pnl < 0)::int) OVER w::bigint, sum(0)
    OVER w::bigint, sum(round(pnl ^ 1, 4)) OVER w, sum(round(pnl ^ 2, 4)) OVER w, sum(round(pnl
    ^ 3, 4)) OVER w, sum(round(pnl ^ 4, 4)) OVER w, sum(least(pnl, 0) ^ 2) OVER w, sum((pnl >
    0)::int) OVER w::bigint, sum((pnl < 0)::int) OVER w::bigint, sum(0) OVER w::bigint
FROM (
    SELECT k.user_address, %(first)s + d * 86400000::bigint AS day, (1 + random() * 40)::int AS n,
        round((random() * k.scale * 20)::numeric, 2) AS volume, round((k.scale * 0.01)::numeric,
    2) AS fee,
        round((k.scale * (random() + random() + random() - 1.5 + k.skill))::numeric, 2) AS pnl,
        round((k.scale * 5)::numeric, 2) AS peak
    FROM (
        SELECT user_address, exp(4 + 6 * random()) AS scale, (random() - 0.5) * 0.2 AS skill,
            ceil(%(days)s * random() ^ 6 + 1)::int AS lived, (random() * (%(days)s - 1))::int AS
    start
        FROM known_traders
    ) AS k
    CROSS JOIN LATERAL generate_series(greatest(k.start - k.lived, 0), k.start) AS d
) AS t
WINDOW w AS (PARTITION BY user_address ORDER BY day)

INSERT INTO trader_labels
SELECT user_address, s.rule_set, %(first)s, NULL,
    CASE WHEN r < 0.01 THEN 'SMART_DIRECTIONAL' WHEN r < 0.03 THEN 'HFT' WHEN r < 0.05 THEN
    'LIQUIDATOR' ELSE 'RETAIL' END,
    'made_up', '{}'
FROM (SELECT user_address, random() AS r FROM known_traders) AS k
CROSS JOIN (VALUES ('seed_100k'), ('vigil_v1')) AS s (rule_set)

INSERT INTO trader_coin_daily (day, user_address, coin, fill_count, first_time, last_time,
    closed_trades, hold_ms, left_censored_trades, continuity_breaks)
SELECT %(first)s, user_address, 'C' || c, 1 + c, %(first)s, %(first)s, 0, 0, 0, 0
FROM (SELECT user_address, (random() * 100)::int AS least, (random() * 8)::int AS more FROM
    known_traders) AS k
CROSS JOIN LATERAL generate_series(k.least, k.least + k.more) AS c

INSERT INTO held_positions
SELECT t.day, t.user_address, 'C' || c, 1, round((t.exposure_usd / (c + 1)), 2)
FROM trader_totals AS t
CROSS JOIN LATERAL generate_series(0, (random() * 3)::int) AS c
WHERE random() < 0.5

INSERT INTO account_balances (day, address, recorded_at, account_value, total_ntl_pos)
SELECT t.day, t.user_address, t.day + 1000, t.exposure_usd, t.exposure_usd * (1 + random() *
    4)::numeric
FROM trader_totals AS t
WHERE random() < 0.2

ANALYZE
