-- One process builds days at a time, since each stands on another. Parameters: part.
SELECT pg_advisory_xact_lock(5, %(part)s)
