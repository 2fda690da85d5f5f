-- The corrected figures of one trader over a window that ends before `at`.
SELECT m.*
FROM trader_metrics_between(%(at)s, %(days)s) AS m
WHERE m.user_address = %(address)s
