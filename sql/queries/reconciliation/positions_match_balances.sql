-- A trader's position when balances were recorded is what the day's fills say: the end of the
-- last fill before, else the start of the first one after. Checked: positions in perps of the
-- main dex, of accounts in the snapshot, traded on the day. Measure: the largest difference, base
-- units. Parameters: day, examples.
WITH around AS (
    SELECT
        s.user_address,
        s.coin,
        s.time,
        s.tid,
        s.block_number,
        a.recorded_at,
        CASE WHEN s.time < a.recorded_at THEN s.ends ELSE s.starts END AS position,
        row_number() OVER (
            PARTITION BY s.user_address, s.coin
            ORDER BY
                s.time >= a.recorded_at,
                CASE WHEN s.time < a.recorded_at THEN -s.time ELSE s.time END,
                CASE WHEN s.time < a.recorded_at THEN -s.block_number ELSE s.block_number END,
                CASE WHEN s.time < a.recorded_at THEN -s.event_index ELSE s.event_index END
        ) AS nearest
    FROM steps_of_day AS s
    JOIN balance_accounts AS a ON a.address = s.user_address
    WHERE a.recorded_at >= %(day)s AND a.recorded_at < %(day)s::bigint + 86400000
      AND strpos(s.coin, ':') = 0
), compared AS (
    SELECT
        f.*,
        coalesce(round(p.szi, 8), 0) AS recorded
    FROM around AS f
    LEFT JOIN balance_positions AS p ON p.address = f.user_address
        AND p.coin = f.coin
        AND p.recorded_at = f.recorded_at
    WHERE f.nearest = 1
), shown AS (
    SELECT jsonb_build_object(
        'time', time,
        'coin', coin,
        'tid', tid,
        'user_address', user_address,
        'block_number', block_number,
        'recorded_at', recorded_at,
        'from_fills', trim_scale(position)::text,
        'recorded', trim_scale(recorded)::text
    ) AS keys
    FROM compared
    WHERE position <> recorded
    ORDER BY abs(position - recorded) DESC, user_address, coin
    LIMIT %(examples)s
)
SELECT
    count(*)                                                AS checked,
    count(*) FILTER (WHERE position <> recorded)            AS failed,
    trim_scale(max(abs(position - recorded)))               AS measure,
    jsonb_build_object(
        'accounts_in_snapshot', (
            SELECT count(*)
            FROM balance_accounts
            WHERE recorded_at >= %(day)s AND recorded_at < %(day)s::bigint + 86400000
        )
    )                                                       AS counts,
    coalesce((SELECT jsonb_agg(keys) FROM shown), '[]')     AS examples,
    CASE WHEN count(*) = 0 THEN 'insufficient_coverage' END AS reason
FROM compared
