-- Parameters: relation, day.
SELECT built_from FROM artemis_state WHERE relation = %(relation)s AND day = %(day)s
