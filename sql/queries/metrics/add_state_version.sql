-- Where it was not so yet. Parameters: day, known_from.
INSERT INTO metric_state_versions (day, known_from, loaded_days, complete_days, trials, sharpe_variance)
SELECT s.day, %(known_from)s, s.loaded_days, s.complete_days, s.trials, s.sharpe_variance
FROM metric_state AS s
WHERE s.day = %(day)s
  AND NOT EXISTS (
      SELECT FROM metric_state_versions AS v
      WHERE v.day = s.day AND v.known_until IS NULL
  )
