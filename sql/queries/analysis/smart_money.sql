-- What smart money held at the last hour that is known.
SELECT
    coin,
    to_char(to_timestamp(hour / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') AS hour,
    traders,
    long_notional,
    short_notional,
    net_bias
FROM smart_money_positions
WHERE hour = (SELECT max(hour) FROM smart_money_positions)
ORDER BY long_notional + short_notional DESC, coin
LIMIT 15
