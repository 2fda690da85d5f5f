-- Where a trader's figures of one UTC day (ms) come from: each with its formula, what went into it,
-- and the raw objects whose lines hold his fills. A line of an object is a block: `lines` says which,
-- counted from 1, where no block is missing in the object before them.
CREATE OR REPLACE FUNCTION explain_trader_day(of_address text, of_day bigint)
RETURNS TABLE (figure text, value numeric, reason text, formula text, inputs jsonb, objects jsonb)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH legs AS (
        SELECT
            f.*,
            is_perp(f.coin)                                            AS is_perp,
            fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px)          AS fee_in_usd
        FROM fills AS f
        WHERE f.user_address = of_address AND f.time >= of_day AND f.time < of_day + 86400000
    ), sources AS (
        SELECT jsonb_agg(to_jsonb(o) ORDER BY o.file_id, o.source) AS objects
        FROM (
            SELECT
                p.file_id,
                p.source,
                p.etag,
                count(*)                                                   AS fills,
                min(l.block_number)                                        AS first_block,
                max(l.block_number)                                        AS last_block,
                CASE WHEN NOT EXISTS (
                    SELECT FROM block_breaks AS b
                    WHERE b.file_id = p.file_id AND b.source = p.source
                ) THEN int8range(
                    min(l.block_number) - p.first_block + 1, max(l.block_number) - p.first_block + 1, '[]'
                )::text END                                                AS lines
            FROM legs AS l
            JOIN load_progress AS p ON l.block_number BETWEEN p.first_block AND p.last_block
            GROUP BY p.file_id, p.source, p.etag, p.first_block
        ) AS o
    ), sums AS (
        SELECT
            count(*) FILTER (WHERE is_perp)                            AS fills,
            sum(px * sz) FILTER (WHERE is_perp)                        AS volume,
            sum(closed_pnl) FILTER (WHERE is_perp)                     AS gross_pnl,
            sum(fee_in_usd) FILTER (WHERE is_perp)                     AS fees,
            count(*) FILTER (WHERE is_perp AND fee IS NOT NULL AND fee_in_usd IS NULL) AS unpriced_fills,
            sum(CASE side WHEN 'B' THEN -px * sz ELSE px * sz END) FILTER (WHERE is_perp) AS cash
        FROM legs
    ), held AS (
        SELECT
            jsonb_agg(jsonb_build_object('coin', coin, 'position', position, 'mark', mark) ORDER BY coin)
                FILTER (WHERE day = of_day - 86400000) AS at_start,
            jsonb_agg(jsonb_build_object('coin', coin, 'position', position, 'mark', mark) ORDER BY coin)
                FILTER (WHERE day = of_day)            AS at_end
        FROM held_positions
        WHERE user_address = of_address AND day IN (of_day - 86400000, of_day)
    )
    SELECT f.figure, f.value, f.reason, f.formula, f.inputs, s.objects
    FROM trader_totals AS t
    CROSS JOIN sums AS x
    CROSS JOIN held AS h
    CROSS JOIN sources AS s
    CROSS JOIN LATERAL (VALUES
        (
            'volume_usd', coalesce(x.volume, 0), NULL, 'sum of px * sz over perp fills',
            jsonb_build_object('fills', x.fills)
        ),
        (
            'net_pnl', t.net_pnl,
            CASE WHEN t.net_pnl IS NULL THEN 'unpriced_component' END,
            'sum of closed_pnl - sum of fees in USD, over perp fills',
            jsonb_build_object('closed_pnl', x.gross_pnl, 'fees', x.fees, 'unpriced_fills', x.unpriced_fills)
        ),
        (
            'mark_to_market_pnl', t.mark_to_market_pnl,
            CASE WHEN t.mark_to_market_pnl IS NULL THEN 'insufficient_coverage' END,
            'cash of perp fills + positions at the end x marks - positions at the start x marks - fees',
            jsonb_build_object('cash', x.cash, 'fees', x.fees, 'at_start', h.at_start, 'at_end', h.at_end)
        ),
        (
            'exposure_usd', t.exposure_usd,
            CASE WHEN t.exposure_usd IS NULL THEN 'insufficient_coverage' END,
            'sum of |position x mark| at the day''s end', jsonb_build_object('at_end', h.at_end)
        )
    ) AS f (figure, value, reason, formula, inputs)
    WHERE t.user_address = of_address AND t.day = of_day
$$;
