-- The days (ms) whose corrected figures fit together: each stands on the one before as that one is
-- now. While an old day and those after it are built again, the later ones are missing here.
CREATE VIEW settled_days AS
SELECT s.day
FROM metric_state AS s
WHERE s.day < coalesce(
    (
        SELECT min(b.day)
        FROM (SELECT day, stands_on, lag(built_from) OVER (ORDER BY day) AS before FROM metric_state) AS b
        WHERE b.stands_on IS DISTINCT FROM b.before
    ),
    9223372036854775807
);
