-- balance_collapses: records that show a funded account as all but empty for a day: a fault of
-- the source, found when the next day's record is there. Written by: OpenInterest; `day` is the
-- day that found it.
CREATE TABLE balance_collapses (
    day           bigint  NOT NULL,
    address       text    NOT NULL,
    recorded_at   bigint  NOT NULL,
    known_at      bigint  NOT NULL,
    account_value numeric NOT NULL,
    PRIMARY KEY (address, recorded_at)
);
CREATE INDEX balance_collapses_day ON balance_collapses (day);
COMMENT ON COLUMN balance_collapses.recorded_at IS 'of the record that is to be treated as missing';
COMMENT ON COLUMN balance_collapses.known_at IS 'ms; from here on it may be left out, before it nobody could know';
