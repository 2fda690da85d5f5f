-- Results of the invariants over all days, by severity.
SELECT severity, status, count(*) AS results
FROM reconciliation
GROUP BY severity, status
