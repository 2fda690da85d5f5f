ALTER TABLE {new_day} RENAME TO {name}
