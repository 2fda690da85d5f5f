-- Loaded days, and whether hours are awaited that may hold rows of theirs.
SELECT day, awaits <> '{}' FROM day_state ORDER BY day
