-- Parameters: relation.
SELECT day, built_from FROM artemis_state WHERE relation = %(relation)s
