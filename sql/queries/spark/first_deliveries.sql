-- What fills/delete_repeats leaves: of each fill the first in the order of execution.
SELECT * EXCEPT (delivery)
FROM (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY time, user_address, coin, oid, tid
            ORDER BY block_number NULLS LAST, event_index
        ) AS delivery
    FROM lake_fills
)
WHERE tid IS NULL OR delivery = 1
