-- Final days that were confirmed a while ago and have not changed since. Parameters: before.
SELECT c.day
FROM live_confirmations AS c
WHERE c.pruned_at IS NULL
GROUP BY c.day
HAVING bool_and(c.is_final AND c.confirmed_at < %(before)s AND c.inputs = live_inputs(c.day))
ORDER BY c.day
