-- A derived relation: empty, with the columns its SELECT gives.
CREATE TABLE {name} AS
{body}
WITH NO DATA
