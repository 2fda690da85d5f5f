-- The delivery that waits longest, locked until the transaction ends; what others hold is passed by.
SELECT delivery_id, kind, subject_id, channel, payload, created_at, attempts
FROM deliveries
WHERE delivered_at IS NULL AND next_attempt <= clock_ms()
ORDER BY next_attempt, delivery_id
LIMIT 1
FOR UPDATE SKIP LOCKED
