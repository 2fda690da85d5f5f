-- The backend this database was installed for; no rows before its installation.
SELECT DISTINCT backend FROM schema_objects
