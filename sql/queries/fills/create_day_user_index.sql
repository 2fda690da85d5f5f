CREATE INDEX ON {new_day} (user_address, time)
