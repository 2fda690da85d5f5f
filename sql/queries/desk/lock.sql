-- One process builds the desk at a time, or evaluates its alerts.
SELECT pg_advisory_xact_lock(6, 0)
