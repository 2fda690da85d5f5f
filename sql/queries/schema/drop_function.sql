-- Whatever its arguments were. Nothing in the database leans on it: views are dropped before, models
-- and functions name it in their texts alone. Identifiers: name.
DROP ROUTINE IF EXISTS {name}
