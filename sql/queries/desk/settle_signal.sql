-- Parameters: trader_id, source, source_key, outcome, settings_version, size_usd.
UPDATE signals
SET outcome = %(outcome)s, settings_version = %(settings_version)s, size_usd = %(size_usd)s
WHERE trader_id = %(trader_id)s AND source = %(source)s AND source_key = %(source_key)s
