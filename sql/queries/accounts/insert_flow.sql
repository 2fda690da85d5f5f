-- Parameters: address, time, hash, seq, kind, usd, delta.
INSERT INTO account_flows (user_address, time, hash, seq, kind, usd, delta)
VALUES (%(address)s, %(time)s, %(hash)s, %(seq)s, %(kind)s, %(usd)s, %(delta)s)
