-- Every trade has one buyer's and one seller's row of equal price and size. Checked: trades, but
-- for those explained: dust, deleveraging and the like, by kind in counts. Measure: one-sided
-- volume of the paired trades, in their quote tokens; paired have one taker, too.
-- Parameters: day, examples.
WITH broken AS (
    SELECT *
    FROM trades_of_day
    WHERE tid IS NOT NULL AND NOT is_whole AND NOT is_explained
), shown AS (
    SELECT fill_keys(f) AS keys
    FROM (SELECT * FROM broken ORDER BY time, coin, tid LIMIT %(examples)s) AS t
    JOIN fills AS f ON f.time = t.time AND f.coin = t.coin AND f.tid = t.tid
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
    ORDER BY f.time, f.coin, f.tid, f.event_index
    LIMIT %(examples)s
), explained AS (
    SELECT jsonb_object_agg(kind, trades ORDER BY kind) AS by_kind
    FROM (SELECT kind, count(*) AS trades FROM trades_of_day WHERE is_explained GROUP BY kind) AS k
), counted AS (
    SELECT
        count(*) FILTER (WHERE tid IS NOT NULL AND NOT is_explained)          AS checked,
        count(*) FILTER (WHERE is_whole AND takers = 1)                       AS paired,
        count(*) FILTER (
            WHERE tid IS NOT NULL AND NOT is_explained AND least(buyers, sellers) = 0
        )                                                                     AS missing,
        count(*) FILTER (WHERE tid IS NULL)                                   AS without_tid,
        coalesce(sum(two_sided_volume), 0)                                    AS two_sided,
        coalesce(sum(two_sided_volume) FILTER (WHERE is_whole AND takers = 1), 0) / 2 AS one_sided
    FROM trades_of_day
)
SELECT
    c.checked,
    (SELECT count(*) FROM broken)                           AS failed,
    trim_scale(c.one_sided)                                 AS measure,
    jsonb_build_object(
        'paired', c.paired,
        'missing_counterparty', c.missing,
        'inconsistent', c.checked - c.paired - c.missing,
        'two_sided_volume', trim_scale(c.two_sided)::text,
        'groups_without_tid', c.without_tid,
        'explained', coalesce(e.by_kind, '{}')
    )                                                       AS counts,
    coalesce((SELECT jsonb_agg(keys) FROM shown), '[]')     AS examples,
    CASE
        WHEN c.checked > 0 THEN NULL
        WHEN c.without_tid > 0 THEN 'not_available_from_fills'
        ELSE 'no_data'
    END                                                     AS reason
FROM counted AS c
CROSS JOIN explained AS e
