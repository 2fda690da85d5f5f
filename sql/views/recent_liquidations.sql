-- recent_liquidations: one row per liquidation trade and victim, newest first.
-- Both sides of the trade carry the liquidation object: the victim is whom it names, the
-- liquidator is the other side, NULL where the data hold the victim's side only.
CREATE VIEW recent_liquidations AS
SELECT DISTINCT ON (f.time, f.coin, f.tid, victim.address)
    f.time,
    f.coin,
    victim.address                           AS liquidated_user,
    nullif(f.user_address, victim.address)   AS liquidator,
    f.px,
    f.sz,
    trim_scale(f.px * f.sz)                  AS notional,
    (f.liquidation ->> 'markPx')::numeric    AS mark_px,
    f.liquidation ->> 'method'               AS method,
    f.tid
FROM fills AS f
CROSS JOIN LATERAL (SELECT lower(f.liquidation ->> 'liquidatedUser') AS address) AS victim
WHERE f.liquidation IS NOT NULL
ORDER BY
    f.time DESC,
    f.coin,
    f.tid,
    victim.address,
    -- The side that is not the victim's first: it names the liquidator.
    (f.user_address = victim.address),
    f.crossed,
    f.user_address;
