-- Messages that have not arrived, by channel.
SELECT
    channel,
    count(*)                             AS waiting,
    count(*) FILTER (WHERE attempts > 0) AS failing,
    min(created_at) / 1000.0             AS since
FROM deliveries
WHERE delivered_at IS NULL
GROUP BY channel
