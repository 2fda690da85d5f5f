-- round_trips: one row per perp position closed, from the fill that opened it to the one that
-- brought it to zero or through zero (an episode). Positions that were open before the first fill
-- known of them have no opening: opened_at is NULL.
-- trader_coin_daily: one row per UTC day, trader and coin, with the perp position after the day's
-- last fill and what its episode has gathered since its opening: what the next day goes on from.
-- Written by: Warehouse.build_round_trips, which keeps later days in step with a rebuilt one.
CREATE TABLE round_trips (
    day            bigint  NOT NULL,
    user_address   text    NOT NULL,
    coin           text    NOT NULL,
    seq            integer NOT NULL,
    direction      text    NOT NULL CHECK (direction IN ('long', 'short')),
    opened_at      bigint,
    closed_at      bigint  NOT NULL,
    hold_ms        bigint,
    fill_count     bigint  NOT NULL,
    peak_size      numeric NOT NULL,
    entry_size     numeric NOT NULL,
    entry_notional numeric NOT NULL,
    exit_size      numeric NOT NULL,
    exit_notional  numeric NOT NULL,
    gross_pnl      numeric,
    fees           numeric,
    net_pnl        numeric,
    unpriced_fills bigint  NOT NULL,
    size_ms        numeric NOT NULL,
    is_liquidated  boolean NOT NULL,
    PRIMARY KEY (day, user_address, coin, seq)
);
CREATE INDEX round_trips_user ON round_trips (user_address, closed_at);
COMMENT ON COLUMN round_trips.day IS 'UTC day of closed_at, ms';
COMMENT ON COLUMN round_trips.seq IS 'from 1, among those of the day, trader and coin';
COMMENT ON COLUMN round_trips.opened_at IS 'ms since the epoch, UTC; NULL: open before the data begin, or since a gap in them';
COMMENT ON COLUMN round_trips.hold_ms IS 'closed_at - opened_at';
COMMENT ON COLUMN round_trips.fill_count IS 'a fill that flips counts in both of its round trips';
COMMENT ON COLUMN round_trips.peak_size IS 'largest size of the position, base units';
COMMENT ON COLUMN round_trips.entry_notional IS 'sum of px x size of what increased the position, quote token; / entry_size: mean entry price';
COMMENT ON COLUMN round_trips.exit_notional IS 'likewise of what reduced it';
COMMENT ON COLUMN round_trips.gross_pnl IS 'sum of closed_pnl; NULL where a fill does not tell it';
COMMENT ON COLUMN round_trips.fees IS 'USD, a flip''s fee split by size; NULL where one has no price here (unpriced_fills)';
COMMENT ON COLUMN round_trips.net_pnl IS 'gross_pnl - fees; funding is not in fills';
COMMENT ON COLUMN round_trips.size_ms IS 'integral of the position''s size over time, base units x ms; / peak_size: time-and-size-weighted holding time';
COMMENT ON COLUMN round_trips.is_liquidated IS 'the closing fill was this trader''s liquidation';

-- It was a model, built from its day alone.
DROP TABLE IF EXISTS trader_coin_daily CASCADE;
DELETE FROM aggregate_state WHERE relation = 'trader_coin_daily';
CREATE TABLE trader_coin_daily (
    day                  bigint  NOT NULL,
    user_address         text    NOT NULL,
    coin                 text    NOT NULL,
    fill_count           bigint  NOT NULL,
    first_time           bigint  NOT NULL,
    last_time            bigint  NOT NULL,
    closed_trades        bigint  NOT NULL,
    hold_ms              bigint  NOT NULL,
    left_censored_trades bigint  NOT NULL,
    continuity_breaks    bigint  NOT NULL,
    position             numeric,
    position_time        bigint,
    open_since           bigint,
    open_fills           bigint,
    open_peak_size       numeric,
    open_entry_size      numeric,
    open_entry_notional  numeric,
    open_exit_size       numeric,
    open_exit_notional   numeric,
    open_gross_pnl       numeric,
    open_fees            numeric,
    open_unpriced_fills  bigint,
    open_size_ms         numeric,
    PRIMARY KEY (day, user_address, coin)
);
-- The latest day before another, of one position.
CREATE INDEX trader_coin_daily_user_coin ON trader_coin_daily (user_address, coin, day);
COMMENT ON COLUMN trader_coin_daily.closed_trades IS 'round trips closed on the day and seen from their opening';
COMMENT ON COLUMN trader_coin_daily.hold_ms IS 'sum over closed_trades';
COMMENT ON COLUMN trader_coin_daily.left_censored_trades IS 'positions closed on the day whose opening was not seen';
COMMENT ON COLUMN trader_coin_daily.continuity_breaks IS 'fills whose start_position is not where the fill before ended: fills are missing, the episode is dropped';
COMMENT ON COLUMN trader_coin_daily.position IS 'signed, after the day''s last fill, 8 decimals; NULL for spot';
COMMENT ON COLUMN trader_coin_daily.position_time IS 'ms; of the last fill that tells the position';
COMMENT ON COLUMN trader_coin_daily.open_since IS 'ms; NULL: flat, or the opening was not seen';
COMMENT ON COLUMN trader_coin_daily.open_fills IS 'this and the columns behind it: what the open episode has gathered, NULL when flat; names and units as in round_trips';

ALTER TABLE aggregate_state
    ADD COLUMN definition text NOT NULL DEFAULT '',
    ADD COLUMN revision bigint NOT NULL DEFAULT nextval('generation');
COMMENT ON COLUMN aggregate_state.definition IS 'digest of the statements that built it, where schema_objects does not hold them';
COMMENT ON COLUMN aggregate_state.revision IS 'rises when the day''s rows may have changed, for whatever is built from them';
DELETE FROM position_state;
COMMENT ON COLUMN classification_conditions.metric IS 'a column of the relation that is classified';
