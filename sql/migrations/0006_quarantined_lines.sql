-- quarantined_lines: one row per line of a source object that is no block of fills, and per
-- fill that contradicts another of the same key.
-- Written by: Warehouse.load_day, an object's lines at a time.
CREATE TABLE quarantined_lines (
    file_id     text   NOT NULL,
    line_number bigint NOT NULL,
    byte_offset bigint NOT NULL,
    reason      text   NOT NULL,
    raw         text   NOT NULL,
    PRIMARY KEY (file_id, line_number)
);
COMMENT ON COLUMN quarantined_lines.line_number IS 'from 1';
COMMENT ON COLUMN quarantined_lines.byte_offset IS 'of the line in the decompressed object';
COMMENT ON COLUMN quarantined_lines.raw IS 'as it came; bytes that are no UTF-8 as \xNN';
