-- missing_blocks: one row per hole in the numbers of blocks, inside an object or between two that
-- follow one another. Blocks without fills are written too, so a hole is lost data.
CREATE VIEW missing_blocks AS
WITH objects AS (
    SELECT
        l.*,
        lead(file_id) OVER in_order      AS next_file_id,
        lead(first_block) OVER in_order  AS next_block,
        lead(first_ms) OVER in_order     AS next_ms
    FROM load_progress AS l
    WHERE first_block IS NOT NULL
    WINDOW in_order AS (PARTITION BY source ORDER BY file_id)
)
SELECT
    source,
    file_id,
    file_id         AS next_file_id,
    after_block,
    before_block,
    before_block - after_block - 1 AS blocks,
    after_ms,
    before_ms
FROM block_breaks
WHERE before_block > after_block + 1
UNION ALL
SELECT
    source,
    file_id,
    next_file_id,
    last_block,
    next_block,
    next_block - last_block - 1,
    last_ms,
    next_ms
FROM objects
WHERE next_block > last_block + 1;
COMMENT ON VIEW missing_blocks IS 'Holes in the numbers of blocks: lost data, or hours without an object';
