SELECT * FROM trader_profiles ORDER BY user_address
