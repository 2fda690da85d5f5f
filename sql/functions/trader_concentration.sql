-- How much one trader's book depends on few perps, over a window that ends before `before` (ms, a
-- midnight): by exposure where he held any over midnight, else by volume. One row. The score knows
-- that tokens move together, from their closes of the 90 days before (corr_basis token_returns); where
-- no two of them have enough common days it does not (none).
CREATE OR REPLACE FUNCTION trader_concentration(
    of_address text, before bigint, window_days bigint DEFAULT NULL
)
RETURNS TABLE (
    share_basis text, unique_tokens_traded bigint, concentration_index double precision,
    concentration_index_reason text, concentration_index_normalized double precision,
    concentration_index_normalized_reason text, effective_tokens double precision,
    effective_tokens_reason text, top_3_exposure double precision, top_3_exposure_reason text,
    diversification_score double precision, diversification_score_reason text, corr_basis text,
    token_distribution jsonb
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    WITH listed AS MATERIALIZED (
        SELECT
            t.token,
            t.share,
            t.share_basis,
            t.fills,
            CASE t.share_basis WHEN 'exposure' THEN t.exposure_usd ELSE t.volume_usd END AS amount
        FROM trader_tokens(of_address, before, window_days) AS t
    ), tokens AS (
        SELECT
            min(l.share_basis)                                           AS share_basis,
            count(*) FILTER (WHERE l.fills > 0)                          AS traded,
            coalesce(array_agg(l.amount ORDER BY l.token) FILTER (WHERE l.amount > 0), '{}') AS amounts,
            jsonb_object_agg(l.token, l.share ORDER BY l.token) FILTER (WHERE l.share > 0) AS shares
        FROM listed AS l
    ), moves AS MATERIALIZED (
        SELECT l.token, log_returns(l.token, before, 90) AS returns
        FROM listed AS l
        WHERE l.amount > 0
    ), pairs AS MATERIALIZED (
        SELECT a.token AS token_a, b.token AS token_b, c.correlation
        FROM moves AS a
        JOIN moves AS b ON a.token < b.token
        CROSS JOIN LATERAL correlation(a.returns, b.returns, publishing_limit('common_days')) AS c
    ), square AS (
        -- NULL where no pair is known: the score must not take that for one that is.
        SELECT array_agg(r.values ORDER BY r.token) FILTER (WHERE r.is_any_known) AS correlations
        FROM (
            SELECT
                a.token,
                EXISTS (SELECT FROM pairs AS k WHERE k.correlation IS NOT NULL) AS is_any_known,
                array_agg(p.correlation ORDER BY b.token) AS values
            FROM moves AS a
            CROSS JOIN moves AS b
            LEFT JOIN pairs AS p
                ON p.token_a = least(a.token, b.token) AND p.token_b = greatest(a.token, b.token)
            GROUP BY a.token
        ) AS r
    )
    SELECT
        t.share_basis,
        t.traded,
        c.concentration_index,
        c.concentration_index_reason,
        c.concentration_index_normalized,
        c.concentration_index_normalized_reason,
        c.effective_tokens,
        c.effective_tokens_reason,
        c.top_3_exposure,
        c.top_3_exposure_reason,
        c.diversification_score,
        c.diversification_score_reason,
        c.corr_basis,
        t.shares
    FROM tokens AS t
    CROSS JOIN square AS q
    CROSS JOIN LATERAL concentration_metrics(t.amounts, q.correlations) AS c
$$;
