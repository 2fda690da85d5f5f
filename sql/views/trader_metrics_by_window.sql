-- trader_metrics_by_window: trader_metrics over the last 30 and 90 complete days as well.
CREATE VIEW trader_metrics_by_window AS
SELECT
    (to_timestamp(s.day / 1000) AT TIME ZONE 'UTC')::date + 1 AS as_of,
    w.name                                                    AS "window",
    m.*
FROM settled_days AS s
CROSS JOIN (VALUES ('30d', 30::bigint), ('90d', 90), ('all', NULL)) AS w (name, days)
CROSS JOIN LATERAL trader_metrics_between(s.day + 86400000, w.days) AS m;
