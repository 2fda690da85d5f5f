-- A day's fills as positions are followed through them, in any order.
-- Literals: day. Identifiers: source, whose rows are fills (all of them, or of changed positions).
SELECT
    f.time,
    f.block_number,
    f.event_index,
    f.user_address,
    f.coin,
    f.px,
    f.sz,
    f.start_position,
    f.closed_pnl,
    fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px) AS fee_usd,
    -- Bits, as `walks.py` names them.
    CASE WHEN f.side = 'B' THEN 1 ELSE 0 END
    + CASE WHEN is_perp(f.coin) THEN 2 ELSE 0 END
    + CASE WHEN lower(f.liquidation ->> 'liquidatedUser') = f.user_address THEN 32 ELSE 0 END AS flags
FROM {source} AS f
WHERE f.time >= {day} AND f.time < {day} + 86400000
