-- profile_state: one row, what trader_profiles was last computed from.
CREATE TABLE profile_state (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    built_from   text   NOT NULL,
    row_count    bigint NOT NULL
);
COMMENT ON COLUMN profile_state.built_from IS 'fingerprint of the aggregates'' generations and of the rules';
