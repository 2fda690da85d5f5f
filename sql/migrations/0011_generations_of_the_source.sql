-- Until 2025-07-27 the exchange's node wrote two other formats, and an hour may lie in two of
-- them: an object is known by its hour and its source, `hyperliquid/node_fills` for one.
UPDATE load_progress SET source = source || '/node_fills_by_block';
ALTER TABLE load_progress
    DROP CONSTRAINT load_progress_pkey,
    ADD PRIMARY KEY (file_id, source),
    ADD COLUMN first_block bigint,
    ADD COLUMN last_block  bigint,
    ADD COLUMN first_ms    bigint,
    ADD COLUMN last_ms     bigint;
COMMENT ON COLUMN load_progress.source IS 'hyperliquid or sandbox, a slash, and the prefix in the bucket';
COMMENT ON COLUMN load_progress.first_block IS 'NULL where the format knows no blocks';
COMMENT ON COLUMN load_progress.first_ms IS 'ms since the epoch, UTC: time of the first block';
COMMENT ON COLUMN load_progress.last_ms IS 'ms since the epoch, UTC: time of the last block';

ALTER TABLE day_parts
    ADD COLUMN source text,
    DROP CONSTRAINT day_parts_pkey;
UPDATE day_parts AS p SET source = l.source FROM load_progress AS l WHERE l.file_id = p.file_id;
ALTER TABLE day_parts ADD PRIMARY KEY (day, file_id, source);

ALTER TABLE quarantined_lines
    ADD COLUMN source text,
    DROP CONSTRAINT quarantined_lines_pkey;
UPDATE quarantined_lines AS q SET source = l.source
FROM load_progress AS l
WHERE l.file_id = q.file_id;
ALTER TABLE quarantined_lines ADD PRIMARY KEY (file_id, source, line_number);

-- A day is final once every object is there that can hold its rows.
ALTER TABLE day_state
    ADD COLUMN awaits text[] NOT NULL DEFAULT '{}',
    ADD COLUMN is_final boolean NOT NULL GENERATED ALWAYS AS (awaits = '{}') STORED;
COMMENT ON COLUMN day_state.awaits IS 'hours, YYYYMMDD/HH, whose objects may hold rows of the day and are not there';

-- The oldest format has no trade id: its sides are told apart when they are read, and its NULLs
-- are no values here.
DROP INDEX fills_key;
CREATE UNIQUE INDEX fills_key ON fills (time, user_address, coin, oid, tid);

-- Nor has it PnL and fees, which for a trader of those days alone stay unknown.
ALTER TABLE trader_profiles
    ALTER COLUMN realized_pnl DROP NOT NULL,
    ALTER COLUMN fees_paid DROP NOT NULL,
    ALTER COLUMN builder_fees_paid DROP NOT NULL,
    ALTER COLUMN net_pnl DROP NOT NULL;
DROP INDEX trader_profiles_type;
CREATE INDEX trader_profiles_type ON trader_profiles (trader_type, net_pnl DESC NULLS LAST, user_address);
