-- Parameters: day, invariant, severity, status, reason, checked, failed, measure, counts, examples.
INSERT INTO reconciliation
    (day, invariant, severity, status, reason, checked, failed, measure, counts, examples)
VALUES (
    %(day)s, %(invariant)s, %(severity)s, %(status)s, %(reason)s, %(checked)s, %(failed)s,
    %(measure)s, %(counts)s, %(examples)s
)
