-- Identifiers: name, columns.
COPY {name} ({columns}) FROM STDIN WITH (FORMAT binary)
