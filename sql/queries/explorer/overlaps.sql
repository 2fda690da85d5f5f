-- How much of the books of each two of some traders lies in the same perps. Parameters: addresses, at.
WITH books AS (
    SELECT
        a.address,
        array_agg(k.token ORDER BY k.token)                                          AS tokens,
        array_agg((CASE k.share_basis WHEN 'exposure' THEN k.exposure_usd ELSE k.volume_usd END) ORDER BY k.token)
                                                                                     AS amounts
    FROM unnest(%(addresses)s::text[]) AS a (address)
    CROSS JOIN LATERAL trader_tokens(a.address, %(at)s, NULL) AS k
    GROUP BY a.address
)
SELECT a.address AS address_a, b.address AS address_b, o.token_overlap, o.token_overlap_reason
FROM books AS a
JOIN books AS b ON b.address > a.address
CROSS JOIN LATERAL token_overlap(a.tokens, a.amounts, b.tokens, b.amounts) AS o
