-- The time by which half of what began has ended, where some has not ended yet: the first time at
-- which the product-limit estimate is at most a half. NULL where it stays above. is_ended says of each
-- duration whether it is whole; of one that is not, it is how long it has lasted.
-- Source: Kaplan and Meier 1958.
CREATE OR REPLACE FUNCTION kaplan_meier_median(durations numeric[], is_ended boolean[])
RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
    surviving double precision := 1;
    step record;
BEGIN
    FOR step IN
        SELECT
            t.duration,
            count(*) FILTER (WHERE t.ended)                                   AS ends,
            -- What was cut off at this very time was still there.
            sum(count(*)) OVER (ORDER BY t.duration DESC)                     AS at_risk
        FROM unnest(durations, is_ended) AS t (duration, ended)
        GROUP BY t.duration
        ORDER BY t.duration
    LOOP
        surviving := surviving * (1 - step.ends / step.at_risk);
        -- Products of fractions end a little beside a half that they stand for.
        IF surviving <= 0.5 + 1e-12 THEN
            RETURN step.duration;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
