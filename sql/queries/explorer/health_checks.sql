-- The invariants of the last days, the newest first.
SELECT day, invariant, severity, status, reason, checked, failed, measure, examples
FROM reconciliation
WHERE day > (SELECT max(day) FROM reconciliation) - %(days)s * 86400000
ORDER BY invariant, day DESC
