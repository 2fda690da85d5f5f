-- The identity of an account's equity between two moments, all in USD: end = start + gross realized
-- - fees + funding + change of unrealized + net flows. Fees: positive is paid; funding: positive is
-- received; flows: positive is a deposit. The residual is what the reported end has beyond that. A
-- component that is NULL leaves the account incomplete, without a residual.
CREATE OR REPLACE FUNCTION equity_reconciliation(
    equity_start_usd       numeric,
    equity_end_usd         numeric,
    gross_realized_pnl_usd numeric,
    fees_usd               numeric,
    funding_usd            numeric,
    unrealized_start_usd   numeric,
    unrealized_end_usd     numeric,
    net_flows_usd          numeric
)
RETURNS TABLE (
    status                 text,
    residual_usd           numeric,
    tolerance_usd          numeric,
    net_realized_pnl_usd   numeric,
    mark_to_market_pnl_usd numeric,
    missing                text[],
    reason                 text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH realized AS (
        SELECT gross_realized_pnl_usd - fees_usd + funding_usd AS net
    ), known AS (
        SELECT
            r.net,
            r.net + (unrealized_end_usd - unrealized_start_usd)                AS marked,
            -- greatest() would pass over a NULL.
            CASE
                WHEN equity_start_usd IS NOT NULL AND equity_end_usd IS NOT NULL
                    THEN greatest(1, 0.0001 * greatest(abs(equity_start_usd), abs(equity_end_usd)))
            END                                                                AS tolerance,
            array_remove(ARRAY[
                CASE WHEN equity_start_usd IS NULL THEN 'equity_start_usd' END,
                CASE WHEN equity_end_usd IS NULL THEN 'equity_end_usd' END,
                CASE WHEN gross_realized_pnl_usd IS NULL THEN 'gross_realized_pnl_usd' END,
                CASE WHEN fees_usd IS NULL THEN 'fees_usd' END,
                CASE WHEN funding_usd IS NULL THEN 'funding_usd' END,
                CASE WHEN unrealized_start_usd IS NULL THEN 'unrealized_start_usd' END,
                CASE WHEN unrealized_end_usd IS NULL THEN 'unrealized_end_usd' END,
                CASE WHEN net_flows_usd IS NULL THEN 'net_flows_usd' END
            ], NULL)                                                           AS missing
        FROM realized AS r
    ), left_over AS (
        SELECT k.*, equity_end_usd - (equity_start_usd + k.marked + net_flows_usd) AS residual
        FROM known AS k
    )
    SELECT
        CASE
            WHEN l.residual IS NULL THEN 'incomplete'
            WHEN abs(l.residual) <= l.tolerance THEN 'reconciled'
            ELSE 'unreconciled'
        END,
        l.residual,
        l.tolerance,
        l.net,
        l.marked,
        l.missing,
        CASE WHEN l.residual IS NULL THEN 'insufficient_coverage' END
    FROM left_over AS l
$$;
