-- block_breaks: one row per place inside a source object where block numbers do not follow one
-- another: blocks are missing there, or came again.
-- Written by: Warehouse.load_day, an object's rows at a time.
CREATE TABLE block_breaks (
    file_id      text   NOT NULL,
    source       text   NOT NULL,
    place        bigint NOT NULL,
    after_block  bigint NOT NULL,
    after_ms     bigint NOT NULL,
    before_block bigint NOT NULL,
    before_ms    bigint NOT NULL,
    PRIMARY KEY (file_id, source, place)
);
COMMENT ON COLUMN block_breaks.place IS 'from 0, in the order of the object';
COMMENT ON COLUMN block_breaks.after_ms IS 'ms since the epoch, UTC: time of the block before the break';
COMMENT ON COLUMN block_breaks.before_ms IS 'ms since the epoch, UTC: time of the block behind it';
