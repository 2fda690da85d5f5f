-- How widely each trader's book was spread over perps, by exposure at midnights. Who held nothing over
-- one has no row: his fills would have to be read.
CREATE TEMPORARY TABLE new_books ON COMMIT DROP AS
SELECT b.user_address, c.diversification_score, c.diversification_score_reason
FROM (
    SELECT h.user_address, array_agg(h.exposure ORDER BY h.coin) AS exposures
    FROM (
        SELECT p.user_address, p.coin, sum(abs(p.position * p.mark)) AS exposure
        FROM held_positions AS p
        WHERE p.day < %(at)s AND p.mark IS NOT NULL
        GROUP BY p.user_address, p.coin
    ) AS h
    GROUP BY h.user_address
) AS b
CROSS JOIN LATERAL concentration_metrics(b.exposures) AS c
