-- A new request. Parameters: request, request_sha256, requested_at, requested_by.
INSERT INTO backtests (request, request_sha256, requested_at, requested_by)
VALUES (%(request)s, %(request_sha256)s, %(requested_at)s, %(requested_by)s)
RETURNING backtest_id
