-- Days of a relation are written one at a time. Parameters: relation.
SELECT pg_advisory_xact_lock(hashtext(%(relation)s))
