-- How much of two traders' books lies in the same tokens: 1 where their shares are equal, 0 where
-- they have no token in common; one row.
CREATE OR REPLACE FUNCTION token_overlap(
    tokens_a text[], exposures_a numeric[], tokens_b text[], exposures_b numeric[]
)
RETURNS TABLE (token_overlap double precision, token_overlap_reason text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
        CASE
            WHEN count(a.share) > 0 AND count(b.share) > 0
            THEN sum(least(coalesce(a.share, 0), coalesce(b.share, 0)))
                / sum(greatest(a.share, b.share))
        END,
        CASE WHEN count(a.share) = 0 OR count(b.share) = 0 THEN 'no_data' END
    FROM public.token_distribution(tokens_a, exposures_a) AS a
    FULL JOIN public.token_distribution(tokens_b, exposures_b) AS b ON b.token = a.token
$$;
