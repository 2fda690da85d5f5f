-- The number of a further set of settings for an address.
SELECT coalesce(max(variant), 0) + 1 FROM traders WHERE user_address = %(user_address)s AND archived_at IS NULL
