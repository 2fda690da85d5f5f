-- Fills delivered more than once: the first in the order of execution stays.
DELETE FROM {new_day} AS repeated
USING (
    SELECT
        ctid AS place,
        row_number() OVER (
            PARTITION BY time, user_address, coin, oid, tid
            ORDER BY block_number NULLS LAST, event_index, ctid
        ) AS delivery
    FROM {new_day}
    WHERE tid IS NOT NULL
) AS numbered
WHERE repeated.ctid = numbered.place
  AND numbered.delivery > 1
