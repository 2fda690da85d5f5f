-- FREEZE: the table was made in this transaction, so its rows need no second visit.
COPY {new_day} ({columns}) FROM STDIN WITH (FORMAT binary, FREEZE)
