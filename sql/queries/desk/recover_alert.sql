-- Parameters: trader_id, rule, as_of.
UPDATE alerts SET recovered_at = %(as_of)s
WHERE trader_id = %(trader_id)s AND rule = %(rule)s AND recovered_at IS NULL
