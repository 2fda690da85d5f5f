-- What was published last.
SELECT as_of, built_from, row_count, universe, universe_count, types, figures, class_changes, built_at
FROM published_state
