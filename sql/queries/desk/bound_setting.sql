-- Parts: name, column, least, most. Both ends may be set; NULL is a setting that is off.
ALTER TABLE traders
    DROP CONSTRAINT IF EXISTS {name},
    ADD CONSTRAINT {name} CHECK ({column} BETWEEN {least} AND {most})
