-- A day's table, beside the partition that readers see. The CHECK spares the scan at ATTACH,
-- and refuses a row of another day. Identifiers: new_day. Literals: start, end.
CREATE TABLE {new_day} (
    LIKE fills INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS,
    CONSTRAINT within_day CHECK (time >= {start} AND time < {end})
)
