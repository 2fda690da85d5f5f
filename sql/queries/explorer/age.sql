-- How far the data reach, and whether one of the days is simulated. One row.
SELECT
    max(s.day) + 86400000                                   AS data_until,
    max(s.day) FILTER (WHERE s.is_final) + 86400000         AS final_until,
    coalesce(bool_or(s.source LIKE 'sandbox%%'), false)     AS is_simulated,
    max(s.loaded_at)                                        AS loaded_at,
    (SELECT max(m.day) + 86400000 FROM settled_days AS m)   AS figures_until,
    (SELECT p.as_of FROM published_state AS p)              AS published_until
FROM day_state AS s
