-- One trader's risk score over a window that ends before `before` (ms, a midnight), with what it is
-- made of. One row. Liquidation prices lie in the lake, not here: that component is left out, and the
-- rest weighs more.
CREATE OR REPLACE FUNCTION trader_risk(of_address text, before bigint, window_days bigint DEFAULT NULL)
RETURNS TABLE (
    risk_score double precision, risk_score_reason text, risk_components jsonb,
    available_weight double precision, capital_basis text
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT r.*, t.capital_basis
    FROM trader_leverage(of_address, before, window_days) AS l
    CROSS JOIN trader_concentration(of_address, before, window_days) AS c
    LEFT JOIN trader_track(of_address, before, window_days) AS t ON true
    CROSS JOIN LATERAL risk_score(
        l.avg_leverage, l.max_leverage, t.max_drawdown, t.volatility, c.concentration_index, NULL
    ) AS r
$$;
