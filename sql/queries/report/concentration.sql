-- How much the trader's book depends on few tokens. Parameters: user_address, before, window_days.
SELECT
    m.n_obs, m.publishable, m.fills,
    c.share_basis, c.corr_basis, c.unique_tokens_traded,
    c.concentration_index, c.concentration_index_reason,
    c.concentration_index_normalized, c.concentration_index_normalized_reason,
    c.effective_tokens, c.effective_tokens_reason,
    c.top_3_exposure, c.top_3_exposure_reason,
    c.diversification_score, c.diversification_score_reason,
    c.token_distribution,
    CASE WHEN c.token_distribution IS NULL THEN 'no_data' END AS token_distribution_reason
FROM trader_metrics_between(%(before)s, %(window_days)s) AS m
CROSS JOIN LATERAL trader_concentration(m.user_address, %(before)s, %(window_days)s) AS c
WHERE m.user_address = %(user_address)s
