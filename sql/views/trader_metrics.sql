-- trader_metrics: one row per trader and day T, by what was known at 00:00 UTC of it, over all days
-- before. A row for every trader seen by then, also on days on which he did nothing: nothing is
-- stored twice, so ask for a day (as_of = …), a trader, or both.
CREATE VIEW trader_metrics AS
SELECT
    (to_timestamp(s.day / 1000) AT TIME ZONE 'UTC')::date + 1 AS as_of,
    m.*
FROM settled_days AS s
CROSS JOIN LATERAL trader_metrics_between(s.day + 86400000, NULL) AS m;
