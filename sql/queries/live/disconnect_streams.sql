UPDATE live_streams SET subscribed_at = NULL WHERE subscribed_at IS NOT NULL
