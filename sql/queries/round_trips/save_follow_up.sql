-- A later day came out otherwise. Parameters: day.
UPDATE aggregate_state
SET revision = nextval('generation'),
    row_count = (SELECT count(*) FROM round_trips WHERE day = %(day)s)
WHERE relation = 'round_trips' AND day = %(day)s
