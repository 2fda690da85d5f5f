-- From `as_of` on, or from the last change on, where somebody decided later. Parameters: trader_id,
-- as_of.
UPDATE traders
SET active = false, version = version + 1, effective_at = greatest(effective_at, %(as_of)s),
    updated_at = clock_ms(), updated_by = 'alert'
WHERE trader_id = %(trader_id)s AND active
