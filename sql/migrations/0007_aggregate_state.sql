-- aggregate_state: one row per derived relation and UTC day built; `generation` is the day's
-- when it was built. Stale: it differs from day_state.generation, or there is no row.
CREATE TABLE aggregate_state (
    relation   text   NOT NULL,
    day        bigint NOT NULL,
    generation bigint NOT NULL,
    row_count  bigint NOT NULL,
    PRIMARY KEY (relation, day)
);
