-- PnL and return of one day with known flows; one row. A flow counts as capital for the rest of
-- its day: flow_fractions say which part of the day had gone by. An account that opens with no more
-- than dust begins its day at its first inflow.
-- Source: Dietz 1968.
CREATE OR REPLACE FUNCTION modified_dietz(
    equity_start_usd numeric,
    equity_end_usd numeric,
    flows_usd numeric[] DEFAULT '{}',
    flow_fractions numeric[] DEFAULT '{}',
    dust_usd numeric DEFAULT 1
)
RETURNS TABLE (pnl_usd numeric, daily_return double precision, daily_return_reason text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH flows AS (
        SELECT
            f.amount,
            1 - f.fraction AS rest,
            CASE
                WHEN equity_start_usd <= dust_usd
                THEN max(1 - f.fraction) FILTER (WHERE f.amount > 0) OVER ()
            END AS longest_rest
        FROM unnest(flows_usd, flow_fractions) AS f (amount, fraction)
    ), days AS (
        SELECT
            equity_end_usd - equity_start_usd - coalesce(sum(f.amount), 0) AS pnl,
            -- An inflow with the day's end leaves it no time: no capital.
            equity_start_usd
                + coalesce(sum(f.amount * f.rest / nullif(coalesce(f.longest_rest, 1), 0)), 0)
                AS capital
        FROM flows AS f
    )
    SELECT
        d.pnl,
        r.daily_return,
        r.daily_return_reason
    FROM days AS d
    CROSS JOIN LATERAL public.equity_return(d.pnl, d.capital) AS r
$$;
