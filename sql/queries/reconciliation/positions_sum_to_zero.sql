-- What the traders of a perp gained over the day in position sums to zero: from the start of each
-- one's first fill to the end of the last. Checked: perps. Measure: the largest sum, base units.
-- Where deleveraging, settlement and the like left a fill without its other side, a sum is
-- explained. Unlike sizes_balance it sees positions that moved without a fill. Parameters: examples.
WITH sums AS (
    SELECT
        coin,
        -- The jumps between fills telescope with their sizes: last end less first start.
        sum(round(change, 8)) + coalesce(sum(starts - ended), 0) AS gained,
        coalesce(sum(abs(starts - ended)), 0)                    AS jumped,
        min(time) FILTER (WHERE starts <> ended)                 AS first_jump
    FROM steps_of_day
    GROUP BY coin
), explained AS (
    SELECT DISTINCT coin FROM trades_of_day WHERE is_explained
), judged AS (
    SELECT s.*, e.coin IS NOT NULL AS is_explained
    FROM sums AS s
    LEFT JOIN explained AS e ON e.coin = s.coin
), shown AS (
    SELECT jsonb_build_object(
        'coin', coin,
        'sum', trim_scale(gained)::text,
        'jumped_between_fills', trim_scale(jumped)::text,
        'time', first_jump
    ) AS keys
    FROM judged
    WHERE gained <> 0 AND NOT is_explained
    ORDER BY abs(gained) DESC, coin
    LIMIT %(examples)s
)
SELECT
    count(*)                                                    AS checked,
    count(*) FILTER (WHERE gained <> 0 AND NOT is_explained)    AS failed,
    trim_scale(max(abs(gained)))                                AS measure,
    jsonb_build_object(
        'explained', count(*) FILTER (WHERE gained <> 0 AND is_explained)
    )                                                           AS counts,
    coalesce((SELECT jsonb_agg(keys) FROM shown), '[]')         AS examples,
    CASE WHEN count(*) = 0 THEN 'no_data' END                   AS reason
FROM judged
