-- Rank information coefficient: Spearman's correlation of what was ranked and what came of it, over
-- the places where both have a value; one row.
-- Source: Spearman 1904.
CREATE OR REPLACE FUNCTION rank_ic(scores double precision[], outcomes double precision[])
RETURNS TABLE (n_obs bigint, rank_ic double precision, rank_ic_reason text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT c.n_obs, c.correlation, c.correlation_reason
    FROM (
        SELECT
            coalesce(array_agg(p.score ORDER BY p.place), '{}')   AS scores,
            coalesce(array_agg(p.outcome ORDER BY p.place), '{}') AS outcomes
        FROM unnest(scores, outcomes) WITH ORDINALITY AS p (score, outcome, place)
        WHERE p.score IS NOT NULL AND p.outcome IS NOT NULL
    ) AS b
    CROSS JOIN LATERAL public.correlation(
        public.average_ranks(b.scores), public.average_ranks(b.outcomes), 2
    ) AS c
$$;
