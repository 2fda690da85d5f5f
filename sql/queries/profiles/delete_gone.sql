DELETE FROM trader_profiles AS p
WHERE NOT EXISTS (SELECT FROM computed_profiles AS c WHERE c.user_address = p.user_address)
