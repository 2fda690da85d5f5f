-- A perp fill starts where the trader's one before in the same coin ended: within the day, and
-- after midnight where the last was of the day before. Checked: pairs of such fills. Measure: the
-- largest jump, base units. A break is a fill that is missing, a settlement or a transfer between
-- accounts: counts say how many began flat, as the latter two leave it. Parameters: day, examples.
WITH firsts AS (
    SELECT * FROM steps_of_day WHERE ended IS NULL
), before_midnight AS MATERIALIZED (
    -- Of all traders: looked up one by one, the busiest would be read once for each of their coins.
    SELECT DISTINCT ON (f.user_address, f.coin)
        f.user_address,
        f.coin,
        round(f.start_position + CASE f.side WHEN 'B' THEN f.sz ELSE -f.sz END, 8) AS ended
    FROM fills AS f
    WHERE f.time >= %(day)s::bigint - 86400000 AND f.time < %(day)s
      AND is_perp(f.coin)
      AND f.start_position IS NOT NULL
    ORDER BY f.user_address, f.coin, f.time DESC, f.block_number DESC, f.event_index DESC
), pairs AS (
    SELECT time, coin, tid, user_address, block_number, event_index, starts, ended, false AS at_midnight
    FROM steps_of_day
    WHERE ended IS NOT NULL
    UNION ALL
    SELECT n.time, n.coin, n.tid, n.user_address, n.block_number, n.event_index, n.starts, b.ended, true
    FROM firsts AS n
    JOIN before_midnight AS b ON b.user_address = n.user_address AND b.coin = n.coin
), shown AS (
    SELECT fill_keys(f) || jsonb_build_object(
        'ended', trim_scale(p.ended)::text, 'starts', trim_scale(p.starts)::text
    ) AS keys
    FROM (
        SELECT * FROM pairs WHERE starts <> ended ORDER BY time, coin, user_address, event_index
        LIMIT %(examples)s
    ) AS p
    JOIN fills AS f ON f.time = p.time
        AND f.user_address = p.user_address
        AND f.coin = p.coin
        AND f.block_number IS NOT DISTINCT FROM p.block_number
        AND f.event_index = p.event_index
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
    ORDER BY f.time, f.coin, f.user_address, f.event_index
    LIMIT %(examples)s
)
SELECT
    count(*)                                                        AS checked,
    count(*) FILTER (WHERE starts <> ended)                         AS failed,
    trim_scale(max(abs(starts - ended)))                            AS measure,
    jsonb_build_object(
        'over_midnight', count(*) FILTER (WHERE at_midnight),
        'broken_over_midnight', count(*) FILTER (WHERE at_midnight AND starts <> ended),
        'broken_began_flat', count(*) FILTER (WHERE starts = 0 AND ended <> 0)
    )                                                               AS counts,
    coalesce((SELECT jsonb_agg(keys) FROM shown), '[]')             AS examples,
    CASE WHEN count(*) = 0 THEN 'no_data' END                       AS reason
FROM pairs
