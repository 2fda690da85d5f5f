-- Tables of a transaction have no statistics before this. Identifiers: name.
ANALYZE {name}
