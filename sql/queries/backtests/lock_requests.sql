-- One request is entered at a time, so that two of the same are one.
SELECT pg_advisory_xact_lock(hashtext('backtests'), 0)
