-- What is built of the loaded days, a line per relation: how many days, until when, how many are stale.
WITH days AS (
    SELECT count(*) AS loaded, max(day) AS last_day FROM day_state
), built AS (
    SELECT a.relation, count(*) AS days, min(a.day) AS first_day, max(a.day) AS last_day, sum(a.row_count) AS row_count,
        count(*) FILTER (WHERE a.generation <> s.generation) AS stale
    FROM aggregate_state AS a
    LEFT JOIN day_state AS s ON s.day = a.day
    GROUP BY a.relation
    UNION ALL
    SELECT 'fills', count(*), min(day), max(day), sum(row_count), 0 FROM day_state
    UNION ALL
    SELECT relation, count(*), min(day), max(day), sum(row_count), NULL FROM artemis_state GROUP BY relation
    UNION ALL
    SELECT 'trader_metrics', count(*), min(day), max(day), sum(row_count), NULL FROM metric_state
    UNION ALL
    SELECT 'trader_labels', count(*), min(day), max(day), sum(row_count), NULL FROM label_state
    UNION ALL
    SELECT 'smart_money_positions', count(*), min(day), max(day), sum(row_count), NULL FROM position_state
    UNION ALL
    SELECT relation, count(*), min(day), max(day), sum(row_count), NULL FROM desk_state GROUP BY relation
)
SELECT b.relation, b.days, b.first_day, b.last_day, b.row_count::bigint AS row_count, b.stale,
    greatest((d.last_day - b.last_day) / 86400000, 0) AS days_behind,
    -- What follows somebody begins with him, and a test is of the days up to its own.
    CASE
        WHEN b.relation IN ('alerts', 'paper_trades', 'persistence_rolls', 'persistence_test') THEN 0
        ELSE greatest(d.loaded - b.days, 0)
    END AS days_missing
FROM built AS b
CROSS JOIN days AS d
WHERE b.days > 0
ORDER BY days_behind DESC, stale DESC NULLS LAST, b.relation
