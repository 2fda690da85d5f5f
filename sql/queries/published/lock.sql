-- One process publishes at a time.
SELECT pg_advisory_xact_lock(5, 0)
