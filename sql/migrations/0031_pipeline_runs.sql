-- pipeline_runs: one row per Dagster run, as it was last seen: for questions about the pipeline beside
-- questions about the data, without access to Dagster's own storage. Written by: PipelineRuns.
CREATE TABLE pipeline_runs (
    run_id          text   PRIMARY KEY,
    job             text   NOT NULL,
    status          text   NOT NULL,
    assets          text[] NOT NULL,
    first_partition text,
    last_partition  text,
    backfill_id     text,
    retry_of        text,
    created_at      bigint NOT NULL,
    started_at      bigint,
    ended_at        bigint,
    failed_steps    text[] NOT NULL,
    error           text,
    updated_at      bigint NOT NULL
);
CREATE INDEX pipeline_runs_ended ON pipeline_runs (ended_at DESC) WHERE ended_at IS NOT NULL;
CREATE INDEX pipeline_runs_failed ON pipeline_runs (first_partition, last_partition) WHERE status = 'FAILURE';
CREATE INDEX pipeline_runs_open ON pipeline_runs (created_at) WHERE ended_at IS NULL;
COMMENT ON COLUMN pipeline_runs.job IS 'the job; backfill for a run that only materializes assets';
COMMENT ON COLUMN pipeline_runs.status IS 'Dagster''s: QUEUED, STARTED, SUCCESS, FAILURE, CANCELED …';
COMMENT ON COLUMN pipeline_runs.assets IS 'what it was to materialize; empty: all of the job';
COMMENT ON COLUMN pipeline_runs.first_partition IS 'UTC day; NULL where the run has no days';
COMMENT ON COLUMN pipeline_runs.retry_of IS 'the run that this one repeats';
COMMENT ON COLUMN pipeline_runs.created_at IS 'ms since the epoch, UTC; likewise the other times';
COMMENT ON COLUMN pipeline_runs.error IS 'kind of the first failed step''s error; what it says stands in Dagster alone, since it may repeat a secret';

-- pipeline_assets: one row per asset that was ever materialized: when last, and by which run.
-- Written by: PipelineRuns.
CREATE TABLE pipeline_assets (
    asset           text   PRIMARY KEY,
    materialized_at bigint NOT NULL,
    partition       text,
    run_id          text   NOT NULL
);
COMMENT ON COLUMN pipeline_assets.materialized_at IS 'ms since the epoch, UTC';

-- backups: one row per backup that `vigil db-backup` finished.
CREATE TABLE backups (
    finished_at bigint  PRIMARY KEY,
    started_at  bigint  NOT NULL,
    desk_only   boolean NOT NULL,
    bytes       bigint  NOT NULL
);
COMMENT ON COLUMN backups.started_at IS 'ms since the epoch, UTC: the moment whose state the backup holds';
