-- What each opening signal of one trader would have made at the leader's own prices, on its size, or
-- on 1 USD where nothing was copied: entered at his price, left as he reduced and closed, with fees
-- on both sides, without lag, slippage and funding. One row per signal whose position he closed
-- before `until_ms`.
CREATE OR REPLACE FUNCTION simulated_outcomes(
    of_trader bigint, from_ms bigint, until_ms bigint, fee_rate double precision
)
RETURNS TABLE (signal_id bigint, closed_at bigint, return_at_leader double precision, net_return double precision)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH events AS (
        SELECT
            s.signal_id, s.coin, s.action, s.side, s.leader_px, s.leader_time AS time, 0 AS step,
            0::double precision AS share, NULL::double precision AS price
        FROM signals AS s
        WHERE s.trader_id = of_trader AND s.action = 'open' AND s.leader_time >= from_ms AND s.leader_time < until_ms
        UNION ALL
        SELECT
            s.signal_id, s.coin, s.action, s.side, s.leader_px,
            coalesce((e.step ->> 'time')::bigint, s.leader_time),
            coalesce(e.n, 1)::integer,
            coalesce((e.step ->> 'share')::double precision, s.reduced_share),
            coalesce((e.step ->> 'px')::double precision, s.leader_px::double precision)
        FROM signals AS s
        LEFT JOIN LATERAL jsonb_array_elements(s.evidence -> 'steps') WITH ORDINALITY AS e (step, n) ON true
        WHERE s.trader_id = of_trader AND s.action <> 'open' AND s.leader_time >= from_ms AND s.leader_time < until_ms
    ), priced AS (
        SELECT
            v.*,
            exit_price(v.share, v.price) OVER later                         AS left_at,
            min(v.time) FILTER (WHERE v.share = 1) OVER later               AS closed_at
        FROM events AS v
        WHERE v.time < until_ms
        WINDOW later AS (PARTITION BY v.coin ORDER BY v.time DESC, v.signal_id DESC, v.step DESC)
    )
    SELECT
        p.signal_id,
        p.closed_at,
        r.move,
        r.move - fee_rate * (1 + p.left_at / p.leader_px::double precision)
    FROM priced AS p
    CROSS JOIN LATERAL (
        SELECT CASE p.side WHEN 'buy' THEN 1 ELSE -1 END * (p.left_at / p.leader_px::double precision - 1) AS move
    ) AS r
    WHERE p.action = 'open' AND p.closed_at IS NOT NULL AND p.leader_px > 0
$$;
