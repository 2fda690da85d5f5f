-- Parameters: trader_id, sources, keys.
SELECT s.source, s.source_key, s.signal_id
FROM unnest(%(sources)s::text[], %(keys)s::text[]) AS k (source, source_key)
JOIN signals AS s ON s.trader_id = %(trader_id)s AND s.source = k.source AND s.source_key = k.source_key
