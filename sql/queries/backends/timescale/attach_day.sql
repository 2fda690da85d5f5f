-- What was a table becomes the day's chunk. The aggregates are not told: refresh_day forces them.
-- Literals: name (text), start, end.
CALL attach_chunk('fills', {name}, jsonb_build_object('time', jsonb_build_array({start}, {end})))
