-- Positions of smart money at each full hour of a day. Parameters: day, rule_set.
-- Labels are those of the start of the day: from trader_daily of the days before. A position is
-- the end of the trader's last fill before the hour; of the day before, where there is none.
INSERT INTO smart_money_positions (coin, hour, long_notional, short_notional, net_bias, traders)
WITH smart AS MATERIALIZED (
    SELECT user_address
    FROM classified_profiles_before(%(day)s, %(rule_set)s)
    WHERE trader_type = 'SMART_DIRECTIONAL'
), carried AS (
    SELECT DISTINCT ON (c.user_address, c.coin)
        c.user_address,
        c.coin,
        %(day)s::bigint AS known_from,
        c.position      AS position
    FROM trader_coin_daily AS c
    JOIN smart AS s ON s.user_address = c.user_address
    WHERE c.day < %(day)s
      AND c.position IS NOT NULL
    ORDER BY c.user_address, c.coin, c.day DESC
), moved AS (
    -- The last fill of an hour is what the next hour begins with.
    SELECT DISTINCT ON (f.user_address, f.coin, f.time / 3600000)
        f.user_address,
        f.coin,
        (f.time / 3600000 + 1) * 3600000                                    AS known_from,
        round(f.start_position + CASE f.side WHEN 'B' THEN f.sz ELSE -f.sz END, 8) AS position
    FROM fills AS f
    JOIN smart AS s ON s.user_address = f.user_address
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
      AND is_perp(f.coin)
    ORDER BY f.user_address, f.coin, f.time / 3600000,
        f.time DESC, f.block_number DESC, f.event_index DESC
), states AS (
    SELECT * FROM carried
    UNION ALL
    SELECT * FROM moved
), held AS MATERIALIZED (
    SELECT
        h.hour,
        s.user_address,
        s.coin,
        s.position
    FROM generate_series(%(day)s::bigint, %(day)s::bigint + 23 * 3600000, 3600000::bigint) AS h (hour)
    CROSS JOIN LATERAL (
        SELECT DISTINCT ON (t.user_address, t.coin) t.*
        FROM states AS t
        WHERE t.known_from <= h.hour
        ORDER BY t.user_address, t.coin, t.known_from DESC
    ) AS s
    WHERE s.position <> 0
), closes AS MATERIALIZED (
    -- Last price of each hour since a day before: what the hour after begins with.
    SELECT DISTINCT ON (f.coin, f.time / 3600000)
        f.coin,
        (f.time / 3600000 + 1) * 3600000 AS known_from,
        f.px
    FROM fills AS f
    WHERE f.time >= %(day)s::bigint - 86400000 AND f.time < %(day)s::bigint + 23 * 3600000
      AND f.coin IN (SELECT DISTINCT coin FROM held)
    ORDER BY f.coin, f.time / 3600000, f.time DESC, f.block_number DESC, f.event_index DESC
), priced AS (
    SELECT
        h.coin,
        h.hour,
        h.user_address,
        h.position * (
            SELECT c.px
            FROM closes AS c
            WHERE c.coin = h.coin AND c.known_from <= h.hour
            ORDER BY c.known_from DESC
            LIMIT 1
        ) AS notional
    FROM held AS h
), summed AS (
    SELECT
        coin,
        hour,
        count(notional) = count(*)                              AS has_price,
        coalesce(sum(notional) FILTER (WHERE notional > 0), 0)  AS long_notional,
        coalesce(-sum(notional) FILTER (WHERE notional < 0), 0) AS short_notional,
        count(DISTINCT user_address)                            AS traders
    FROM priced
    GROUP BY coin, hour
)
SELECT
    coin,
    hour,
    CASE WHEN has_price THEN trim_scale(long_notional) END,
    CASE WHEN has_price THEN trim_scale(short_notional) END,
    CASE WHEN has_price
        THEN 1e0 * (long_notional - short_notional) / nullif(long_notional + short_notional, 0)
    END,
    traders
FROM summed
