-- The first variant of an address that is still followed.
SELECT * FROM traders
WHERE user_address = %(user_address)s AND archived_at IS NULL
ORDER BY variant
LIMIT 1
