-- The day's trades, with what is asked of them. Literals: day.
-- A trade is whole where it has one buyer and one seller of one price and size. It is explained
-- where it is not, and its fills are no ordinary ones.
CREATE TEMPORARY TABLE trades_of_day ON COMMIT DROP AS
WITH trades AS (
    SELECT
        f.time,
        f.coin,
        f.tid,
        count(*) FILTER (WHERE f.side = 'B')                 AS buyers,
        count(*) FILTER (WHERE f.side = 'A')                 AS sellers,
        count(*) FILTER (WHERE f.crossed)                    AS takers,
        count(*) FILTER (WHERE NOT f.crossed)                AS makers,
        coalesce(sum(f.sz) FILTER (WHERE f.side = 'B'), 0)   AS bought,
        coalesce(sum(f.sz) FILTER (WHERE f.side = 'A'), 0)   AS sold,
        sum(f.px * f.sz)                                     AS two_sided_volume,
        min(f.px) = max(f.px) AND min(f.sz) = max(f.sz)      AS is_equal,
        max(one_sided_kind(f.coin, f.dir))                   AS kind
    FROM fills AS f
    WHERE f.time >= {day} AND f.time < {day} + 86400000
    GROUP BY f.time, f.coin, f.tid
), judged AS (
    SELECT *, tid IS NOT NULL AND buyers = 1 AND sellers = 1 AND is_equal AS is_whole
    FROM trades
)
SELECT
    *,
    NOT is_whole AND kind IS NOT NULL AS is_explained
FROM judged
