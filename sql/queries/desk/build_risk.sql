-- Risk of a paper account and of its leader when a day ended: the account by its whole history, the
-- leader by his last 90 days. Parameters: trader_id, user_address, date, ends_at, capital_usd,
-- open_notional_usd.
INSERT INTO trader_risk (
    trader_id, date, current_drawdown, max_drawdown, win_rate, decided_trades, consecutive_losses,
    open_notional_usd, risk_score, risk_score_reason, components
)
SELECT
    %(trader_id)s, %(date)s, d.current_drawdown, d.max_drawdown,
    c.won / nullif(c.won + c.lost, 0)::double precision, c.won + c.lost,
    consecutive_losses(c.results), %(open_notional_usd)s,
    r.risk_score, r.risk_score_reason, r.risk_components
FROM (
    SELECT
        array_agg(e.date ORDER BY e.date)                           AS dates,
        array_agg(e.equity::double precision ORDER BY e.date)       AS equity
    FROM (
        SELECT date, equity_usd AS equity FROM trader_performance
        WHERE trader_id = %(trader_id)s AND date <= %(date)s
        UNION ALL
        -- What it began with, before its first day.
        SELECT min(date) - 1, %(capital_usd)s::numeric FROM trader_performance
        WHERE trader_id = %(trader_id)s
    ) AS e
) AS s
CROSS JOIN LATERAL drawdown_metrics(s.dates, s.equity) AS d
CROSS JOIN (
    SELECT
        count(*) FILTER (WHERE net_pnl_usd > 0)             AS won,
        count(*) FILTER (WHERE net_pnl_usd < 0)             AS lost,
        array_agg(net_pnl_usd ORDER BY closed_at, copy_id)  AS results
    FROM copies
    WHERE trader_id = %(trader_id)s AND closed_at < %(ends_at)s
) AS c
LEFT JOIN LATERAL trader_leverage(%(user_address)s, %(ends_at)s, 90) AS l ON true
LEFT JOIN LATERAL trader_track(%(user_address)s, %(ends_at)s, 90) AS t ON true
LEFT JOIN LATERAL trader_concentration(%(user_address)s, %(ends_at)s, 90) AS k ON true
-- How near a liquidation is cannot be told from fills: the other components weigh more.
CROSS JOIN LATERAL risk_score(
    l.avg_leverage, l.max_leverage, t.max_drawdown, t.volatility, k.concentration_index, NULL
) AS r
