-- What the closed copies of a trader made and cost. Parameters: trader_id.
SELECT
    count(*)                                    AS copies,
    coalesce(sum(gross_at_leader_usd), 0)       AS gross_at_leader_usd,
    coalesce(sum(lag_usd), 0)                   AS lag_usd,
    coalesce(sum(slippage_usd), 0)              AS slippage_usd,
    coalesce(sum(fees_usd), 0)                  AS fees_usd,
    coalesce(sum(funding_usd), 0)               AS funding_usd,
    count(*) FILTER (WHERE funding_usd IS NULL) AS funding_unknown,
    coalesce(sum(net_pnl_usd), 0)               AS net_pnl_usd
FROM copies
WHERE trader_id = %(trader_id)s AND closed_at IS NOT NULL
