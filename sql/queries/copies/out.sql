-- Filled in: statement.
COPY ({statement}) TO STDOUT WITH (FORMAT binary)
