-- From when until when each version of the corrected figures was the last word: so that those of any
-- window can be read as they stood at an earlier moment. What was known before this was kept is
-- taken as known from now on; what was replaced before, as never.
ALTER TABLE restated_totals ADD COLUMN known_from timestamptz;
COMMENT ON COLUMN restated_totals.known_from IS 'when it came to be; NULL: before that was kept';
COMMENT ON COLUMN restated_totals.known_until IS 'when it was replaced, or gone';

-- totals_known_from: rows of trader_totals that are not of their day's first build; the others are
-- known since then.
CREATE TABLE totals_known_from (
    user_address text        NOT NULL,
    day          bigint      NOT NULL,
    known_from   timestamptz NOT NULL,
    PRIMARY KEY (user_address, day)
);

-- metric_state_versions: what metric_state said of a day, from when until when.
CREATE TABLE metric_state_versions (
    day             bigint      NOT NULL,
    known_from      timestamptz NOT NULL,
    known_until     timestamptz,
    loaded_days     bigint      NOT NULL,
    complete_days   bigint      NOT NULL,
    trials          bigint,
    sharpe_variance double precision,
    PRIMARY KEY (day, known_from)
);
COMMENT ON COLUMN metric_state_versions.known_from IS 'the earliest of a day: when it was first built';
COMMENT ON COLUMN metric_state_versions.known_until IS 'NULL: still so';
INSERT INTO metric_state_versions
SELECT day, now(), NULL, loaded_days, complete_days, trials, sharpe_variance
FROM metric_state;

-- They ask for a moment now; views lean on them, and are built again after this.
DROP ROUTINE IF EXISTS trader_windows (bigint, bigint) CASCADE;
DROP ROUTINE IF EXISTS trader_metrics_between (bigint, bigint) CASCADE;
