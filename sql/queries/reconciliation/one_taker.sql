-- Of the two rows of a trade exactly one crossed the spread. Checked: trades with two sides whose
-- rows both say it. Measure: takers less makers, as a share of all rows. Parameters: day, examples.
WITH sided AS (
    SELECT *
    FROM trades_of_day
    WHERE tid IS NOT NULL AND NOT is_explained AND buyers = 1 AND sellers = 1
), broken AS (
    SELECT * FROM sided WHERE takers + makers = 2 AND takers <> 1
), shown AS (
    SELECT fill_keys(f) AS keys
    FROM (SELECT * FROM broken ORDER BY time, coin, tid LIMIT %(examples)s) AS t
    JOIN fills AS f ON f.time = t.time AND f.coin = t.coin AND f.tid = t.tid
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
    ORDER BY f.time, f.coin, f.tid, f.event_index
    LIMIT %(examples)s
), counted AS (
    SELECT
        count(*)                                         AS trades,
        coalesce(sum(t.takers), 0)                       AS takers,
        coalesce(sum(t.makers), 0)                       AS makers,
        coalesce(sum(t.buyers + t.sellers), 0)           AS rows
    FROM trades_of_day AS t
), asked AS (
    SELECT count(*) AS trades FROM sided WHERE takers + makers = 2
)
SELECT
    a.trades                                                AS checked,
    (SELECT count(*) FROM broken)                           AS failed,
    round((c.takers - c.makers) / nullif(c.rows, 0), 12)    AS measure,
    jsonb_build_object(
        'taker_rows', c.takers,
        'maker_rows', c.makers,
        'unknown_rows', c.rows - c.takers - c.makers
    )                                                       AS counts,
    coalesce((SELECT jsonb_agg(keys) FROM shown), '[]')     AS examples,
    CASE
        WHEN a.trades > 0 THEN NULL
        WHEN c.rows = 0 THEN 'no_data'
        ELSE 'not_available_from_fills'
    END                                                     AS reason
FROM counted AS c
CROSS JOIN asked AS a
