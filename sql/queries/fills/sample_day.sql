-- Fills of some traders of a day, in the order of execution. A trader is in the sample by a digest
-- of the address: the same ones on every day and in every sample of the same `one_in`.
-- Parameters: start, end, one_in.
SELECT
    time, user_address, coin, px::text, sz::text, side, dir, start_position::text,
    closed_pnl::text, fee::text, fee_token, crossed, hash, oid, tid, cloid, twap_id, builder,
    builder_fee::text, deployer_fee::text, priority_gas::text, liquidation::text, extra::text,
    block_number, event_index, block_time
FROM fills
WHERE time >= %(start)s
  AND time < %(end)s
  AND ('x' || substr(md5(user_address), 1, 8))::bit(32)::bigint %% %(one_in)s = 0
ORDER BY time, block_number, event_index, user_address, oid
