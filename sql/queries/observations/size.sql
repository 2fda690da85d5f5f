-- Bytes of the database on its server's disk. One row.
SELECT pg_database_size(current_database()) AS bytes
