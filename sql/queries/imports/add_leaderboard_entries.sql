-- Parameters: import_id; n, user_address, display_name, figures: arrays.
INSERT INTO leaderboard_entries (import_id, n, user_address, display_name, figures)
SELECT %(import_id)s, e.*
FROM unnest(%(n)s::integer[], %(user_address)s::text[], %(display_name)s::text[], %(figures)s::jsonb[]) AS e
