-- The chunk of one UTC day, in rows or in columns. Literals: start, end.
SELECT drop_chunks('fills', newer_than => {start}::bigint, older_than => {end}::bigint)
