-- How much a book depends on few tokens; one row. Exposures are gross, one a token; those of 0 do
-- not exist. correlations, if given, is a square in the order of the exposures, of their tokens'
-- daily returns; a pair that is not known (NULL) counts as 1.
-- Source: Hirschman 1945, Herfindahl 1950.
CREATE OR REPLACE FUNCTION concentration_metrics(
    exposures numeric[], correlations double precision[] DEFAULT NULL
)
RETURNS TABLE (
    unique_tokens bigint,
    concentration_index double precision,
    concentration_index_reason text,
    concentration_index_normalized double precision,
    concentration_index_normalized_reason text,
    effective_tokens double precision,
    effective_tokens_reason text,
    top_3_exposure double precision,
    top_3_exposure_reason text,
    diversification_score double precision,
    diversification_score_reason text,
    corr_basis text
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH shares AS (
        SELECT
            e.number::integer AS number,
            (e.exposure / sum(e.exposure) OVER ())::double precision AS share,
            row_number() OVER (ORDER BY e.exposure DESC) AS rank
        FROM unnest(exposures) WITH ORDINALITY AS e (exposure, number)
        WHERE e.exposure > 0
    ), book AS (
        SELECT
            count(*)                                    AS n,
            sum(s.share * s.share)                      AS hhi,
            sum(s.share) FILTER (WHERE s.rank <= 3)     AS top_3,
            CASE WHEN count(*) = 0 THEN 'no_data' END   AS reason
        FROM shares AS s
    ), pairs AS (
        SELECT sum(
            a.share * b.share
            * CASE
                WHEN a.number = b.number THEN 1
                ELSE coalesce(correlations[a.number][b.number], 1)
            END
        ) AS together
        FROM shares AS a
        CROSS JOIN shares AS b
        WHERE correlations IS NOT NULL
    )
    SELECT
        b.n,
        b.hhi,
        b.reason,
        (b.hhi - 1.0 / nullif(b.n, 0)) / nullif(1 - 1.0 / nullif(b.n, 0), 0),
        CASE WHEN b.n = 1 THEN 'single_token' ELSE b.reason END,
        1 / b.hhi,
        b.reason,
        b.top_3,
        b.reason,
        CASE WHEN b.n > 0 THEN greatest(least(10 * (1 - coalesce(p.together, b.hhi)), 10), 0) END,
        b.reason,
        CASE WHEN correlations IS NULL THEN 'none' ELSE 'token_returns' END
    FROM book AS b
    CROSS JOIN pairs AS p
$$;
