-- Kept where it differs from the last one known. Parameters: address, observed_at, mode.
INSERT INTO account_modes (user_address, observed_at, mode)
SELECT %(address)s, %(observed_at)s, %(mode)s
WHERE %(mode)s IS DISTINCT FROM (
    SELECT m.mode
    FROM account_modes AS m
    WHERE m.user_address = %(address)s
    ORDER BY m.observed_at DESC
    LIMIT 1
)
