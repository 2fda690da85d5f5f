-- Parameters, filled in: relation, columns.
COPY {relation} ({columns}) FROM STDIN
