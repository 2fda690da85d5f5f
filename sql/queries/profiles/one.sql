SELECT * FROM trader_profiles WHERE user_address = %(address)s
