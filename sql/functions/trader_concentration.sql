-- How much one trader's book depends on few perps, over a window that ends before `before` (ms, a
-- midnight): by exposure where he held any over midnight, else by volume. One row. The correlations
-- of the tokens are not asked: corr_basis is none.
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
    WITH tokens AS (
        SELECT
            min(t.share_basis)                                           AS share_basis,
            count(*) FILTER (WHERE t.fills > 0)                          AS traded,
            coalesce(
                array_agg(
                    CASE t.share_basis WHEN 'exposure' THEN t.exposure_usd ELSE t.volume_usd END
                    ORDER BY t.token
                ),
                '{}'
            )                                                            AS amounts,
            jsonb_object_agg(t.token, t.share ORDER BY t.token) FILTER (WHERE t.share > 0) AS shares
        FROM trader_tokens(of_address, before, window_days) AS t
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
    CROSS JOIN LATERAL concentration_metrics(t.amounts) AS c
$$;
