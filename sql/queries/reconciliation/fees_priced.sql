-- Fees whose token has a price in USD. Checked: fills with a fee, failed: those without a price,
-- by token in counts. Measure: failed as a share of checked. Parameters: day, examples.
WITH tokens AS (
    SELECT
        f.fee_token,
        count(*)                                                                        AS rows,
        count(f.fee)                                                                    AS with_fee,
        count(f.fee) - count(fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px))         AS unpriced
    FROM fills AS f
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
    GROUP BY f.fee_token
), shown AS (
    SELECT fill_keys(f) || jsonb_build_object('fee_token', f.fee_token, 'fee', f.fee::text) AS keys
    FROM fills AS f
    WHERE f.time >= %(day)s AND f.time < %(day)s::bigint + 86400000
      AND f.fee IS NOT NULL
      AND fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px) IS NULL
    ORDER BY f.time, f.coin, f.tid, f.user_address
    LIMIT %(examples)s
)
SELECT
    coalesce(sum(t.with_fee), 0)::bigint                            AS checked,
    coalesce(sum(t.unpriced), 0)::bigint                            AS failed,
    round(sum(t.unpriced) / nullif(sum(t.with_fee), 0), 12)         AS measure,
    coalesce(
        jsonb_object_agg(coalesce(t.fee_token, 'none'), t.unpriced) FILTER (WHERE t.unpriced > 0),
        '{}'
    )                                                               AS counts,
    coalesce((SELECT jsonb_agg(keys) FROM shown), '[]')             AS examples,
    CASE
        WHEN sum(t.with_fee) > 0 THEN NULL
        WHEN sum(t.rows) > 0 THEN 'not_available_from_fills'
        ELSE 'no_data'
    END                                                             AS reason
FROM tokens AS t
