-- Lines that were not taken, by source and reason.
SELECT source, reason, count(*) AS lines
FROM quarantined_lines
GROUP BY source, reason
