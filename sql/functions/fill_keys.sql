-- What finds a fill again: its keys, and the source object whose blocks, or times where it knows
-- none, it lies among.
CREATE OR REPLACE FUNCTION fill_keys(fill fills) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT jsonb_build_object(
        'time', fill.time,
        'coin', fill.coin,
        'tid', fill.tid,
        'user_address', fill.user_address,
        'block_number', fill.block_number,
        'event_index', fill.event_index,
        'source_object', (
            SELECT p.source || '/' || p.file_id
            FROM load_progress AS p
            WHERE fill.block_number BETWEEN p.first_block AND p.last_block
               OR (fill.block_number IS NULL AND fill.time BETWEEN p.first_ms AND p.last_ms)
            ORDER BY p.file_id, p.source
            LIMIT 1
        )
    )
$$;
