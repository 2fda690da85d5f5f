-- Known addresses keep their tier, counts and totals. Parameters: day, addresses.
INSERT INTO addresses AS a (address, tier, first_seen, last_seen, trade_count, total_size_usd)
SELECT address, 3, %(day)s, %(day)s, 0, 0
FROM unnest(%(addresses)s::text[]) AS given (address)
ON CONFLICT (address) DO UPDATE
SET first_seen = least(a.first_seen, excluded.first_seen),
    last_seen = greatest(a.last_seen, excluded.last_seen)
