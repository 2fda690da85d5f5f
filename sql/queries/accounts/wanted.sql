-- Accounts whose history is asked for: those of the watchlist as it is now, and those given.
-- Parameters: addresses.
SELECT user_address FROM smart_money_watchlist
UNION
SELECT a.address FROM unnest(%(addresses)s::text[]) AS a (address)
ORDER BY 1
