-- Whose settings these are.
SELECT user_address FROM traders WHERE trader_id = %(trader_id)s
