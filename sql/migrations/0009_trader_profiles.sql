-- trader_profiles: one row per trader, over all loaded days.
-- Written by: queries of Warehouse.publish_profiles; a row is touched only where it changes, so
-- updated_at is when the profile last changed.
CREATE TABLE trader_profiles (
    user_address       text PRIMARY KEY,
    first_trade_time   bigint  NOT NULL,
    last_trade_time    bigint  NOT NULL,
    trading_days       bigint  NOT NULL,
    total_fills        bigint  NOT NULL,
    total_volume       numeric NOT NULL,
    unique_coins       bigint  NOT NULL,
    realized_pnl       numeric NOT NULL,
    fees_paid          numeric NOT NULL,
    builder_fees_paid  numeric NOT NULL,
    net_pnl            numeric NOT NULL,
    maker_pct          numeric,
    win_rate           numeric,
    mtm_tv             numeric,
    long_ratio         numeric,
    liquidation_fills  bigint  NOT NULL,
    liquidation_volume numeric NOT NULL,
    liquidation_pct    numeric,
    twap_fills         bigint  NOT NULL,
    twap_volume        numeric NOT NULL,
    twap_pct           numeric,
    avg_hold_hours     numeric,
    sharpe_ratio       numeric,
    trader_type        text    NOT NULL,
    trader_type_rule   text    NOT NULL,
    updated_at         timestamptz NOT NULL
);
CREATE INDEX trader_profiles_type ON trader_profiles (trader_type, net_pnl DESC);
COMMENT ON COLUMN trader_profiles.net_pnl IS 'realized_pnl - fees_paid, USD; the fee already holds the builder''s part; funding is not in fills';
COMMENT ON COLUMN trader_profiles.maker_pct IS 'maker rows / all rows; fraction';
COMMENT ON COLUMN trader_profiles.win_rate IS 'winning / closing rows; NULL without closing rows';
COMMENT ON COLUMN trader_profiles.mtm_tv IS 'realized_pnl / total_volume; fraction, despite its name not marked to market';
COMMENT ON COLUMN trader_profiles.long_ratio IS 'Open Long rows / (Open Long + Open Short rows); NULL without either';
COMMENT ON COLUMN trader_profiles.liquidation_pct IS 'rows with a liquidation object / all rows: victims and their counterparties alike, as the seeds have it';
COMMENT ON COLUMN trader_profiles.twap_pct IS 'twap_volume / total_volume';
COMMENT ON COLUMN trader_profiles.avg_hold_hours IS 'mean over closed perp positions, flat to flat; NULL while none was seen from its opening to its close';
COMMENT ON COLUMN trader_profiles.sharpe_ratio IS 'mean / sample deviation of daily realized_pnl over days traded, x sqrt(365); NULL below two days or without deviation';
COMMENT ON COLUMN trader_profiles.trader_type_rule IS 'the rule of rule set seed_100k that decided';
