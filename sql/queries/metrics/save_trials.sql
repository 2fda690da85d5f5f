-- Of how many traders the best Sharpe ratio would be the best, and how much theirs differ: of those
-- with the days and closed trades that smart money must have. Parameters: day.
UPDATE metric_state AS s
SET trials = t.trials, sharpe_variance = t.variance
FROM (
    SELECT count(*) AS trials, var_samp(m.sharpe_ratio) AS variance
    FROM trader_metrics_between(%(day)s::bigint + 86400000, NULL) AS m
    WHERE m.sharpe_ratio IS NOT NULL
      AND m.calendar_days >= (
          SELECT c.threshold FROM classification_conditions AS c
          WHERE c.rule_set = 'vigil_v1' AND c.trader_type = 'SMART_DIRECTIONAL' AND c.metric = 'calendar_days'
      )
      AND m.closed_trades >= (
          SELECT c.threshold FROM classification_conditions AS c
          WHERE c.rule_set = 'vigil_v1' AND c.trader_type = 'SMART_DIRECTIONAL' AND c.metric = 'closed_trades'
      )
) AS t
WHERE s.day = %(day)s
