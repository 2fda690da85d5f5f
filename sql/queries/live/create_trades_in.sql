-- The same for live_trades.
CREATE TEMP TABLE IF NOT EXISTS live_trades_in (
    LIKE live_trades,
    place bigint GENERATED ALWAYS AS IDENTITY
) ON COMMIT DELETE ROWS
