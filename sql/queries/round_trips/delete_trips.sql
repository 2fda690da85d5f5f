-- Literals: day, whole: all of the day, or the positions that changed.
DELETE FROM round_trips AS t
WHERE t.day = {day}
  AND ({whole} OR EXISTS (
    SELECT
    FROM changed_positions AS c
    WHERE c.next_day = {day} AND c.user_address = t.user_address AND c.coin = t.coin
  ))
