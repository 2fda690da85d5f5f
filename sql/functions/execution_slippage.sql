-- How much worse than the leader's our prices were, as a fraction of his; positive is worse. One row:
-- the mean weighed by what we paid, and the worst. sides are of the order.
CREATE OR REPLACE FUNCTION execution_slippage(
    sides text[], leader_prices numeric[], our_prices numeric[], notionals numeric[]
)
RETURNS TABLE (
    executions bigint,
    execution_slippage double precision,
    execution_slippage_worst double precision,
    execution_slippage_reason text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        count(s.slippage),
        (sum(s.slippage * s.notional) / nullif(sum(s.notional), 0))::double precision,
        max(s.slippage)::double precision,
        CASE WHEN count(s.slippage) = 0 THEN 'no_data' END
    FROM (
        SELECT
            CASE e.side WHEN 'buy' THEN 1 ELSE -1 END * (e.ours - e.leader) / e.leader AS slippage,
            e.notional
        FROM unnest(sides, leader_prices, our_prices, notionals) AS e (side, leader, ours, notional)
        WHERE e.ours IS NOT NULL AND e.leader > 0
    ) AS s
$$;
