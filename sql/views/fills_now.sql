-- fills_now: fills, and behind them what was streamed and is in no file yet; every fill once.
-- A streamed fill gives way to the file's of the same key, whatever that one says, and a final
-- day's file is all there is of its day.
CREATE VIEW fills_now AS
SELECT
    f.time,
    f.block_number,
    f.block_time,
    f.oid,
    f.tid,
    f.twap_id,
    f.event_index,
    f.crossed,
    f.user_address,
    f.coin,
    f.side,
    f.dir,
    f.px,
    f.sz,
    f.start_position,
    f.closed_pnl,
    f.fee,
    f.fee_token,
    f.hash,
    f.cloid,
    f.builder,
    f.builder_fee,
    f.deployer_fee,
    f.priority_gas,
    f.liquidation,
    f.extra,
    false AS is_live
FROM fills AS f
UNION ALL
SELECT
    l.time,
    NULL,
    NULL,
    l.oid,
    l.tid,
    l.twap_id,
    NULL,
    l.crossed,
    l.user_address,
    l.coin,
    l.side,
    l.dir,
    l.px,
    l.sz,
    l.start_position,
    l.closed_pnl,
    l.fee,
    l.fee_token,
    l.hash,
    l.cloid,
    l.builder,
    l.builder_fee,
    l.deployer_fee,
    l.priority_gas,
    l.liquidation,
    l.extra,
    true
FROM live_fills AS l
WHERE NOT EXISTS (
    SELECT
    FROM fills AS f
    WHERE f.time = l.time
      AND f.user_address = l.user_address
      AND f.coin = l.coin
      AND f.oid = l.oid
      AND f.tid = l.tid
)
AND NOT EXISTS (
    SELECT
    FROM day_state AS s
    WHERE s.day = l.time - l.time % 86400000 AND s.is_final
);
COMMENT ON COLUMN fills_now.is_live IS 'true: streamed, not yet confirmed by a file; block and place in it are not known';
