-- Where a batch arrives before it is sorted into live_fills; of this connection alone. `place` is
-- the order of arrival.
CREATE TEMP TABLE IF NOT EXISTS live_fills_in (
    LIKE live_fills,
    place bigint GENERATED ALWAYS AS IDENTITY
) ON COMMIT DELETE ROWS
