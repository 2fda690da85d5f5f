-- Every perp fill of the day beside the end of the trader's fill before it in the same coin,
-- NULL of the first. Literals: day.
-- Rounded to what lies above the exchange's float noise. The order of execution is that of
-- blocks and of their events; of formats without blocks, that of their lines.
CREATE TEMPORARY TABLE steps_of_day ON COMMIT DROP AS
WITH ends AS (
    SELECT
        f.user_address,
        f.coin,
        f.time,
        f.block_number,
        f.event_index,
        f.tid,
        CASE f.side WHEN 'B' THEN f.sz ELSE -f.sz END                                AS change,
        round(f.start_position, 8)                                                   AS starts,
        round(f.start_position + CASE f.side WHEN 'B' THEN f.sz ELSE -f.sz END, 8)   AS ends
    FROM fills AS f
    WHERE f.time >= {day} AND f.time < {day} + 86400000
      AND is_perp(f.coin)
      AND f.start_position IS NOT NULL
)
SELECT
    *,
    lag(ends) OVER in_order AS ended
FROM ends
WINDOW in_order AS (PARTITION BY user_address, coin ORDER BY time, block_number, event_index)
