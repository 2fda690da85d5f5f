-- Midnight (ms) until which traders' figures are built; NULL before the first day.
SELECT max(day) + 86400000 FROM metric_state
