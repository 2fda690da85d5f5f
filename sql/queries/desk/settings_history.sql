-- The versions of a trader's settings, newest first, from before one of them on.
SELECT version, effective_at, changed_at, changed_by, old_values, new_values
FROM trader_settings_history
WHERE trader_id = %(trader_id)s AND (%(before)s::integer IS NULL OR version < %(before)s)
ORDER BY version DESC
LIMIT %(limit)s
