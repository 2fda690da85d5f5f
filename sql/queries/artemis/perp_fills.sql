-- A day's fills of perps, with their fee in USD. Literals: start.
SELECT
    time,
    user_address,
    coin,
    px,
    sz,
    side,
    start_position,
    fee_usd(fee, fee_token, coin, side, px) AS fee,
    block_number,
    event_index
FROM fills
WHERE time >= {start} AND time < {start} + 86400000
  AND is_perp(coin)
ORDER BY time, block_number, event_index
