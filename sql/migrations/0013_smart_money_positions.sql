-- smart_money_positions: one row per perp and full UTC hour: what the traders held then that were
-- SMART_DIRECTIONAL at the start of that day, by what was known before that hour.
-- Written by: Warehouse.build_positions, a day at a time.
CREATE TABLE smart_money_positions (
    coin           text    NOT NULL,
    hour           bigint  NOT NULL CHECK (hour % 3600000 = 0),
    long_notional  numeric,
    short_notional numeric,
    net_bias       numeric,
    traders        bigint  NOT NULL,
    PRIMARY KEY (hour, coin)
);
COMMENT ON COLUMN smart_money_positions.hour IS 'ms since the epoch, UTC: the moment the row is about; fills before it are in it, later ones not';
COMMENT ON COLUMN smart_money_positions.long_notional IS 'sum of long positions x last price before the hour, quote token; NULL where no trade of the coin in the day before it or since told a price';
COMMENT ON COLUMN smart_money_positions.short_notional IS 'likewise of short positions, positive';
COMMENT ON COLUMN smart_money_positions.net_bias IS '(long - short) / (long + short), -1 to 1; NULL without a price';
COMMENT ON COLUMN smart_money_positions.traders IS 'labelled traders that held the coin';

-- position_state: one row per UTC day built, with the fingerprint of what it was built from: the
-- day's fills and those of the day before, the aggregates of all days before, the rules.
CREATE TABLE position_state (
    day        bigint PRIMARY KEY,
    built_from text   NOT NULL,
    row_count  bigint NOT NULL
);
