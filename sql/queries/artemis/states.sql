-- Of some days, what each relation was made of. Parameters: relations, start, end.
SELECT relation, day, built_from
FROM artemis_state
WHERE relation = ANY(%(relations)s) AND day >= %(start)s AND day < %(end)s
ORDER BY relation, day
