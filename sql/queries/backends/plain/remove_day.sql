-- Identifiers: day. Literals: start, end.
DROP TABLE IF EXISTS {day}
