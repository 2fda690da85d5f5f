-- A day's fills as the walk over them reads them, in any order. Literals: day.
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
    f.fee,
    f.builder_fee,
    fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px)                         AS fee_usd,
    -- Bits, as `walks.py` names them: one number is sent in a third of the time of eight flags.
    CASE WHEN f.side = 'B' THEN 1 ELSE 0 END
    + CASE WHEN is_perp(f.coin) THEN 2 ELSE 0 END
    + CASE WHEN f.liquidation IS NULL AND is_ordinary(f.dir) AND NOT f.crossed THEN 4 ELSE 0 END
    + CASE WHEN f.liquidation IS NULL AND is_ordinary(f.dir) AND f.crossed THEN 8 ELSE 0 END
    + CASE WHEN f.liquidation IS NOT NULL THEN 16 ELSE 0 END
    + CASE WHEN lower(f.liquidation ->> 'liquidatedUser') = f.user_address THEN 32 ELSE 0 END
    + CASE WHEN f.twap_id IS NOT NULL THEN 64 ELSE 0 END
    + CASE WHEN is_ordinary(f.dir) OR is_on_book(f.dir) THEN 128 ELSE 0 END   AS flags
FROM fills AS f
WHERE f.time >= {day} AND f.time < {day} + 86400000
