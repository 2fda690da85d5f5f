-- Hours with an object, of every day loaded from a day on. Parameters: from (ms).
SELECT day, 24 - cardinality(missing_hours) AS hours_present, is_final
FROM day_state
WHERE day >= %(from)s
ORDER BY day
