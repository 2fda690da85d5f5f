-- The seeds' rule sets. Every threshold of a class stands here and nowhere else; RETAIL is what
-- no rule claims. smart_money_watchlist holds what a SMART_DIRECTIONAL trader must have beside.
TRUNCATE classification_conditions;
INSERT INTO classification_conditions
    (rule_set, rule_order, rule, trader_type, metric, comparison, threshold)
VALUES
    ('seed_100k', 1, 'liquidator',        'LIQUIDATOR',        'liquidation_pct', '>=', 0.20),
    ('seed_100k', 2, 'hft',               'HFT',               'maker_pct',       '>=', 0.70),
    ('seed_100k', 2, 'hft',               'HFT',               'abs_mtm_tv',      '<=', 0.001),
    ('seed_100k', 3, 'smart_directional', 'SMART_DIRECTIONAL', 'net_pnl',         '>=', 100000),
    ('seed_100k', 3, 'smart_directional', 'SMART_DIRECTIONAL', 'mtm_tv',          '>=', 0.001),
    ('seed_100k', 3, 'smart_directional', 'SMART_DIRECTIONAL', 'sharpe_ratio',    '>=', 1.0),
    ('seed_10k',  1, 'liquidator',        'LIQUIDATOR',        'liquidation_pct', '>=', 0.20),
    ('seed_10k',  2, 'hft',               'HFT',               'maker_pct',       '>=', 0.70),
    ('seed_10k',  2, 'hft',               'HFT',               'abs_mtm_tv',      '<=', 0.001),
    ('seed_10k',  3, 'smart_directional', 'SMART_DIRECTIONAL', 'net_pnl',         '>=', 10000),
    ('seed_10k',  3, 'smart_directional', 'SMART_DIRECTIONAL', 'mtm_tv',          '>=', 0.001),
    ('seed_10k',  3, 'smart_directional', 'SMART_DIRECTIONAL', 'sharpe_ratio',    '>=', 1.0),
    ('seed_10k',  4, 'basis',             'BASIS',             'avg_hold_hours',  '>=', 24),
    ('smart_money_watchlist', 1, 'watch', 'WATCH',             'sharpe_ratio',    '>=', 1.0),
    ('smart_money_watchlist', 1, 'watch', 'WATCH',             'trading_days',    '>=', 14);
