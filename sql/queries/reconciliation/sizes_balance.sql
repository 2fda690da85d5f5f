-- In every coin as much was bought as was sold, but for explained trades. Checked: coins.
-- Measure: the largest difference, base units. An example is a coin, with the keys of its first
-- trade that does not balance. Parameters: examples.
WITH coins AS (
    SELECT
        coin,
        sum(bought) AS bought,
        sum(sold)   AS sold
    FROM trades_of_day
    WHERE NOT is_explained
    GROUP BY coin
), broken AS (
    SELECT * FROM coins WHERE bought <> sold
), shown AS (
    SELECT jsonb_build_object(
        'coin', b.coin,
        'bought', trim_scale(b.bought)::text,
        'sold', trim_scale(b.sold)::text,
        'time', t.time,
        'tid', t.tid
    ) AS keys
    FROM broken AS b
    CROSS JOIN LATERAL (
        SELECT d.time, d.tid
        FROM trades_of_day AS d
        WHERE d.coin = b.coin AND d.bought <> d.sold AND NOT d.is_explained
        ORDER BY d.time, d.tid
        LIMIT 1
    ) AS t
    ORDER BY abs(b.bought - b.sold) DESC, b.coin
    LIMIT %(examples)s
)
SELECT
    (SELECT count(*) FROM coins)                                      AS checked,
    (SELECT count(*) FROM broken)                                     AS failed,
    (SELECT trim_scale(max(abs(bought - sold))) FROM coins)           AS measure,
    jsonb_build_object('explained_trades', (
        SELECT count(*) FROM trades_of_day WHERE is_explained
    ))                                                                AS counts,
    coalesce((SELECT jsonb_agg(keys) FROM shown), '[]')               AS examples,
    CASE WHEN NOT EXISTS (SELECT FROM coins) THEN 'no_data' END       AS reason
