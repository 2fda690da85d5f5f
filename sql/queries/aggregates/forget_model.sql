-- Its text changed, so no day of it is built. Parameters: relation.
DELETE FROM aggregate_state WHERE relation = %(relation)s
