-- What waits, and what was being run by somebody who is gone: nobody holds its lock.
SELECT b.backtest_id
FROM backtests AS b
WHERE b.status IN ('queued', 'running')
  AND NOT EXISTS (
    SELECT FROM pg_locks AS l
    JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.locktype = 'advisory'
      AND l.granted
      AND l.classid::bigint = hashtext('backtests')::bigint & 4294967295
      AND l.objid::bigint = b.backtest_id
      AND l.objsubid = 2
  )
ORDER BY b.requested_at, b.backtest_id
