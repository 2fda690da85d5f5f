-- Fills of the batch that are not there yet, each once; what is pruned stays so. Gives how many
-- came and how many were new, by stream.
WITH came AS (
    SELECT DISTINCT ON (i.time, i.user_address, i.coin, i.oid, i.tid) i.*
    FROM live_fills_in AS i
    WHERE NOT EXISTS (
        SELECT
        FROM live_confirmations AS c
        WHERE c.day = i.time - i.time % 86400000 AND c.pruned_at IS NOT NULL
    )
    ORDER BY i.time, i.user_address, i.coin, i.oid, i.tid, i.place
),
added AS (
    INSERT INTO live_fills (
        time, received_at, oid, tid, twap_id, crossed, user_address, coin, side, dir, px, sz,
        start_position, closed_pnl, fee, fee_token, hash, cloid, builder, builder_fee,
        deployer_fee, priority_gas, liquidation, extra
    )
    SELECT
        time, received_at, oid, tid, twap_id, crossed, user_address, coin, side, dir,
        trim_scale(px), trim_scale(sz), trim_scale(start_position), trim_scale(closed_pnl),
        trim_scale(fee), fee_token, hash, cloid, builder, trim_scale(builder_fee),
        trim_scale(deployer_fee), trim_scale(priority_gas), liquidation, extra
    FROM came
    ON CONFLICT (time, user_address, coin, oid, tid) DO NOTHING
    RETURNING stream_of_fill(twap_id) AS kind, user_address AS subject, time - time % 86400000 AS day
),
counted AS (
    INSERT INTO live_days AS d (kind, subject, day, row_count)
    SELECT kind, subject, day, count(*)
    FROM added
    GROUP BY kind, subject, day
    ORDER BY kind, subject, day
    ON CONFLICT (kind, subject, day) DO UPDATE SET row_count = d.row_count + excluded.row_count
)
SELECT
    i.kind,
    i.subject,
    i.came,
    coalesce(a.new, 0)
FROM (
    SELECT stream_of_fill(twap_id) AS kind, user_address AS subject, count(*) AS came
    FROM live_fills_in
    GROUP BY 1, 2
) AS i
LEFT JOIN (SELECT kind, subject, count(*) AS new FROM added GROUP BY kind, subject) AS a
    USING (kind, subject)
