-- How much of each account's equity was at work, as trader_leverage gives it for one.
CREATE TEMPORARY TABLE new_leverage ON COMMIT DROP AS
SELECT a.address AS user_address, m.avg_leverage, m.avg_leverage_reason
FROM (
    SELECT
        e.address,
        array_agg(e.account_value ORDER BY e.recorded_at) AS account_values,
        array_agg(e.total_ntl_pos ORDER BY e.recorded_at) AS gross_values
    FROM account_equity AS e
    WHERE e.recorded_at < %(at)s
      AND (e.collapse_known_at IS NULL OR e.collapse_known_at >= %(at)s)
      AND e.address IN (SELECT k.user_address FROM known_traders AS k)
    GROUP BY e.address
) AS a
CROSS JOIN LATERAL leverage_metrics(a.account_values, a.gross_values) AS m
