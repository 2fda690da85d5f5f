-- Parameters: delivery_id.
UPDATE deliveries
SET delivered_at = floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    attempts = attempts + 1, last_error = NULL
WHERE delivery_id = %(delivery_id)s
