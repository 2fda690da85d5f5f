-- Of which number the signal is that was stated under a key.
SELECT signal_id FROM signals
WHERE trader_id = %(trader_id)s AND source = 'api' AND source_key = %(source_key)s
