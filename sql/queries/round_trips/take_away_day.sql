-- Literals: day, whole: all of the day, or the positions that changed.
WITH gone AS (
    DELETE FROM trader_coin_daily AS d
    WHERE d.day = {day}
      AND ({whole} OR EXISTS (
        SELECT
        FROM changed_positions AS c
        WHERE c.next_day = {day} AND c.user_address = d.user_address AND c.coin = d.coin
      ))
    RETURNING d.*
)
INSERT INTO positions_before
SELECT * FROM gone
