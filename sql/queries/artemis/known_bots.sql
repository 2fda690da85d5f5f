-- Wallets called bots as of the start of a day. Literals: start.
SELECT DISTINCT address FROM wallet_profiles WHERE as_of = {start} AND is_bot ORDER BY 1
