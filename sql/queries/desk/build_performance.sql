-- What a day did to a paper account. Parameters: trader_id, date, day, ends_at, equity_usd,
-- unrealized_usd, funding_usd.
INSERT INTO trader_performance (
    trader_id, date, signals_count, trades_executed, win_count, loss_count, pnl, leverage_avg,
    equity_usd, unrealized_usd, fees_usd, funding_usd
)
SELECT
    %(trader_id)s, %(date)s, s.signals, o.opened, c.won, c.lost, c.net, s.leverage,
    %(equity_usd)s, %(unrealized_usd)s, f.fees, %(funding_usd)s
FROM (
    SELECT count(*) AS signals, avg(leverage) AS leverage
    FROM signals
    WHERE trader_id = %(trader_id)s AND action = 'open'
      AND leader_time >= %(day)s AND leader_time < %(ends_at)s
) AS s
CROSS JOIN (
    SELECT count(*) AS opened
    FROM copies
    WHERE trader_id = %(trader_id)s AND opened_at >= %(day)s AND opened_at < %(ends_at)s
) AS o
CROSS JOIN (
    SELECT
        count(*) FILTER (WHERE net_pnl_usd > 0) AS won,
        count(*) FILTER (WHERE net_pnl_usd < 0) AS lost,
        coalesce(sum(net_pnl_usd), 0)           AS net
    FROM copies
    WHERE trader_id = %(trader_id)s AND closed_at >= %(day)s AND closed_at < %(ends_at)s
) AS c
CROSS JOIN (
    SELECT coalesce(sum(x.fee_usd), 0) AS fees
    FROM copies AS y
    JOIN copy_fills AS x USING (copy_id)
    WHERE y.trader_id = %(trader_id)s AND x.time >= %(day)s AND x.time < %(ends_at)s
) AS f
