-- Loaded days whose positions are missing, or built from something else than is there now.
SELECT s.day
FROM day_state AS s
LEFT JOIN position_state AS p ON p.day = s.day
WHERE p.built_from IS DISTINCT FROM position_inputs(s.day)
ORDER BY s.day
