-- Days' tables that were built and never swapped in: their loader was killed, or is at work. Gives
-- the table's name and its day's number, by which a load at work holds its lock.
SELECT c.relname, to_date(substr(c.relname, 2, 8), 'YYYYMMDD') - DATE '1970-01-01'
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'fill_days'
  AND c.relkind = 'r'
  AND c.relname ~ '^d[0-9]{8}_new$'
ORDER BY c.relname
