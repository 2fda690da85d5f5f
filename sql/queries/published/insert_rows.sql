-- With percentiles among those in the universe whose figure is defined: the share that is worse.
INSERT INTO published_traders
WITH members AS (
    SELECT
        r.*,
        r.publishable OR NOT bool_or(r.publishable) OVER () AS is_member
    FROM new_rows AS r
), ranked AS (
    SELECT
        m.user_address,
        CASE WHEN m.is_member AND m.sharpe_ratio IS NOT NULL THEN percent_rank() OVER (
            PARTITION BY m.is_member AND m.sharpe_ratio IS NOT NULL ORDER BY m.sharpe_ratio
        ) END AS sharpe_ratio,
        CASE WHEN m.is_member AND m.roi_all IS NOT NULL THEN percent_rank() OVER (
            PARTITION BY m.is_member AND m.roi_all IS NOT NULL ORDER BY m.roi_all
        ) END AS roi,
        CASE WHEN m.is_member AND m.max_drawdown IS NOT NULL THEN percent_rank() OVER (
            PARTITION BY m.is_member AND m.max_drawdown IS NOT NULL ORDER BY m.max_drawdown
        ) END AS max_drawdown,
        CASE WHEN m.is_member AND m.win_rate IS NOT NULL THEN percent_rank() OVER (
            PARTITION BY m.is_member AND m.win_rate IS NOT NULL ORDER BY m.win_rate
        ) END AS win_rate,
        CASE WHEN m.is_member AND m.avg_leverage IS NOT NULL THEN percent_rank() OVER (
            PARTITION BY m.is_member AND m.avg_leverage IS NOT NULL ORDER BY m.avg_leverage DESC
        ) END AS avg_leverage,
        CASE WHEN m.is_member AND m.diversification_score IS NOT NULL THEN percent_rank() OVER (
            PARTITION BY m.is_member AND m.diversification_score IS NOT NULL ORDER BY m.diversification_score
        ) END AS diversification_score
    FROM members AS m
)
SELECT
    r.*,
    p.sharpe_ratio,
    p.roi,
    p.max_drawdown,
    p.win_rate,
    p.avg_leverage,
    p.diversification_score
FROM new_rows AS r
JOIN ranked AS p ON p.user_address = r.user_address
