-- A paper account's record as of its last day, and what its settings ask for. Parameters: trader_id.
SELECT
    r.date,
    (SELECT count(*) FROM trader_performance AS p WHERE p.trader_id = t.trader_id),
    k.won + k.lost,
    i.win_rate_lower,
    k.mean,
    r.current_drawdown,
    (SELECT count(*) FROM alerts AS a WHERE a.trader_id = t.trader_id AND a.recovered_at IS NULL),
    t.promotion_days, t.promotion_trades, t.drawdown_limit::double precision
FROM traders AS t
LEFT JOIN LATERAL (
    SELECT date, current_drawdown
    FROM trader_risk
    WHERE trader_id = t.trader_id
    ORDER BY date DESC
    LIMIT 1
) AS r ON true
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE net_pnl_usd > 0) AS won,
        count(*) FILTER (WHERE net_pnl_usd < 0) AS lost,
        avg(net_pnl_usd)                        AS mean
    FROM copies
    WHERE trader_id = t.trader_id AND closed_at IS NOT NULL
) AS k
CROSS JOIN LATERAL wilson_interval(k.won, k.lost) AS i
WHERE t.trader_id = %(trader_id)s
