-- The partition's bound says the same from here on.
ALTER TABLE {day} DROP CONSTRAINT within_day
