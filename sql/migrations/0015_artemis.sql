-- The feature line: what it keeps of balances and trades, its snapshots, labels and profiles.
-- Written by: ArtemisTables, a UTC day of one relation at a time; `day` is the day that wrote a
-- row. Times are ms since the epoch, UTC. Money is exact; ratios are double precision.
CREATE TABLE artemis_state (
    relation   text   NOT NULL,
    day        bigint NOT NULL,
    built_from text   NOT NULL,
    row_count  bigint NOT NULL,
    details    jsonb  NOT NULL DEFAULT '{}',
    PRIMARY KEY (relation, day)
);
COMMENT ON COLUMN artemis_state.built_from IS 'fingerprint of all that the day was made of';

CREATE TABLE addresses (
    address        text     PRIMARY KEY,
    tier           smallint NOT NULL,
    first_seen     bigint   NOT NULL,
    last_seen      bigint   NOT NULL,
    trade_count    bigint   NOT NULL,
    total_size_usd numeric  NOT NULL
);
COMMENT ON TABLE addresses IS 'One row per address that held a position of 50,000 USD or more in a balances snapshot';

CREATE TABLE account_balances (
    day               bigint  NOT NULL,
    address           text    NOT NULL,
    recorded_at       bigint  NOT NULL,
    account_value     numeric,
    total_ntl_pos     numeric,
    total_margin_used numeric,
    total_raw_usd     numeric,
    PRIMARY KEY (address, recorded_at)
);
CREATE INDEX account_balances_day ON account_balances (day);
COMMENT ON TABLE account_balances IS 'One row per address and balances snapshot: perp equity and leverage as recorded';

CREATE TABLE oi_history (
    day          bigint  NOT NULL,
    coin         text    NOT NULL,
    recorded_at  bigint  NOT NULL,
    kind         text    NOT NULL CHECK (kind IN ('snapshot', 'carried')),
    oi_usd       numeric NOT NULL,
    oi_short_usd numeric,
    oi_base      numeric NOT NULL,
    holders      bigint,
    oi_imbalance double precision,
    oi_drift     double precision,
    usable       boolean NOT NULL,
    PRIMARY KEY (coin, kind, recorded_at)
);
CREATE INDEX oi_history_day ON oi_history (day);
COMMENT ON COLUMN oi_history.recorded_at IS 'ms; of a snapshot, its latest record; of a carried row, a five-minute mark';
COMMENT ON COLUMN oi_history.oi_usd IS 'one side: sum of the longs'' value';
COMMENT ON COLUMN oi_history.oi_imbalance IS '|longs - shorts| / (longs + shorts)';
COMMENT ON COLUMN oi_history.usable IS 'longs and shorts agree; else neither anchor nor observation';
COMMENT ON COLUMN oi_history.oi_drift IS 'what was carried from the snapshot before / this snapshot - 1';

CREATE TABLE liquidation_events (
    day         bigint  NOT NULL,
    coin        text    NOT NULL,
    occurred_at bigint  NOT NULL,
    side        text    NOT NULL CHECK (side IN ('long', 'short')),
    size_usd    numeric NOT NULL,
    price       numeric NOT NULL,
    address     text    NOT NULL,
    method      text    NOT NULL,
    via_adl     boolean NOT NULL,
    PRIMARY KEY (coin, occurred_at, address, side, method, via_adl)
);
CREATE INDEX liquidation_events_day ON liquidation_events (day);
COMMENT ON COLUMN liquidation_events.side IS 'of the position that died';
COMMENT ON COLUMN liquidation_events.address IS 'whose position it was';

CREATE TABLE volume_history (
    day                 bigint  NOT NULL,
    coin                text    NOT NULL,
    recorded_at         bigint  NOT NULL,
    volume_usd          numeric NOT NULL,
    unknown_volume_usd  numeric NOT NULL,
    off_book_volume_usd numeric NOT NULL,
    PRIMARY KEY (coin, recorded_at)
);
CREATE INDEX volume_history_day ON volume_history (day);
COMMENT ON COLUMN volume_history.recorded_at IS 'start of five minutes; known when they are over';
COMMENT ON COLUMN volume_history.unknown_volume_usd IS 'of trades without exactly one taker; in volume_usd';
COMMENT ON COLUMN volume_history.off_book_volume_usd IS 'transfers that met no order; not in volume_usd';

CREATE TABLE trade_flow_history (
    day             bigint  NOT NULL,
    coin            text    NOT NULL,
    recorded_at     bigint  NOT NULL,
    buy_volume_usd  numeric NOT NULL,
    sell_volume_usd numeric NOT NULL,
    PRIMARY KEY (coin, recorded_at)
);
CREATE INDEX trade_flow_history_day ON trade_flow_history (day);

CREATE TABLE candles (
    day       bigint  NOT NULL,
    coin      text    NOT NULL,
    interval  text    NOT NULL CHECK (interval IN ('1m', '5m')),
    open_time bigint  NOT NULL,
    open      numeric NOT NULL,
    high      numeric NOT NULL,
    low       numeric NOT NULL,
    close     numeric NOT NULL,
    volume    numeric NOT NULL,
    trades    bigint  NOT NULL,
    filled    boolean NOT NULL,
    source    text    NOT NULL CHECK (source IN ('fills', 'api')),
    PRIMARY KEY (coin, interval, open_time)
);
CREATE INDEX candles_day ON candles (day, interval);
COMMENT ON COLUMN candles.filled IS 'no trade: flat at the close before';

CREATE TABLE funding_history (
    day     bigint  NOT NULL,
    coin    text    NOT NULL,
    time    bigint  NOT NULL,
    rate    numeric NOT NULL,
    premium numeric,
    source  text    NOT NULL,
    PRIMARY KEY (coin, time)
);
CREATE INDEX funding_history_day ON funding_history (day);
COMMENT ON COLUMN funding_history.time IS 'as stamped by the exchange, some ms after the hour';
COMMENT ON COLUMN funding_history.rate IS 'settled; fraction per hour';
