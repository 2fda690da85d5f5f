-- Parameters: copies.
DELETE FROM copy_fills WHERE copy_id = ANY(%(copies)s)
