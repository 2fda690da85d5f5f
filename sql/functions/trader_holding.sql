-- Closed perp positions per trader and the time they were held, over the days before `before`.
-- Ties the loose ends of trader_coin_daily: a position carried into a day was opened when its
-- earlier days say, provided each of them ends where the next begins; else its opening is not
-- known and its close counts for nothing.
CREATE OR REPLACE FUNCTION trader_holding(before bigint)
RETURNS TABLE (user_address text, round_trips bigint, hold_ms numeric)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH linked AS (
        SELECT
            d.*,
            d.first_start <> 0
                AND d.first_start IS DISTINCT FROM lag(d.last_end) OVER by_trader_coin AS is_break
        FROM trader_coin_daily AS d
        WHERE d.day < before
          AND d.tail IS NOT NULL
        WINDOW by_trader_coin AS (PARTITION BY d.user_address, d.coin ORDER BY d.day)
    ), stated AS (
        SELECT
            *,
            -- Open since, after this day, where this day decides it; -1: not known, or flat.
            CASE
                WHEN tail = 'opened' THEN tail_open_time
                WHEN tail = 'carried' AND NOT is_break THEN NULL
                ELSE -1
            END AS open_since_here
        FROM linked
    ), grouped AS (
        SELECT
            *,
            count(open_since_here) OVER (PARTITION BY user_address, coin ORDER BY day) AS episode
        FROM stated
    ), followed AS (
        SELECT
            *,
            first_value(open_since_here) OVER (
                PARTITION BY user_address, coin, episode ORDER BY day
            ) AS open_since
        FROM grouped
    ), tied AS (
        SELECT
            *,
            lag(open_since) OVER (PARTITION BY user_address, coin ORDER BY day) AS open_since_before
        FROM followed
    )
    SELECT
        t.user_address,
        sum(t.round_trips + CASE
            WHEN t.head_close_time IS NOT NULL AND NOT t.is_break AND t.open_since_before >= 0
            THEN 1 ELSE 0
        END)::bigint,
        sum(t.hold_ms + CASE
            WHEN t.head_close_time IS NOT NULL AND NOT t.is_break AND t.open_since_before >= 0
            THEN t.head_close_time - t.open_since_before ELSE 0
        END)
    FROM tied AS t
    GROUP BY t.user_address
$$;
