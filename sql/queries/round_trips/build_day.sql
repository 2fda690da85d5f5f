-- Follows the perp positions of a UTC day from fill to fill, on from where the latest day before
-- left them, and writes the day's rows of round_trips and trader_coin_daily.
-- What a fill does stands in the fill itself (start_position, side, sz); that it follows the one
-- before is checked. Positions are compared at 8 decimals: the exchange prints float noise of up
-- to 1e-9. A fill that flips has two parts: the closing one ends an episode with all of the PnL, the
-- opening one begins
-- the next. Its fee is split by size at the twelfth decimal; the opening part takes what is left.
-- Formats before 2025-07-27 know no blocks; there the place in the object stands for them.
-- Literals: day. Identifiers: source, whose rows are fills (all of them, or of changed positions).
WITH day_fills AS (
    SELECT
        f.user_address,
        f.coin,
        f.time,
        f.block_number,
        f.event_index,
        f.px,
        f.sz,
        f.closed_pnl,
        fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px)         AS fee,
        lower(f.liquidation ->> 'liquidatedUser') = f.user_address AS is_victim,
        round(f.start_position, 8)                                AS start_at,
        round(f.start_position + CASE f.side WHEN 'B' THEN f.sz ELSE -f.sz END, 8) AS end_at
    FROM {source} AS f
    WHERE f.time >= {day} AND f.time < {day} + 86400000
      AND is_perp(f.coin)
      AND f.start_position IS NOT NULL
), traded AS (
    SELECT
        f.user_address,
        f.coin,
        count(*)    AS fill_count,
        min(f.time) AS first_time,
        max(f.time) AS last_time
    FROM {source} AS f
    WHERE f.time >= {day} AND f.time < {day} + 86400000
    GROUP BY f.user_address, f.coin
), carried AS (
    SELECT c.*
    FROM traded AS t
    CROSS JOIN LATERAL (
        SELECT d.*
        FROM trader_coin_daily AS d
        WHERE d.user_address = t.user_address
          AND d.coin = t.coin
          AND d.day < {day}
          AND d.position IS NOT NULL
        ORDER BY d.day DESC
        LIMIT 1
    ) AS c
), chained AS (
    SELECT
        f.*,
        coalesce(lag(f.end_at) OVER in_order, c.position)   AS expected,
        coalesce(lag(f.time) OVER in_order, c.position_time) AS time_before,
        row_number() OVER in_order                          AS step,
        lead(f.time) OVER in_order IS NULL                  AS is_last
    FROM day_fills AS f
    LEFT JOIN carried AS c ON c.user_address = f.user_address AND c.coin = f.coin
    WINDOW in_order AS (
        PARTITION BY f.user_address, f.coin ORDER BY f.time, f.block_number, f.event_index
    )
), marked AS (
    SELECT
        *,
        start_at <> expected                                         AS is_break,
        -- An episode that was open before its first fill here.
        (start_at <> 0 AND start_at IS DISTINCT FROM expected)::int  AS found_open,
        (end_at <> 0 AND sign(end_at) <> sign(start_at))::int        AS opens,
        start_at <> 0 AND sign(end_at) <> sign(start_at)             AS closes
    FROM chained
), numbered AS (
    -- Episodes that began before this fill's own opening: 0 is the one carried into the day.
    SELECT
        *,
        sum(found_open + opens) OVER (
            PARTITION BY user_address, coin ORDER BY step
        ) - opens AS episode,
        CASE WHEN closes AND opens = 1 THEN div(fee * abs(start_at) * 1e12, sz) * 1e-12 ELSE fee END AS first_fee
    FROM marked
), parts AS (
    SELECT
        user_address,
        coin,
        episode,
        time,
        sign(start_at)                                        AS direction,
        NULL::bigint                                          AS opened_at,
        closes,
        closes AND coalesce(is_victim, false)                 AS is_liquidated,
        greatest(abs(start_at), CASE WHEN closes THEN 0 ELSE abs(end_at) END) AS peak,
        CASE WHEN closes THEN 0 ELSE greatest(abs(end_at) - abs(start_at), 0) END AS entry_size,
        CASE WHEN closes THEN abs(start_at) ELSE greatest(abs(start_at) - abs(end_at), 0) END AS exit_size,
        px,
        closed_pnl,
        first_fee                                             AS fee,
        CASE WHEN found_open = 0 THEN abs(start_at) * (time - time_before) ELSE 0 END AS size_ms
    FROM numbered
    WHERE start_at <> 0
    UNION ALL
    SELECT
        user_address,
        coin,
        episode + 1,
        time,
        sign(end_at),
        time,
        false,
        false,
        abs(end_at),
        abs(end_at),
        0,
        px,
        CASE WHEN closes THEN 0 ELSE closed_pnl END,
        CASE WHEN closes THEN fee - first_fee ELSE fee END,
        0
    FROM numbered
    WHERE opens = 1
), gathered AS (
    SELECT
        user_address,
        coin,
        episode,
        max(direction)                            AS direction,
        max(opened_at)                            AS opened_at,
        max(time) FILTER (WHERE closes)           AS closed_at,
        bool_or(is_liquidated)                    AS is_liquidated,
        count(*)                                  AS fill_count,
        max(peak)                                 AS peak_size,
        sum(entry_size)                           AS entry_size,
        sum(px * entry_size)                      AS entry_notional,
        sum(exit_size)                            AS exit_size,
        sum(px * exit_size)                       AS exit_notional,
        CASE WHEN count(closed_pnl) = count(*) THEN sum(closed_pnl) END AS gross_pnl,
        CASE WHEN count(fee) = count(*) THEN sum(fee) END AS fees,
        count(*) - count(fee)                     AS unpriced_fills,
        sum(size_ms)                              AS size_ms
    FROM parts
    GROUP BY user_address, coin, episode
), episodes AS (
    SELECT
        g.user_address,
        g.coin,
        g.episode,
        g.direction,
        g.closed_at,
        g.is_liquidated,
        CASE WHEN g.episode = 0 THEN c.open_since ELSE g.opened_at END AS opened_at,
        g.fill_count + coalesce(c.open_fills, 0)                       AS fill_count,
        trim_scale(greatest(g.peak_size, c.open_peak_size))            AS peak_size,
        trim_scale(g.entry_size + coalesce(c.open_entry_size, 0))         AS entry_size,
        trim_scale(g.entry_notional + coalesce(c.open_entry_notional, 0)) AS entry_notional,
        trim_scale(g.exit_size + coalesce(c.open_exit_size, 0))           AS exit_size,
        trim_scale(g.exit_notional + coalesce(c.open_exit_notional, 0))   AS exit_notional,
        -- What was unknown before stays unknown.
        trim_scale(g.gross_pnl + CASE WHEN g.episode = 0 THEN c.open_gross_pnl ELSE 0 END) AS gross_pnl,
        trim_scale(g.fees + CASE WHEN g.episode = 0 THEN c.open_fees ELSE 0 END)           AS fees,
        g.unpriced_fills + coalesce(c.open_unpriced_fills, 0)          AS unpriced_fills,
        trim_scale(g.size_ms + coalesce(c.open_size_ms, 0))            AS size_ms
    FROM gathered AS g
    LEFT JOIN carried AS c
        ON g.episode = 0 AND c.user_address = g.user_address AND c.coin = g.coin
), closed AS (
    INSERT INTO round_trips (
        day, user_address, coin, seq, direction, opened_at, closed_at, hold_ms, fill_count,
        peak_size, entry_size, entry_notional, exit_size, exit_notional, gross_pnl, fees, net_pnl,
        unpriced_fills, size_ms, is_liquidated
    )
    SELECT
        {day},
        user_address,
        coin,
        row_number() OVER (PARTITION BY user_address, coin ORDER BY episode),
        CASE WHEN direction > 0 THEN 'long' ELSE 'short' END,
        opened_at,
        closed_at,
        closed_at - opened_at,
        fill_count,
        peak_size,
        entry_size,
        entry_notional,
        exit_size,
        exit_notional,
        gross_pnl,
        fees,
        trim_scale(gross_pnl - fees),
        unpriced_fills,
        size_ms,
        is_liquidated
    FROM episodes
    WHERE closed_at IS NOT NULL
    RETURNING user_address, coin, hold_ms
), counted AS (
    SELECT
        user_address,
        coin,
        count(hold_ms)                     AS closed_trades,
        coalesce(sum(hold_ms), 0)::bigint  AS hold_ms,
        count(*) - count(hold_ms)          AS left_censored_trades
    FROM closed
    GROUP BY user_address, coin
), followed AS (
    SELECT
        user_address,
        coin,
        count(*) FILTER (WHERE is_break)            AS continuity_breaks,
        trim_scale(max(end_at) FILTER (WHERE is_last))          AS position,
        max(time)                                   AS position_time,
        max(episode + opens) FILTER (WHERE is_last) AS last_episode
    FROM numbered
    GROUP BY user_address, coin
)
INSERT INTO trader_coin_daily (
    day, user_address, coin, fill_count, first_time, last_time, closed_trades, hold_ms,
    left_censored_trades, continuity_breaks, position, position_time, open_since, open_fills, open_peak_size,
    open_entry_size, open_entry_notional, open_exit_size, open_exit_notional, open_gross_pnl,
    open_fees, open_unpriced_fills, open_size_ms
)
SELECT
    {day},
    t.user_address,
    t.coin,
    t.fill_count,
    t.first_time,
    t.last_time,
    coalesce(n.closed_trades, 0),
    coalesce(n.hold_ms, 0),
    coalesce(n.left_censored_trades, 0),
    coalesce(p.continuity_breaks, 0),
    p.position,
    p.position_time,
    e.opened_at,
    e.fill_count,
    e.peak_size,
    e.entry_size,
    e.entry_notional,
    e.exit_size,
    e.exit_notional,
    e.gross_pnl,
    e.fees,
    e.unpriced_fills,
    e.size_ms
FROM traded AS t
LEFT JOIN followed AS p ON p.user_address = t.user_address AND p.coin = t.coin
LEFT JOIN counted AS n ON n.user_address = t.user_address AND n.coin = t.coin
LEFT JOIN episodes AS e
    ON p.position <> 0
    AND e.user_address = t.user_address AND e.coin = t.coin AND e.episode = p.last_episode
