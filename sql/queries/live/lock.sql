-- One process listens per database; held until its connection ends, however it does.
SELECT pg_try_advisory_lock(hashtext('vigil_live'))
