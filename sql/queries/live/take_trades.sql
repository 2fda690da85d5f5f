-- The same for trades.
WITH came AS (
    SELECT DISTINCT ON (i.coin, i.time, i.tid) i.*
    FROM live_trades_in AS i
    WHERE NOT EXISTS (
        SELECT
        FROM live_confirmations AS c
        WHERE c.day = i.time - i.time % 86400000 AND c.pruned_at IS NOT NULL
    )
    ORDER BY i.coin, i.time, i.tid, i.place
),
added AS (
    INSERT INTO live_trades (time, received_at, tid, coin, side, px, sz, hash, buyer, seller)
    SELECT time, received_at, tid, coin, side, trim_scale(px), trim_scale(sz), hash, buyer, seller
    FROM came
    ON CONFLICT (coin, time, tid) DO NOTHING
    RETURNING coin AS subject, time - time % 86400000 AS day
),
counted AS (
    INSERT INTO live_days AS d (kind, subject, day, row_count)
    SELECT 'trades', subject, day, count(*)
    FROM added
    GROUP BY subject, day
    ORDER BY subject, day
    ON CONFLICT (kind, subject, day) DO UPDATE SET row_count = d.row_count + excluded.row_count
)
SELECT
    'trades',
    i.subject,
    i.came,
    coalesce(a.new, 0)
FROM (SELECT coin AS subject, count(*) AS came FROM live_trades_in GROUP BY coin) AS i
LEFT JOIN (SELECT subject, count(*) AS new FROM added GROUP BY subject) AS a USING (subject)
