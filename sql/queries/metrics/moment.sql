-- Not now(), which is when the transaction began: it may have waited for its turn since.
SELECT clock_timestamp()
