-- missing_hours: one row per UTC hour of a loaded day for which the source has no object.
CREATE VIEW missing_hours AS
SELECT
    to_char(to_timestamp(s.day / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
    h.hour,
    s.day + h.hour * 3600000::bigint                                       AS from_time,
    s.source
FROM day_state AS s
CROSS JOIN LATERAL unnest(s.missing_hours) AS h (hour);
