-- day_state: one row per loaded UTC day.
-- Written by: Warehouse.load_day. `generation` rises whenever the day's fills change; what was
-- built from an older one is stale (aggregate_state).
CREATE SEQUENCE generation;
CREATE TABLE day_state (
    day             bigint  PRIMARY KEY CHECK (day % 86400000 = 0),
    source          text    NOT NULL,
    content_version text    NOT NULL,
    generation      bigint  NOT NULL,
    row_count       bigint  NOT NULL,
    repeated_count  bigint  NOT NULL,
    missing_hours   smallint[] NOT NULL,
    loaded_at       timestamptz NOT NULL
);
COMMENT ON COLUMN day_state.source IS 'hyperliquid, or sandbox: simulated';
COMMENT ON COLUMN day_state.content_version IS 'the lake''s version of the day these rows came from';
COMMENT ON COLUMN day_state.repeated_count IS 'fills delivered more than once and kept once';
COMMENT ON COLUMN day_state.missing_hours IS 'UTC hours without a source object';
