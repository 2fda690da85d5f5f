-- Whether nobody builds the desk now; then nobody does until this transaction ends.
SELECT pg_try_advisory_xact_lock(6, 0)
