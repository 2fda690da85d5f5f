-- load_progress: one row per source object some of whose rows are loaded.
-- Written by: Warehouse.load_day, in the transaction that loads the rows.
CREATE TABLE load_progress (
    file_id       text PRIMARY KEY,
    source        text   NOT NULL,
    etag          text   NOT NULL,
    content_sha   text   NOT NULL,
    rows_loaded   bigint NOT NULL,
    rows_rejected bigint NOT NULL,
    loaded_at     timestamptz NOT NULL
);
COMMENT ON COLUMN load_progress.file_id IS 'YYYYMMDD/HH: the hour of the writing node''s clock';
COMMENT ON COLUMN load_progress.content_sha IS 'SHA-256 over the object''s Parquet parts';
COMMENT ON COLUMN load_progress.rows_loaded IS 'rows of the object in fills now, over all days';
COMMENT ON COLUMN load_progress.rows_rejected IS 'lines of the object in quarantined_lines';
