-- What a ranking of traders in a formation window said of the evaluation window after it; one row.
-- Places of the arrays are traders, all that were looked at when the formation ended: who stopped
-- trading stays in, with 0. Of equal values at the edge of a group the first ones are in it. Shares
-- are fractions, means in the unit of the outcome.
CREATE OR REPLACE FUNCTION persistence_metrics(
    formation_metric double precision[],
    evaluation_metric double precision[],
    stopped_trading boolean[] DEFAULT NULL,
    top_fraction double precision DEFAULT 0.1
)
RETURNS TABLE (
    n bigint, rank_ic double precision, rank_ic_reason text, top_n bigint,
    top_repeat_rate double precision, chance_rate double precision,
    top_mean_evaluation double precision, all_mean_evaluation double precision,
    top_positive_share double precision, all_positive_share double precision,
    stopped_share double precision
)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    WITH traders AS (
        SELECT
            t.place,
            t.score,
            CASE WHEN t.stopped THEN 0 ELSE t.outcome END AS outcome,
            coalesce(t.stopped, false)                    AS stopped
        FROM unnest(formation_metric, evaluation_metric, stopped_trading)
            WITH ORDINALITY AS t (score, outcome, stopped, place)
    ), known AS (
        SELECT t.*
        FROM traders AS t
        WHERE t.score IS NOT NULL AND t.outcome IS NOT NULL
    ), ranked AS (
        SELECT
            k.*,
            row_number() OVER (ORDER BY k.score DESC, k.place) <= g.top_n   AS is_top,
            row_number() OVER (ORDER BY k.outcome DESC, k.place) <= g.top_n AS is_best
        FROM known AS k
        CROSS JOIN (SELECT public.top_group_size(count(*), top_fraction) AS top_n FROM known) AS g
    ), summed AS (
        SELECT
            count(*)                                                AS n,
            count(*) FILTER (WHERE r.is_top)                        AS top_n,
            avg(r.is_best::int) FILTER (WHERE r.is_top)             AS top_repeat_rate,
            avg(r.outcome) FILTER (WHERE r.is_top)                  AS top_mean,
            avg(r.outcome)                                          AS all_mean,
            avg((r.outcome > 0)::int) FILTER (WHERE r.is_top)       AS top_positive,
            avg((r.outcome > 0)::int)                               AS all_positive,
            avg(r.stopped::int)                                     AS stopped,
            coalesce(array_agg(r.score ORDER BY r.place), '{}')     AS scores,
            coalesce(array_agg(r.outcome ORDER BY r.place), '{}')   AS outcomes
        FROM ranked AS r
    )
    SELECT
        s.n,
        i.rank_ic,
        CASE WHEN s.n = 0 THEN 'no_data' ELSE i.rank_ic_reason END,
        s.top_n,
        s.top_repeat_rate::double precision,
        s.top_n / nullif(s.n, 0)::double precision,
        s.top_mean,
        s.all_mean,
        s.top_positive::double precision,
        s.all_positive::double precision,
        s.stopped::double precision
    FROM summed AS s
    CROSS JOIN LATERAL public.rank_ic(s.scores, s.outcomes) AS i
$$;
