-- Identifiers: name.
CREATE DATABASE {name}
