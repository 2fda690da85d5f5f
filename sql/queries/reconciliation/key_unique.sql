-- No fill stands twice, neither by its key nor by its place in its block. Checked: rows. Measure:
-- fills that were delivered again in other objects and kept once. Parameters: day, examples, prove.
-- Unless it is to be proved, a unique index on the day's rows answers for them.
-- The oldest format has no tid, and no key to ask about. Whoever shares a key shares its numbers:
-- these are grouped first, and the texts of those few rows alone are compared.
WITH asked AS MATERIALIZED (
    SELECT %(prove)s OR NOT EXISTS (
        SELECT
        FROM pg_index AS i
        WHERE i.indisunique
          AND i.indisvalid
          AND i.indrelid = (
            SELECT f.tableoid
            FROM fills AS f
            WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
            LIMIT 1
          )
    ) AS is_asked
), same_numbers AS MATERIALIZED (
    SELECT f.time, f.oid, f.tid
    FROM fills AS f
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
      AND f.tid IS NOT NULL
      AND (SELECT is_asked FROM asked)
    GROUP BY f.time, f.oid, f.tid
    HAVING count(*) > 1
), same_place AS MATERIALIZED (
    SELECT f.block_number, f.event_index, count(*) - 1 AS again
    FROM fills AS f
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
      AND f.block_number IS NOT NULL
      AND (SELECT is_asked FROM asked)
    GROUP BY f.block_number, f.event_index
    HAVING count(*) > 1
), same_key AS MATERIALIZED (
    SELECT f.time, f.user_address, f.coin, f.oid, f.tid, count(*) - 1 AS again
    FROM fills AS f
    JOIN same_numbers AS s ON s.time = f.time
        AND s.oid IS NOT DISTINCT FROM f.oid
        AND s.tid = f.tid
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
    GROUP BY f.time, f.user_address, f.coin, f.oid, f.tid
    HAVING count(*) > 1
), repeated AS (
    SELECT f AS fill
    FROM fills AS f
    JOIN same_key AS k ON k.time = f.time
        AND k.user_address = f.user_address
        AND k.coin = f.coin
        AND k.oid IS NOT DISTINCT FROM f.oid
        AND k.tid = f.tid
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
    UNION
    SELECT f AS fill
    FROM fills AS f
    JOIN same_place AS p ON p.block_number = f.block_number AND p.event_index = f.event_index
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
), shown AS (
    SELECT fill_keys(fill) AS keys
    FROM repeated
    ORDER BY (fill).time, (fill).coin, (fill).tid, (fill).user_address
    LIMIT %(examples)s
)
SELECT
    (
        SELECT count(*)
        FROM fills AS f
        WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
    )                                                               AS checked,
    greatest(
        (SELECT coalesce(sum(again), 0) FROM same_key),
        (SELECT coalesce(sum(again), 0) FROM same_place)
    )::bigint                                                       AS failed,
    s.repeated_count::numeric                                       AS measure,
    jsonb_build_object('repeated_deliveries', s.repeated_count)     AS counts,
    coalesce((SELECT jsonb_agg(keys) FROM shown), '[]')             AS examples,
    CASE WHEN s.row_count = 0 THEN 'no_data' END                    AS reason
FROM day_state AS s
WHERE s.day = %(day)s
