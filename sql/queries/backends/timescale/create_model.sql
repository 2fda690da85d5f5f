-- A derived relation: empty until a day is refreshed, and then only that day.
CREATE MATERIALIZED VIEW {name}
WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
{body}
WITH NO DATA
