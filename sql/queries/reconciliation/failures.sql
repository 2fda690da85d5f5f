-- What failed of a day, errors first. Parameters: day.
SELECT invariant, severity, checked, failed, measure, counts, examples, reason
FROM reconciliation
WHERE day = %(day)s
  AND status = 'failed'
ORDER BY severity, invariant
