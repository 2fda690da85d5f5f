-- Midnight (ms) until which traders' figures are built and fit together; NULL before the first day.
SELECT max(day) + 86400000 FROM settled_days
