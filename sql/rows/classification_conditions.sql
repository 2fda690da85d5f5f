-- Every threshold of a class stands here and nowhere else; RETAIL is what no rule claims.
-- seed_100k and seed_10k are the seeds', over trader_profiles; vigil_v1 is ours, over the
-- corrected metrics. smart_money_watchlist is what a SMART_DIRECTIONAL trader must have beside.
TRUNCATE classification_conditions;
INSERT INTO classification_conditions
    (rule_set, rule_order, rule, trader_type, metric, comparison, threshold)
VALUES
    ('seed_100k', 1, 'liquidator',        'LIQUIDATOR',        'liquidation_pct', '>=', 0.20),
    ('seed_100k', 2, 'hft',               'HFT',               'maker_pct',       '>=', 0.70),
    ('seed_100k', 2, 'hft',               'HFT',               'mtm_tv',          '>=', -0.001),
    ('seed_100k', 2, 'hft',               'HFT',               'mtm_tv',          '<=', 0.001),
    ('seed_100k', 3, 'smart_directional', 'SMART_DIRECTIONAL', 'net_pnl',         '>=', 100000),
    ('seed_100k', 3, 'smart_directional', 'SMART_DIRECTIONAL', 'mtm_tv',          '>=', 0.001),
    ('seed_100k', 3, 'smart_directional', 'SMART_DIRECTIONAL', 'sharpe_ratio',    '>=', 1.0),
    ('seed_10k',  1, 'liquidator',        'LIQUIDATOR',        'liquidation_pct', '>=', 0.20),
    ('seed_10k',  2, 'hft',               'HFT',               'maker_pct',       '>=', 0.70),
    ('seed_10k',  2, 'hft',               'HFT',               'mtm_tv',          '>=', -0.001),
    ('seed_10k',  2, 'hft',               'HFT',               'mtm_tv',          '<=', 0.001),
    ('seed_10k',  3, 'smart_directional', 'SMART_DIRECTIONAL', 'net_pnl',         '>=', 10000),
    ('seed_10k',  3, 'smart_directional', 'SMART_DIRECTIONAL', 'mtm_tv',          '>=', 0.001),
    ('seed_10k',  3, 'smart_directional', 'SMART_DIRECTIONAL', 'sharpe_ratio',    '>=', 1.0),
    ('seed_10k',  4, 'basis',             'BASIS',             'avg_hold_hours',  '>=', 24),
    ('vigil_v1',  1, 'market_maker',      'MARKET_MAKER',      'maker_volume_pct',    '>=', 0.70),
    ('vigil_v1',  1, 'market_maker',      'MARKET_MAKER',      'net_edge',            '>=', -0.001),
    ('vigil_v1',  1, 'market_maker',      'MARKET_MAKER',      'net_edge',            '<=', 0.001),
    ('vigil_v1',  2, 'liquidator',        'LIQUIDATOR',        'liquidator_fill_pct', '>=', 0.20),
    ('vigil_v1',  3, 'liquidated',        'LIQUIDATED',        'liquidated_fill_pct', '>=', 0.20),
    ('vigil_v1',  4, 'smart_directional', 'SMART_DIRECTIONAL', 'calendar_days',       '>=', 30),
    ('vigil_v1',  4, 'smart_directional', 'SMART_DIRECTIONAL', 'closed_trades',       '>=', 20),
    ('vigil_v1',  4, 'smart_directional', 'SMART_DIRECTIONAL', 'net_pnl',             '>=', 100000),
    ('vigil_v1',  4, 'smart_directional', 'SMART_DIRECTIONAL', 'net_edge',            '>=', 0.001),
    ('vigil_v1',  4, 'smart_directional', 'SMART_DIRECTIONAL', 'sharpe_ratio',        '>=', 1.0),
    ('vigil_v1',  4, 'smart_directional', 'SMART_DIRECTIONAL', 'deflated_sharpe',     '>=', 0.95),
    ('vigil_v1',  5, 'basis',             'BASIS',             'mean_hold_hours',     '>=', 24),
    ('vigil_v1',  5, 'basis',             'BASIS',             'turnover_per_day',    '<=', 0.5),
    ('smart_money_watchlist', 1, 'watch', 'WATCH',             'sharpe_ratio',    '>=', 1.0),
    ('smart_money_watchlist', 1, 'watch', 'WATCH',             'trading_days',    '>=', 14);
