-- Every trader's class.
SELECT user_address, trader_type FROM trader_profiles
