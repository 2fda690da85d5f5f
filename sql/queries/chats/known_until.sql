-- Until when the data reach: the end of the last day that was loaded; 0 where none was.
SELECT coalesce(max(day) + 86400000, 0) FROM day_state
