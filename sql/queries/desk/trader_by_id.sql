SELECT * FROM traders WHERE trader_id = %(trader_id)s
