-- compat.time_bucket, under another name: Spark's own function of that name takes intervals.
CREATE TEMPORARY FUNCTION bucket_ms(width BIGINT, ts BIGINT) RETURNS BIGINT
RETURN (SELECT ts - ((ts % width) + width) % width)
