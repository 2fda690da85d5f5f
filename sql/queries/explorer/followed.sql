-- Settings by which an address is followed, archived ones last.
SELECT trader_id, variant, name, state, active, followed_from, position_multiplier, base_size_usd, max_leverage, min_confidence
FROM traders
WHERE user_address = %(address)s
ORDER BY archived_at NULLS FIRST, variant
