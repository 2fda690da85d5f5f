-- Identifiers: name. Literals: day.
DELETE FROM {name} WHERE day = {day} AND origin = 'backfill'
