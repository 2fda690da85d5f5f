-- One trader's figures as the seeds have them, and corrected ones.
SELECT metric, seed_value, corrected_value, difference, reason, cause
FROM seed_audit
WHERE user_address = %(address)s
ORDER BY metric
