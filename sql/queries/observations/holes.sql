-- Holes in the numbers of blocks, by source.
SELECT source, count(*) AS holes, sum(blocks)::bigint AS blocks
FROM missing_blocks
GROUP BY source
