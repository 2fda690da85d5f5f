-- Identifiers: name, new_name.
ALTER DATABASE {name} RENAME TO {new_name}
