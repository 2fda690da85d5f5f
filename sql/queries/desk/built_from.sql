-- Parameters: relation, day.
SELECT built_from FROM desk_state WHERE relation = %(relation)s AND day = %(day)s
