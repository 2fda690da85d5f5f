-- Waits for readers of fills, and lets none in until the swap is committed.
LOCK TABLE fills IN ACCESS EXCLUSIVE MODE
