-- Parameters: day. Gives the objects that had rows in the day until now.
DELETE FROM day_parts WHERE day = %(day)s RETURNING file_id, source
