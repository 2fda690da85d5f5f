-- Parameters: delivery_id, wait_ms, error.
UPDATE deliveries
SET attempts = attempts + 1, last_error = %(error)s,
    next_attempt = floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + %(wait_ms)s
WHERE delivery_id = %(delivery_id)s
