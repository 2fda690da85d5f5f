-- The last persistence test: every variant and statistic.
SELECT as_of, variant, statistic, value, low, high, corrected_low, corrected_high, n, blocks, verdict, reason, is_simulated
FROM persistence_test
WHERE day = (SELECT max(day) FROM persistence_test)
ORDER BY variant, statistic
