-- trader_coin_daily: one row per UTC day, trader and coin: what profiles need beyond
-- trader_daily and cannot be summed from it (distinct coins, first and last trade, holding time).
--
-- A perp position is followed from flat to flat. What a fill does to it stands in the fill
-- itself (start_position, side, sz), so a day is built without its neighbours; a position that
-- was already open, or stays open, is left as a loose end for queries/trader_holding.sql to tie:
--   first_start, last_end   position before the day's first and after its last fill
--   head_close_time         close of a position carried in from an earlier day
--   tail                    'flat'; 'opened': open since tail_open_time; 'carried': open since
--                           before this day; 'unknown': open since a moment that is not known,
--                           because fills before it are missing
-- Formats before 2025-07-27 know no blocks; there the place in the object stands for them.
-- Positions are compared at 8 decimals: the exchange prints float noise of up to 1e-9.
WITH steps AS (
    SELECT
        time_bucket(86400000::bigint, time)  AS day,
        user_address,
        coin,
        time,
        block_number,
        event_index,
        is_perp(coin)                        AS is_perp,
        round(start_position, 8)             AS start_at,
        round(start_position + CASE side WHEN 'B' THEN sz ELSE -sz END, 8) AS end_at
    FROM fills
), chained AS (
    SELECT
        *,
        is_perp AND start_at <> lag(end_at) OVER by_trader_coin       AS is_break,
        is_perp AND start_at <> 0 AND sign(end_at) <> sign(start_at)  AS closes,
        is_perp AND end_at <> 0 AND sign(end_at) <> sign(start_at)    AS opens
    FROM steps
    WINDOW by_trader_coin AS (
        PARTITION BY day, user_address, coin ORDER BY time, block_number, event_index
    )
), marked AS (
    SELECT
        *,
        -- Since when the position after this fill is open, where this fill decides it:
        -- -1 when that is not known.
        CASE
            WHEN opens THEN time
            WHEN coalesce(is_break, false) THEN -1
        END AS opened_here
    FROM chained
), grouped AS (
    SELECT
        *,
        count(opened_here) OVER (
            PARTITION BY day, user_address, coin ORDER BY time, block_number, event_index
        ) AS episode
    FROM marked
), followed AS (
    SELECT
        *,
        first_value(opened_here) OVER (
            PARTITION BY day, user_address, coin, episode ORDER BY time, block_number, event_index
        ) AS open_since
    FROM grouped
), paired AS (
    SELECT
        *,
        lag(open_since) OVER by_trader_coin AS open_since_before,
        row_number() OVER by_trader_coin    AS step,
        count(*) OVER (PARTITION BY day, user_address, coin) AS steps
    FROM followed
    WINDOW by_trader_coin AS (
        PARTITION BY day, user_address, coin ORDER BY time, block_number, event_index
    )
)
SELECT
    day,
    user_address,
    coin,
    count(*)                                                AS fill_count,
    min(time)                                               AS first_time,
    max(time)                                               AS last_time,
    count(*) FILTER (
        WHERE closes AND is_break IS NOT TRUE AND open_since_before >= 0
    )                                                       AS round_trips,
    coalesce(sum(time - open_since_before) FILTER (
        WHERE closes AND is_break IS NOT TRUE AND open_since_before >= 0
    ), 0)                                                   AS hold_ms,
    trim_scale(max(start_at) FILTER (WHERE step = 1))       AS first_start,
    trim_scale(max(end_at) FILTER (WHERE step = steps))     AS last_end,
    max(time) FILTER (
        WHERE closes AND is_break IS NOT TRUE AND open_since_before IS NULL
    )                                                       AS head_close_time,
    max(CASE
        WHEN end_at = 0 THEN 'flat'
        WHEN open_since IS NULL THEN 'carried'
        WHEN open_since < 0 THEN 'unknown'
        ELSE 'opened'
    END) FILTER (WHERE step = steps AND is_perp)            AS tail,
    max(open_since) FILTER (
        WHERE step = steps AND end_at <> 0 AND open_since >= 0
    )                                                       AS tail_open_time
FROM paired
GROUP BY day, user_address, coin
