-- Identifiers: table.
SELECT EXISTS (SELECT FROM {table})
