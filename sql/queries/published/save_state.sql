INSERT INTO published_state (
    only_row, as_of, built_from, row_count, universe, universe_count, types, figures, class_changes
)
SELECT
    true,
    %(at)s,
    %(built_from)s,
    count(*),
    CASE WHEN bool_or(p.publishable) THEN 'publishable' ELSE 'all' END,
    CASE WHEN bool_or(p.publishable) THEN count(*) FILTER (WHERE p.publishable) ELSE count(*) END,
    coalesce(
        (
            SELECT jsonb_object_agg(t.trader_type, t.traders)
            FROM (SELECT trader_type, count(*) AS traders FROM published_traders GROUP BY trader_type) AS t
        ),
        '{}'
    ),
    %(figures)s,
    %(class_changes)s
FROM published_traders AS p
ON CONFLICT (only_row) DO UPDATE SET
    as_of = excluded.as_of,
    built_from = excluded.built_from,
    row_count = excluded.row_count,
    universe = excluded.universe,
    universe_count = excluded.universe_count,
    types = excluded.types,
    figures = excluded.figures,
    class_changes = excluded.class_changes,
    built_at = now()
