-- Which of these keys are not stored: their places in the lists, from 1. What is pruned counts as
-- stored. Parameters: times, addresses, coins, oids, tids.
SELECT k.place
FROM unnest(
    %(times)s::bigint[], %(addresses)s::text[], %(coins)s::text[], %(oids)s::bigint[],
    %(tids)s::bigint[]
) WITH ORDINALITY AS k (time, user_address, coin, oid, tid, place)
WHERE NOT EXISTS (
    SELECT
    FROM live_fills AS l
    WHERE l.time = k.time
      AND l.user_address = k.user_address
      AND l.coin = k.coin
      AND l.oid = k.oid
      AND l.tid = k.tid
)
AND NOT EXISTS (
    SELECT
    FROM live_confirmations AS c
    WHERE c.day = k.time - k.time %% 86400000 AND c.pruned_at IS NOT NULL
)
