-- Where it is no longer so. Parameters: day, known_from (of what is now).
UPDATE metric_state_versions AS v
SET known_until = %(known_from)s
FROM metric_state AS s
WHERE s.day = %(day)s AND v.day = s.day AND v.known_until IS NULL
  AND (v.loaded_days, v.complete_days, v.trials, v.sharpe_variance)
      IS DISTINCT FROM (s.loaded_days, s.complete_days, s.trials, s.sharpe_variance)
