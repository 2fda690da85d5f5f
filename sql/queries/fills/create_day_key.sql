CREATE UNIQUE INDEX ON {new_day} (time, user_address, coin, oid, tid)
