-- Source objects that are there, of those expected: one per UTC hour. Measure: the share that is
-- there. An example is an hour without an object. Parameters: day, examples.
SELECT
    hours.expected                                                              AS checked,
    cardinality(s.missing_hours)::bigint                                        AS failed,
    round((hours.expected - cardinality(s.missing_hours)) / hours.expected::numeric, 12) AS measure,
    jsonb_build_object('awaited', to_jsonb(s.awaits))                           AS counts,
    coalesce((
        SELECT jsonb_agg(jsonb_build_object('source_object', named.file_id) ORDER BY named.file_id)
        FROM (
            SELECT to_char(
                to_timestamp((s.day + m.hour * 3600000) / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD/HH24'
            ) AS file_id
            FROM unnest(s.missing_hours) AS m (hour)
            ORDER BY m.hour
            LIMIT %(examples)s
        ) AS named
    ), '[]')                                                                    AS examples,
    NULL::text                                                                  AS reason
FROM day_state AS s
CROSS JOIN (VALUES (24::bigint)) AS hours (expected)
WHERE s.day = %(day)s
