-- Of rows that are gone. Parameters: day.
DELETE FROM totals_known_from AS k
WHERE k.day = %(day)s
  AND NOT EXISTS (
      SELECT FROM trader_totals AS t
      WHERE t.user_address = k.user_address AND t.day = k.day
  )
