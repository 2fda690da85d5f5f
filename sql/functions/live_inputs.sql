-- Equal exactly when what a day's confirmation is counted from is: its fills, its live rows, the
-- streams and their gaps. NULL for a day that is not loaded.
CREATE OR REPLACE FUNCTION live_inputs(of_day bigint) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT md5(concat_ws(
        '/',
        s.generation,
        s.is_final,
        (
            SELECT string_agg(concat_ws(' ', d.kind, d.subject, d.row_count), '|' ORDER BY d.kind, d.subject)
            FROM live_days AS d
            WHERE d.day = of_day
        ),
        (
            SELECT string_agg(
                concat_ws(
                    ' ', t.stream_id, greatest(t.since, of_day), t.until,
                    least(t.known_until, of_day + 86400000)
                ),
                '|' ORDER BY t.stream_id
            )
            FROM live_streams AS t
            WHERE t.since < of_day + 86400000 AND (t.until IS NULL OR t.until > of_day)
        ),
        (
            SELECT string_agg(
                concat_ws(' ', g.kind, g.subject, g.from_time, g.until_time),
                '|' ORDER BY g.kind, g.subject, g.from_time
            )
            FROM live_gaps AS g
            WHERE g.from_time < of_day + 86400000 AND g.until_time > of_day
        )
    ))
    FROM day_state AS s
    WHERE s.day = of_day
$$;
