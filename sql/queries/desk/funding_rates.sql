-- Settled rates of some coins, by the hour they were settled at. Parameters: coins, starts_at, ends_at.
SELECT coin, time / 3600000 * 3600000, rate
FROM funding_history
WHERE coin = ANY(%(coins)s::text[]) AND time >= %(starts_at)s AND time < %(ends_at)s
