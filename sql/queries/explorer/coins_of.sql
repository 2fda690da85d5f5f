-- What one trader did in each perp.
SELECT * FROM trader_tokens(%(address)s, %(at)s, %(days)s) ORDER BY share DESC NULLS LAST, token
